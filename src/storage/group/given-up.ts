import type { GroupId } from "../../base/ids.ts";
import { groupName } from "../../cluster/schema.ts";
import type { BlockRange, EntryId } from "../../wire/entry.ts";
import type { GroupHost } from "./host.ts";

/** What a lost drive brought back is parked while so much of the drive is free: copies that are whole come first. */
const PARK_WHILE_FREE_SHARE = 0.2;

/** R23: keeps a range of a copy that was given up, before it is overwritten. What was never written there is nothing to keep. */
export async function parkGivenUp(host: GroupHost, group: GroupId, range: BlockRange, ids: readonly EntryId[]): Promise<void> {
  const held = await host.drive.read(range);
  if (held.ok && held.checksums.every((checksum) => checksum === 0)) return;
  const { capacityBytes, freeBytes } = host.drive.space();
  if (freeBytes < capacityBytes * PARK_WHILE_FREE_SHARE)
    return host.log.warn("R23: this drive is too full to keep what it brought back of a group that was given up; it is overwritten", { group: groupName(group), volume: range.volume, extent: range.extent });
  await host.drive.park(group, range, "of a copy that was given up by accept-loss", ids);
}
