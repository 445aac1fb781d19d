import { BLOCK_BYTES } from "../../base/geometry.ts";
import type { BlockRange, EntryId } from "../../wire/entry.ts";
import type { Message } from "../../wire/messages.ts";
import type { BlockRead } from "../drive/drive.ts";
import { copyIntact } from "./checked.ts";

/** One copy of a range. Resolves null when it gives no answer: its drive cannot be reached, or not any more. */
export type Source = (range: BlockRange) => Promise<BlockRead | null>;

/** Content of a range as its first source should have it, in spite of that one's bad blocks. */
export interface GoodCopy {
  readonly checksums: Uint32Array;
  /** count x 4096 bytes; empty when no block was ever written. Zeros where blocks are lost. */
  readonly data: Buffer;
  readonly version: EntryId | null;
  /** Blocks that are bad at the first source and were found elsewhere. */
  readonly mended: readonly number[];
  /** Of the mended ones, those of which the first source did not even know the checksum. */
  readonly unknown: readonly number[];
  /** Blocks of which no source that answered has a good copy. */
  readonly lost: readonly number[];
  /** A source gave no answer: what is lost may yet be found. */
  readonly silent: boolean;
}

/**
 * R25. A block with just the checksum that the first source expects is that block, whoever has it, even while copies differ.
 * When not even the checksum is known, all others must agree, and only on blocks that are the same everywhere (`alike`).
 */
export async function goodCopy(range: BlockRange, first: Source, others: readonly Source[], alike: (block: number) => boolean): Promise<GoodCopy> {
  const read = await first(range);
  if (read?.ok) return { checksums: read.checksums, data: read.data, version: read.version, mended: [], unknown: [], lost: [], silent: false };
  const nothing = { checksums: new Uint32Array(range.count), data: Buffer.alloc(0), version: null, mended: [], unknown: [], lost: [], silent: true };
  if (!read) return nothing;
  const bad = new Set(read.badBlocks);
  const found = new Found(range);
  for (const run of runsOf(range, (block) => !bad.has(block))) {
    const part = await first(run);
    if (!part?.ok) return nothing;
    found.take(run, part, () => true);
  }
  const expected = (block: number): number => read.checksums[block - range.first] as number;
  const missing = new Set(read.badBlocks);
  const agreed = new Map<number, number>();
  const disputed = new Set<number>();
  let silent = false;
  const accept = (block: number, checksum: number): boolean => {
    if (expected(block) !== 0) return checksum === expected(block) && missing.delete(block);
    if (!alike(block)) return false;
    const known = agreed.get(block);
    if (known !== undefined && known !== checksum) disputed.add(block);
    agreed.set(block, checksum);
    return known === undefined;
  };
  for (const source of others) {
    for (const run of runsOf(range, (block) => missing.has(block))) {
      const answer = await source(run);
      if (!answer) silent = true;
      else if (answer.ok) found.take(run, answer, accept);
      else
        for (const part of runsOf(run, (block) => !answer.badBlocks.includes(block))) {
          const rest = await source(part);
          if (!rest) silent = true;
          else if (rest.ok) found.take(part, rest, accept);
        }
    }
  }
  const unknown = [...agreed.keys()].filter((block) => !silent && !disputed.has(block));
  for (const block of unknown) missing.delete(block);
  for (const block of missing) found.lose(block);
  return { checksums: found.checksums, data: found.content(), version: read.version, mended: read.badBlocks.filter((block) => !missing.has(block)), unknown, lost: [...missing], silent };
}

/** What a replica answers to a `fetch`, as a read of its drive. Null: content that did not arrive as it left. */
export function readOf(message: Message): BlockRead | null {
  if (message.type !== "fetched") return null;
  const { range, badBlocks, version, checksums, data } = message;
  if (!message.content) return version && badBlocks.length > 0 ? { ok: false, badBlocks, checksums, version } : null;
  return copyIntact(range, checksums, data) ? { ok: true, version, checksums, data } : null;
}

class Found {
  readonly checksums: Uint32Array;
  readonly #range: BlockRange;
  readonly #data: Buffer;
  constructor(range: BlockRange) {
    this.#range = range;
    this.checksums = new Uint32Array(range.count);
    this.#data = Buffer.alloc(range.count * BLOCK_BYTES);
  }
  take(run: BlockRange, { checksums, data }: { readonly checksums: Uint32Array; readonly data: Buffer }, accept: (block: number, checksum: number) => boolean): void {
    for (let i = 0; i < run.count; i += 1) {
      const checksum = checksums[i] ?? 0;
      if (!accept(run.first + i, checksum)) continue;
      const at = run.first + i - this.#range.first;
      this.checksums[at] = checksum;
      if (checksum !== 0) data.copy(this.#data, at * BLOCK_BYTES, i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES);
    }
  }
  lose(block: number): void {
    const at = block - this.#range.first;
    this.checksums[at] = 0;
    this.#data.fill(0, at * BLOCK_BYTES, (at + 1) * BLOCK_BYTES);
  }
  content(): Buffer {
    return this.checksums.some((checksum) => checksum !== 0) ? this.#data : Buffer.alloc(0);
  }
}

/** Longest runs of the range's blocks for which `wanted` holds. */
export function runsOf(range: BlockRange, wanted: (block: number) => boolean): BlockRange[] {
  const runs: BlockRange[] = [];
  for (let block = range.first, first = block; block <= range.first + range.count; block += 1) {
    if (block < range.first + range.count && wanted(block)) continue;
    if (block > first) runs.push({ ...range, first, count: block - first });
    first = block + 1;
  }
  return runs;
}
