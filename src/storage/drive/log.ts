import { assert } from "../../base/assert.ts";
import { compareIds, NO_ENTRY, sameId, showId, type EntryHeader, type EntryId } from "../../wire/entry.ts";

/**
 * Entries that a replica remembers of its group's log, oldest first, gapless: each entry's previous id is the one before it,
 * and the first one's is `base`. Content lives in the extents; this is what peering and catch-up compare.
 */
export class EntryLog {
  #base: EntryId;
  #entries: EntryHeader[];
  constructor(base: EntryId = NO_ENTRY, entries: EntryHeader[] = []) {
    this.#base = base;
    this.#entries = [];
    for (const entry of entries) this.append(entry);
  }
  /** Id of the entry before the first one remembered. */
  get base(): EntryId {
    return this.#base;
  }
  get last(): EntryId {
    return this.#entries.at(-1) ?? this.#base;
  }
  get length(): number {
    return this.#entries.length;
  }
  get entries(): readonly EntryHeader[] {
    return this.#entries;
  }
  append(entry: EntryHeader): void {
    assert(sameId(entry.previous, this.last), `R1: entry ${showId(entry)} follows ${showId(entry.previous)}, but the log ends at ${showId(this.last)}`);
    this.#entries.push(entry);
  }
  /** True for a remembered entry and for `base`. */
  contains(id: EntryId): boolean {
    if (sameId(id, this.#base)) return true;
    const entry = this.#entries[this.#firstAfter(id) - 1];
    return entry !== undefined && sameId(entry, id);
  }
  /** Entries with a greater id. */
  after(id: EntryId): EntryHeader[] {
    return this.#entries.slice(this.#firstAfter(id));
  }
  /** Forgets everything after `id`, which must be contained; returns what was forgotten. */
  cutAfter(id: EntryId): EntryHeader[] {
    assert(this.contains(id), `the log does not contain ${showId(id)}`);
    return this.#entries.splice(this.#firstAfter(id));
  }
  /** R20: lets go of the oldest entries up to `id`, so that at least `keep` remain; entries after `id` stay. Returns them. */
  trim(id: EntryId, keep: number): EntryHeader[] {
    const forgettable = Math.min(this.#firstAfter(id), this.#entries.length - keep);
    if (forgettable <= 0) return [];
    this.#base = idOf(this.#entries[forgettable - 1] as EntryHeader);
    return this.#entries.splice(0, forgettable);
  }
  #firstAfter(id: EntryId): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareIds(this.#entries[middle] as EntryHeader, id) <= 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export function idOf(entry: EntryId): EntryId {
  return { epoch: entry.epoch, seq: entry.seq };
}
