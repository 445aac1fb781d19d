import { BLOCK_BYTES, BLOCKS_PER_EXTENT, PIECE_BLOCKS_MAX } from "../../base/geometry.ts";
import { hash64 } from "../../platform/checksum.ts";
import type { BlockRange, ExtentKey } from "../../wire/entry.ts";
import type { BlockRead, Drive } from "../drive/drive.ts";
import { runsOf } from "./good-copy.ts";

/** Of a block that is bad; no content has it. */
const BAD = 0xffff_ffff_ffff_ffffn;

/**
 * R9: what two copies compare before a block is copied: 64 bits of its content, read and verified. The 32-bit checksums would not
 * do, since an extent that was away may have changed in many blocks and any one left out is lost.
 */
export function blockDigest(read: Extract<BlockRead, { ok: true }>, index: number): bigint {
  if (read.checksums[index] === 0) return 0n;
  const digest = hash64(read.data.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES));
  return digest === 0n || digest === BAD ? 1n : digest;
}

/** Digests of an extent's blocks, 0 = never written, `BAD` = it does not match its checksum; empty when nothing was written. */
export async function extentDigests(drive: Drive, key: ExtentKey): Promise<BigUint64Array> {
  const digests = new BigUint64Array(BLOCKS_PER_EXTENT);
  let written = false;
  for (let first = 0; first < BLOCKS_PER_EXTENT; first += PIECE_BLOCKS_MAX) {
    const range: BlockRange = { ...key, first, count: PIECE_BLOCKS_MAX };
    const read = await drive.read(range);
    if (read.ok && read.data.length === 0) continue;
    written = true;
    if (read.ok) for (let i = 0; i < range.count; i += 1) digests[first + i] = blockDigest(read, i);
    else await beside(drive, range, read.badBlocks, digests);
  }
  return written ? digests : new BigUint64Array(0);
}

/** One bad block, which may be lost for good, does not have all others copied anew each time. */
async function beside(drive: Drive, range: BlockRange, badBlocks: readonly number[], digests: BigUint64Array): Promise<void> {
  digests.fill(BAD, range.first, range.first + range.count);
  for (const run of runsOf(range, (block) => !badBlocks.includes(block))) {
    const read = await drive.read(run);
    if (read.ok) for (let i = 0; i < run.count; i += 1) digests[run.first + i] = blockDigest(read, i);
  }
}
