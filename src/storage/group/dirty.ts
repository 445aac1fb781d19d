import { BLOCKS_PER_CHUNK, BLOCKS_PER_EXTENT } from "../../base/geometry.ts";
import type { BlockRange, EntryHeader, ExtentKey } from "../../wire/entry.ts";
import { compareExtents } from "../../wire/messages.ts";
import { runsOf } from "./good-copy.ts";

/** R9: chunks (64 KiB) that a learner does not yet hold, as two 32-bit words an extent. */
export class Dirty {
  readonly #extents = new Map<string, [number, number]>();
  /** Full catch-up: extents after this key have not been covered by a manifest and are wholly dirty; "all" = none are. */
  #passed: ExtentKey | "none" | "all";

  constructor(ranges: readonly BlockRange[] | null) {
    this.#passed = ranges === null ? "none" : "all";
    for (const range of ranges ?? []) this.#set(range);
  }

  /** Chunks of the entry's extent in which it must not be applied yet; null = apply all of it. */
  skip(entry: EntryHeader): readonly [number, number] | null {
    if (entry.count === 0) return null;
    const words = this.#extents.get(name(entry));
    if (!words && !this.#covered(entry)) return [0xffffffff, 0xffffffff];
    if (!words) return null;
    const [low, high] = maskOf(entry);
    if ((words[0] & low) === 0 && (words[1] & high) === 0) return null;
    return [words[0], words[1]];
  }

  /** A copy at this place of the stream brings the range's chunks into sync. A copy covers whole chunks. */
  clean(range: BlockRange): void {
    const words = this.#extents.get(name(range));
    if (!words) return;
    const [low, high] = maskOf(range);
    words[0] = (words[0] & ~low) >>> 0;
    words[1] = (words[1] & ~high) >>> 0;
    if (words[0] === 0 && words[1] === 0) this.#extents.delete(name(range));
  }

  /** Manifests have covered everything up to `through` (null: to the end); only `different` extents are dirty in it. */
  passed(through: ExtentKey | null, different: readonly ExtentKey[]): void {
    this.#passed = through ?? "all";
    for (const key of different) this.#extents.set(name(key), [0xffffffff, 0xffffffff]);
  }

  #covered(key: ExtentKey): boolean {
    if (this.#passed === "all" || this.#passed === "none") return this.#passed === "all";
    return compareExtents(key, this.#passed) <= 0;
  }

  #set(range: BlockRange): void {
    if (range.count === 0) return;
    let words = this.#extents.get(name(range));
    if (!words) this.#extents.set(name(range), (words = [0, 0]));
    const [low, high] = maskOf(range);
    words[0] = (words[0] | low) >>> 0;
    words[1] = (words[1] | high) >>> 0;
  }
}

/** Bit i of (low, high) = the range touches chunk i. */
export function maskOf(range: { readonly first: number; readonly count: number }): [number, number] {
  let low = 0;
  let high = 0;
  const end = Math.ceil((range.first + range.count) / BLOCKS_PER_CHUNK);
  for (let chunk = Math.floor(range.first / BLOCKS_PER_CHUNK); chunk < end; chunk += 1) {
    if (chunk < 32) low |= 1 << chunk;
    else high |= 1 << (chunk - 32);
  }
  return [low >>> 0, high >>> 0];
}

/** Whole chunks that cover the ranges, joined to runs of at most `countMax` blocks. */
export function wholeChunks(ranges: readonly BlockRange[], countMax: number): BlockRange[] {
  const extents = new Map<string, { key: ExtentKey; low: number; high: number }>();
  for (const range of ranges) {
    if (range.count === 0) continue;
    let extent = extents.get(name(range));
    const { volume, lineage, layer, extent: index } = range;
    if (!extent) extents.set(name(range), (extent = { key: { volume, lineage, layer, extent: index }, low: 0, high: 0 }));
    const [low, high] = maskOf(range);
    extent.low |= low;
    extent.high |= high;
  }
  const runs: BlockRange[] = [];
  for (const { key, low, high } of extents.values()) {
    let run: { first: number; count: number } | null = null;
    for (let chunk = 0; chunk <= 64; chunk += 1) {
      const set = chunk < 32 ? (low >>> chunk) & 1 : chunk < 64 ? (high >>> (chunk - 32)) & 1 : 0;
      if (set && run && run.count < countMax) run.count += BLOCKS_PER_CHUNK;
      else {
        if (run) runs.push({ ...key, ...run });
        run = set ? { first: chunk * BLOCKS_PER_CHUNK, count: BLOCKS_PER_CHUNK } : null;
      }
    }
  }
  return runs;
}

/** The very blocks of the ranges, neighbours and what overlaps joined. */
export function sameBlocks(ranges: readonly BlockRange[]): BlockRange[] {
  const extents = new Map<string, { key: ExtentKey; blocks: Uint8Array }>();
  for (const range of ranges) {
    if (range.count === 0) continue;
    let extent = extents.get(name(range));
    const { volume, lineage, layer, extent: index } = range;
    if (!extent) extents.set(name(range), (extent = { key: { volume, lineage, layer, extent: index }, blocks: new Uint8Array(BLOCKS_PER_EXTENT) }));
    extent.blocks.fill(1, range.first, range.first + range.count);
  }
  return [...extents.values()].flatMap(({ key, blocks }) => runsOf({ ...key, first: 0, count: BLOCKS_PER_EXTENT }, (block) => blocks[block] === 1));
}

function name(key: ExtentKey): string {
  return `${key.volume}.${key.extent}.${key.layer}`;
}
