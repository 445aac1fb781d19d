import { BLOCK_BYTES, BLOCKS_PER_EXTENT, SECTOR_BYTES, SECTORS_PER_BLOCK } from "../base/geometry.ts";
import { blockChecksum } from "../platform/checksum.ts";

const ZERO_BLOCK = Buffer.alloc(BLOCK_BYTES);

/**
 * One checksum for each 4 KiB block that `data` touches when it is written at `firstSector` of `extent`; for a block
 * written in part, over the part that is here.
 */
export function writeChecksums(data: Buffer, lineage: number, extent: number, firstSector: number): Uint32Array {
  const firstBlock = Math.floor(firstSector / SECTORS_PER_BLOCK);
  const headBytes = (firstSector % SECTORS_PER_BLOCK) * SECTOR_BYTES;
  const count = Math.ceil((headBytes + data.length) / BLOCK_BYTES);
  const checksums = new Uint32Array(count);
  let block = extent * BLOCKS_PER_EXTENT + firstBlock;
  let start = 0;
  for (let i = 0; i < count; i += 1) {
    const end = Math.min((i + 1) * BLOCK_BYTES - headBytes, data.length);
    checksums[i] = blockChecksum(data.subarray(start, end), lineage, block);
    block += 1;
    start = end;
  }
  return checksums;
}

/**
 * I7: whether an answer to a read of `count` blocks from `firstBlock` of `extent` is whole and every block is what was written there.
 * Checksum 0 stands for a block never written, which is zeros; `data` is empty when none was.
 */
export function verifyBlocks(checksums: Uint32Array, data: Buffer, lineage: number, extent: number, firstBlock: number, count: number): boolean {
  if (checksums.length !== count) return false;
  if (data.length === 0) return checksums.every((sum) => sum === 0);
  if (data.length !== count * BLOCK_BYTES) return false;
  const base = extent * BLOCKS_PER_EXTENT + firstBlock;
  for (let i = 0; i < count; i += 1) {
    const block = data.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES);
    const sum = checksums[i] as number;
    if (sum === 0 ? !block.equals(ZERO_BLOCK) : blockChecksum(block, lineage, base + i) !== sum) return false;
  }
  return true;
}
