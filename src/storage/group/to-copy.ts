import { BLOCKS_PER_CHUNK, BLOCKS_PER_EXTENT, CHUNKS_PER_EXTENT, PIECE_BLOCKS_MAX } from "../../base/geometry.ts";
import { laterId, NO_ENTRY, type BlockRange, type EntryId, type ExtentKey } from "../../wire/entry.ts";

/** Runs of blocks in one span: each is a read and a record at the learner, all under one lock that hosts' writes wait for. */
const RUNS_MAX = 16;

/** Neighbouring chunks that become clean at the learner together. */
export type Span = BlockRange;

interface Extent {
  readonly key: ExtentKey;
  /** Chunks that are dirty at the learner, by its place in the stream. */
  readonly dirty: Uint8Array;
  /** Chunks whose copy is under way; still dirty. */
  readonly taken: Uint8Array;
  /** Blocks to copy; null when the learner has told what it holds. */
  readonly blocks: Uint8Array | null;
  /** Digests of what the learner holds, one for each block; empty when it holds nothing. */
  readonly held: BigUint64Array | null;
  /** A copy has brought the extent's version to the learner. */
  versioned: boolean;
  /** Newest live write, or version that a copy brought: a copy that was read before must not set the learner's version back. */
  newest: EntryId;
}

/**
 * R9 at the primary: the blocks that a learner lacks. The learner counts in chunks of 64 KiB and skips live writes in those that
 * are dirty, so a live write into one is added here; only the last copy of a chunk makes it clean.
 */
export class ToCopy {
  readonly #extents = new Map<string, Extent>();
  #blocks = 0;

  /** Blocks that may have to be copied. */
  get blockCount(): number {
    return this.#blocks;
  }
  get isEmpty(): boolean {
    return this.#extents.size === 0;
  }

  /** Before the catch-up begins: these blocks differ, and the chunks around them are dirty. */
  add(range: BlockRange): void {
    if (range.count === 0) return;
    const extent = this.#extent(range);
    for (let block = range.first; block < range.first + range.count; block += 1) {
      extent.dirty[chunkOf(block)] = 1;
      this.#mark(extent, block);
    }
  }

  /** A manifest has shown that the extent differs: all of it is dirty. `held`: digests of what is there; null = not known. */
  differs(key: ExtentKey, held: BigUint64Array | null): void {
    const { volume, lineage, layer, extent } = key;
    const blocks = held ? null : new Uint8Array(BLOCKS_PER_EXTENT).fill(1);
    this.#extents.set(nameOf(key), { key: { volume, lineage, layer, extent }, dirty: new Uint8Array(CHUNKS_PER_EXTENT).fill(1), taken: new Uint8Array(CHUNKS_PER_EXTENT), blocks, held, versioned: false, newest: NO_ENTRY });
    this.#blocks += BLOCKS_PER_EXTENT;
  }

  /** A live write: the learner does not apply it in chunks that are dirty there. */
  wrote(range: BlockRange, id: EntryId): void {
    const extent = range.count > 0 ? this.#extents.get(nameOf(range)) : undefined;
    if (!extent) return;
    extent.newest = id;
    for (let block = range.first; block < range.first + range.count; block += 1) if (extent.dirty[chunkOf(block)]) this.#mark(extent, block);
  }

  /** What the learner must count as dirty: whole chunks, joined. */
  dirtyRanges(): BlockRange[] {
    const ranges: BlockRange[] = [];
    for (const { key, dirty } of this.#extents.values())
      for (let chunk = 0; chunk < CHUNKS_PER_EXTENT; chunk += 1) {
        const from = chunk;
        while (dirty[chunk]) chunk += 1;
        if (chunk > from) ranges.push(spanOf(key, from, chunk - from));
      }
    return ranges;
  }

  /** Chunks to bring into sync next; null = none that is not under way. */
  take(): Span | null {
    for (const extent of this.#extents.values()) {
      const from = extent.dirty.findIndex((dirty, chunk) => dirty === 1 && extent.taken[chunk] === 0);
      if (from < 0) continue;
      let count = 1;
      while (count * BLOCKS_PER_CHUNK < PIECE_BLOCKS_MAX && extent.dirty[from + count] && !extent.taken[from + count] && runs(extent, spanOf(extent.key, from, count + 1)).length <= RUNS_MAX) count += 1;
      extent.taken.fill(1, from, from + count);
      return spanOf(extent.key, from, count);
    }
    return null;
  }

  /** The span was not copied after all. */
  giveBack(span: Span): void {
    this.#extents.get(nameOf(span))?.taken.fill(0, chunkOf(span.first), chunkOf(span.first + span.count));
  }

  /** Under the span's lock: what has to be read of it, and what the learner is known to hold there. */
  wanted(span: Span): { readonly ranges: BlockRange[]; readonly held: BigUint64Array | null; readonly bringsVersion: boolean } {
    const extent = this.#extents.get(nameOf(span)) as Extent;
    const left = extent.dirty.reduce((sum, dirty) => sum + dirty, 0) * BLOCKS_PER_CHUNK;
    return { ranges: runs(extent, span), held: extent.held, bringsVersion: !extent.versioned && left === span.count };
  }

  /** The version that a copy brings which was read under `version`, and is sent next; null: there was no such extent, as of `last`. */
  version(span: Span, version: EntryId | null, last: EntryId): EntryId {
    const extent = this.#extents.get(nameOf(span)) as Extent;
    if (version === null) return laterId(last, extent.newest);
    extent.newest = laterId(version, extent.newest);
    return extent.newest;
  }

  /** The copies of the span are in the stream: what is assigned from now on the learner applies there. */
  copied(span: Span, blocks: number): void {
    const extent = this.#extents.get(nameOf(span)) as Extent;
    if (blocks > 0) extent.versioned = true;
    if (extent.blocks) for (let block = span.first; block < span.first + span.count; block += 1) this.#blocks -= extent.blocks[block] as number;
    else this.#blocks -= span.count;
    extent.dirty.fill(0, chunkOf(span.first), chunkOf(span.first + span.count));
    extent.blocks?.fill(0, span.first, span.first + span.count);
    if (!extent.dirty.includes(1)) this.#extents.delete(nameOf(span));
  }

  #extent({ volume, lineage, layer, extent }: ExtentKey): Extent {
    const key = { volume, lineage, layer, extent };
    let found = this.#extents.get(nameOf(key));
    if (!found) {
      found = { key, dirty: new Uint8Array(CHUNKS_PER_EXTENT), taken: new Uint8Array(CHUNKS_PER_EXTENT), blocks: new Uint8Array(BLOCKS_PER_EXTENT), held: null, versioned: false, newest: NO_ENTRY };
      this.#extents.set(nameOf(key), found);
    }
    return found;
  }
  #mark({ blocks }: Extent, block: number): void {
    if (!blocks || blocks[block]) return;
    blocks[block] = 1;
    this.#blocks += 1;
  }
}

/** Runs of blocks to read; all of the span when they are to be compared. */
function runs({ blocks }: Extent, span: Span): BlockRange[] {
  if (!blocks) return [span];
  const found: BlockRange[] = [];
  const end = span.first + span.count;
  for (let block = span.first; block < end; block += 1) {
    const first = block;
    while (block < end && blocks[block]) block += 1;
    if (block > first) found.push({ ...span, first, count: block - first });
  }
  return found;
}

function spanOf(key: ExtentKey, chunk: number, count: number): Span {
  return { ...key, first: chunk * BLOCKS_PER_CHUNK, count: count * BLOCKS_PER_CHUNK };
}
function chunkOf(block: number): number {
  return Math.floor(block / BLOCKS_PER_CHUNK);
}
function nameOf(key: ExtentKey): string {
  return `${key.volume}.${key.extent}.${key.layer}`;
}
