import { compareIds, NO_ENTRY, type EntryId } from "../../wire/entry.ts";

/** Commit points remembered: one a second for the time that an entry must be kept, and some that a change of configuration adds. */
const POINTS_MAX = 64;

/** R20: what was acknowledged long enough ago for the log to let go of it. Forgotten with the process, which is merely late then. */
export class Settling {
  readonly #points: { readonly id: EntryId; readonly atMs: number }[] = [];
  #settled: EntryId = NO_ENTRY;

  /** `committed`: what is known to be on all members now. `afterMs`: how long is enough. */
  settled(committed: EntryId, nowMs: number, afterMs: number): EntryId {
    const last = this.#points.at(-1);
    if ((!last || compareIds(committed, last.id) > 0) && this.#points.length < POINTS_MAX) this.#points.push({ id: committed, atMs: nowMs });
    while (this.#points[0] && nowMs - this.#points[0].atMs > afterMs) this.#settled = (this.#points.shift() as { id: EntryId }).id;
    return this.#settled;
  }
}
