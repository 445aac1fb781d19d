import type { DriveId } from "../../base/ids.ts";
import type { GroupConfig } from "../../cluster/schema.ts";
import { NO_ENTRY, sameId } from "../../wire/entry.ts";
import type { ReplicaImage } from "../drive/image.ts";
import type { GroupHost } from "./host.ts";
import { BOOT_WAIT_MS, REPLICATE_TIMEOUT_MS } from "./times.ts";

/** R5, R6, R18, R19: whether this replica should become primary, judged by a config that may be old. */
export function mayPropose(host: GroupHost, image: ReplicaImage | undefined, config: GroupConfig, promiseUntilMs: number): boolean {
  if (!config.members.includes(host.driveId) || config.epoch < (image?.epoch ?? 0)) return false;
  // R14: a group that was not adopted since the store was restored waits.
  if (config.incarnation !== host.incarnation()) return false;
  // R3f: whoever cannot write its journal cannot serve.
  if (host.drive.appendOutstandingMs() > REPLICATE_TIMEOUT_MS) return false;
  if (isChosen(host.driveId, image, config)) return true;
  if (image && (image.damaged || image.incomplete)) return false;
  // R6; also when this very process has left and nobody took over: it begins again like a restarted one.
  if (config.primary === host.driveId) return true;
  if (!everWritten(image)) return false;
  if (config.primaryInstance !== 0 && host.deadInstance(config.primary) >= config.primaryInstance) return true;
  const now = host.clock.nowMs();
  return now >= promiseUntilMs && now >= BOOT_WAIT_MS;
}

/**
 * R23: an administrator has chosen this drive's copy, or this drive for a group of which none is left, and nobody has acted on that
 * yet. The word is used up by the first configuration after it: damage that comes later is not covered by it.
 */
export function isChosen(self: DriveId, image: ReplicaImage | undefined, { loss, epoch, primary, primaryInstance, members }: GroupConfig): boolean {
  return loss?.epoch === epoch && primary === self && primaryInstance === 0 && members.length === 1 && (image?.epoch ?? 0) < epoch;
}

/**
 * A member that remembers no entry cannot tell a group that was never written from one whose data this drive lost: it never
 * goes on alone, neither by proposing itself nor by removing others before they have told what they hold.
 */
export function everWritten(image: ReplicaImage | undefined): boolean {
  return image !== undefined && !sameId(image.log.last, NO_ENTRY);
}
