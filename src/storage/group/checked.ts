import { BLOCK_BYTES, BLOCKS_PER_EXTENT } from "../../base/geometry.ts";
import type { ExtentIndex } from "../../base/ids.ts";
import { blockChecksum } from "../../platform/checksum.ts";
import type { BlockRange } from "../../wire/entry.ts";

/** I7: whether blocks that came from another drive match their checksums; 0 = never written. */
export function copyIntact(range: BlockRange, checksums: Uint32Array, data: Buffer): boolean {
  for (let i = 0; i < range.count; i += 1) if (checksums[i] !== 0 && !blockIntact(range, i, checksums, data)) return false;
  return true;
}

/** I7: as `copyIntact`, for an entry: each of its blocks has content. */
export function entryIntact(range: BlockRange, checksums: Uint32Array, data: Buffer): boolean {
  for (let i = 0; i < range.count; i += 1) if (!blockIntact(range, i, checksums, data)) return false;
  return true;
}

function blockIntact(range: BlockRange, i: number, checksums: Uint32Array, data: Buffer): boolean {
  const block = data.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES);
  return blockChecksum(block, range.lineage, blockNumber(range.extent, range.first + i)) === checksums[i];
}

/** Number of a block in its volume. */
export function blockNumber(extent: ExtentIndex, block: number): number {
  return extent * BLOCKS_PER_EXTENT + block;
}
