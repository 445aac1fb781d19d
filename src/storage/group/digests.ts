import { BLOCK_BYTES, BLOCKS_PER_EXTENT, PIECE_BLOCKS_MAX } from "../../base/geometry.ts";
import { hash64 } from "../../platform/checksum.ts";
import type { BlockRange, ExtentKey } from "../../wire/entry.ts";
import type { BlockRead, Drive } from "../drive/drive.ts";

/**
 * R9: what two copies compare before a block is copied: 64 bits of its content, read and verified. The 32-bit checksums would not
 * do, since an extent that was away may have changed in many blocks and any one left out is lost.
 */
export function blockDigest(read: Extract<BlockRead, { ok: true }>, index: number): bigint {
  if (read.checksums[index] === 0) return 0n;
  const digest = hash64(read.data.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES));
  return digest === 0n ? 1n : digest;
}

/** Digests of an extent's blocks, 0 = never written; empty when nothing is; null when a block does not match its checksum. */
export async function extentDigests(drive: Drive, key: ExtentKey): Promise<BigUint64Array | null> {
  const digests = new BigUint64Array(BLOCKS_PER_EXTENT);
  let written = false;
  for (let first = 0; first < BLOCKS_PER_EXTENT; first += PIECE_BLOCKS_MAX) {
    const range: BlockRange = { ...key, first, count: PIECE_BLOCKS_MAX };
    const read = await drive.read(range);
    if (!read.ok) return null;
    if (read.data.length === 0) continue;
    written = true;
    for (let i = 0; i < range.count; i += 1) digests[first + i] = blockDigest(read, i);
  }
  return written ? digests : new BigUint64Array(0);
}
