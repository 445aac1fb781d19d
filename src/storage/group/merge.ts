import { assert } from "../../base/assert.ts";
import { BLOCK_BYTES, SECTOR_BYTES, SECTORS_PER_BLOCK } from "../../base/geometry.ts";
import { blockChecksum } from "../../platform/checksum.ts";
import type { BlockRange } from "../../wire/entry.ts";
import type { CompareAndWrite, Write } from "../../wire/messages.ts";
import { blockNumber } from "./checked.ts";
import type { Source } from "./good-copy.ts";

/**
 * The whole blocks of `range` as they are after a write that covers its first or last block only in part. The caller holds the
 * range. "bad" when a block that must be read is bad on every copy, "silent" when a copy that may have it does not answer now (R25).
 */
export async function mergeWrite(source: Source, range: BlockRange, write: Write): Promise<{ data: Buffer; checksums: Uint32Array } | "bad" | "silent"> {
  const data = Buffer.allocUnsafe(range.count * BLOCK_BYTES);
  const headSectors = write.firstSector % SECTORS_PER_BLOCK;
  const tailSectors = (write.firstSector + write.sectorCount) % SECTORS_PER_BLOCK;
  const partial = new Set<number>();
  if (headSectors !== 0) partial.add(0);
  if (tailSectors !== 0) partial.add(range.count - 1);
  for (const index of partial) {
    const read = await source({ ...range, first: range.first + index, count: 1 });
    if (!read?.ok) return read ? "bad" : "silent";
    if (read.data.length === 0) data.fill(0, index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES);
    else read.data.copy(data, index * BLOCK_BYTES);
  }
  write.data.copy(data, headSectors * SECTOR_BYTES);
  const checksums = Uint32Array.from(write.checksums);
  for (const index of partial)
    checksums[index] = blockChecksum(data.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES), range.lineage, blockNumber(range.extent, range.first + index));
  return { data, checksums };
}

/**
 * The whole blocks of `range` as they are after a COMPARE AND WRITE; `offset` is the first byte that is not as expected, counted from
 * the command's first sector. Blocks never written hold zeros. The caller holds the range. "bad" and "silent" as above.
 */
export async function compareAndMerge(source: Source, range: BlockRange, message: CompareAndWrite): Promise<{ data: Buffer; checksums: Uint32Array } | { offset: number } | "bad" | "silent"> {
  const read = await source(range);
  if (!read?.ok) return read ? "bad" : "silent";
  const data = Buffer.alloc(range.count * BLOCK_BYTES);
  read.data.copy(data);
  const from = (message.firstSector % SECTORS_PER_BLOCK) * SECTOR_BYTES;
  const bytes = message.sectorCount * SECTOR_BYTES;
  for (let i = 0; i < bytes; i += 1) if (data[from + i] !== message.data[i]) return { offset: i };
  message.data.copy(data, from, bytes);
  const checksums = Uint32Array.from({ length: range.count }, (_, i) => blockChecksum(data.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES), range.lineage, blockNumber(range.extent, range.first + i)));
  return { data, checksums };
}

/** I7, for both halves. */
export function compareIntact(message: CompareAndWrite): boolean {
  const { key, firstSector, sectorCount, checksums, data } = message;
  const [blocks, bytes] = [checksums.length / 2, data.length / 2];
  const half = (from: number): Covered => ({ key, firstSector, sectorCount, checksums: checksums.subarray(from * blocks, (from + 1) * blocks), data: data.subarray(from * bytes, (from + 1) * bytes) });
  return writeIntact(half(0)) && writeIntact(half(1));
}

type Covered = Pick<Write, "key" | "firstSector" | "sectorCount" | "checksums" | "data">;
/** I7: what the gateway computed is what has arrived. Parts of blocks are covered over their bytes that are here. */
export function writeIntact({ key, firstSector, sectorCount, checksums, data }: Covered): boolean {
  let sector = firstSector;
  let offset = 0;
  for (const checksum of checksums) {
    const block = Math.floor(sector / SECTORS_PER_BLOCK);
    const end = Math.min((block + 1) * SECTORS_PER_BLOCK, firstSector + sectorCount);
    const bytes = (end - sector) * SECTOR_BYTES;
    assert(bytes <= BLOCK_BYTES, "a piece lies in one block");
    if (blockChecksum(data.subarray(offset, offset + bytes), key.lineage, blockNumber(key.extent, block)) !== checksum) return false;
    offset += bytes;
    sector = end;
  }
  return true;
}
