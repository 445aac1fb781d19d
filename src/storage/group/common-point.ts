import { compareIds, NO_ENTRY, sameId, type EntryId } from "../../wire/entry.ts";
import type { Tail } from "../../wire/messages.ts";
import type { ReplicaImage } from "../drive/image.ts";

/**
 * R9: the newest entry that the learner holds completely and that is in this primary's history, as far as its log and its map of
 * changes go back; null = none is known. What the learner merely journalled live does not count (X19).
 */
export function newestCommon(tail: Tail, image: ReplicaImage): EntryId | null {
  if (tail.damaged) return null;
  const held = tail.entries.filter((entry) => compareIds(entry, tail.completeThrough) <= 0).toReversed();
  for (const id of [...held, tail.completeThrough, tail.committed]) {
    if (compareIds(id, tail.completeThrough) <= 0 && (image.log.contains(id) || image.changes.covers(id))) return { epoch: id.epoch, seq: id.seq };
  }
  return sameId(tail.completeThrough, NO_ENTRY) && sameId(image.log.base, NO_ENTRY) ? NO_ENTRY : null;
}
