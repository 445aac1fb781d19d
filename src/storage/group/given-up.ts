import type { GroupId } from "../../base/ids.ts";
import type { BlockRange, EntryId } from "../../wire/entry.ts";
import type { GroupHost } from "./host.ts";

/**
 * R23: keeps a range of a copy that was given up, before it is overwritten, within what parked/ may take. What was never written there is
 * nothing to keep.
 */
export async function parkGivenUp(host: GroupHost, group: GroupId, range: BlockRange, ids: readonly EntryId[]): Promise<void> {
  const held = await host.drive.read(range);
  if (held.ok && held.checksums.every((checksum) => checksum === 0)) return;
  await host.drive.park(group, range, "of a copy that was given up by accept-loss", ids);
}
