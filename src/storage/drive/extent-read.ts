import { BLOCK_BYTES, BLOCKS_PER_EXTENT } from "../../base/geometry.ts";
import { blockChecksum } from "../../platform/checksum.ts";
import { FileError, type File } from "../../platform/platform.ts";
import type { BlockRange } from "../../wire/entry.ts";
import type { BlockRead } from "./drive.ts";
import type { Extent, ExtentCache } from "./extent-cache.ts";

const NO_DATA = Buffer.alloc(0);

/**
 * Reads and verifies blocks of a loaded extent. When the extent changes meanwhile the result is worth nothing: the caller
 * compares `extent.changes`.
 */
export async function readBlocks(cache: ExtentCache, extent: Extent, range: BlockRange): Promise<BlockRead> {
  const { data, checksums, unreadable } = await readFromFile(cache, extent, range);
  const { trailer } = extent;
  if (!trailer) return { ok: true, checksums: new Uint32Array(range.count), data: NO_DATA, version: null };
  const badBlocks: number[] = [];
  const base = range.extent * BLOCKS_PER_EXTENT;
  for (let i = 0; i < range.count; i += 1) {
    const block = range.first + i;
    if (!trailer.isAllocated(block)) continue;
    const content = data.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES);
    if (unreadable.includes(block) || content.length === 0 || blockChecksum(content, range.lineage, base + block) !== checksums[i]) badBlocks.push(block);
  }
  return badBlocks.length > 0 ? { ok: false, badBlocks, checksums, version: trailer.version } : { ok: true, checksums, data, version: trailer.version };
}

/** The bytes as they are, unverified; what cannot be read is zeros. */
export function readRaw(cache: ExtentCache, extent: Extent, range: BlockRange): Promise<{ data: Buffer; checksums: Uint32Array }> {
  return readFromFile(cache, extent, range);
}

async function readFromFile(cache: ExtentCache, extent: Extent, range: BlockRange): Promise<{ data: Buffer; checksums: Uint32Array; unreadable: number[] }> {
  const checksums = new Uint32Array(range.count);
  const { trailer } = extent;
  let low = -1;
  let high = -1;
  for (let i = 0; trailer && i < range.count; i += 1) {
    if (!trailer.isAllocated(range.first + i)) continue;
    if (low < 0) low = i;
    high = i;
    checksums[i] = trailer.checksums[range.first + i] as number;
  }
  if (!trailer || low < 0) return { data: NO_DATA, checksums, unreadable: [] };
  // Blocks that were never written are zeros whatever the file holds there: each byte is either read or cleared.
  const data = Buffer.allocUnsafe(range.count * BLOCK_BYTES);
  const isAllocated = (i: number): boolean => trailer.isAllocated(range.first + i);
  const holes: number[] = [];
  for (let i = 0; i < range.count; i += 1) if (i < low || i > high || !isAllocated(i)) holes.push(i);
  const open = await cache.acquire(extent);
  let unreadable: number[];
  try {
    unreadable = await readRun(open.file, data, range.first, low, high - low + 1);
  } finally {
    cache.release(extent, open);
  }
  for (const i of holes) data.fill(0, i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES);
  return { data, checksums, unreadable };
}

/** Blocks `from` to `from + count` of the range that begins with block `first`; gives the extent's blocks that the medium could not read. */
async function readRun(file: File, data: Buffer, first: number, from: number, count: number): Promise<number[]> {
  const offset = from * BLOCK_BYTES;
  const length = count * BLOCK_BYTES;
  try {
    const read = await file.read(data, offset, length, (first + from) * BLOCK_BYTES);
    data.fill(0, offset + read, offset + length);
    return [];
  } catch (error) {
    if (!(error instanceof FileError) || error.code !== "EIO") throw error;
    // One bad sector is a bad block to repair from a replica, not the end of the drive: find which it is.
    if (count === 1) {
      data.fill(0, offset, offset + length);
      return [first + from];
    }
    const half = count >>> 1;
    return [...(await readRun(file, data, first, from, half)), ...(await readRun(file, data, first, from + half, count - half))];
  }
}
