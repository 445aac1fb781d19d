import { BLOCK_BYTES, SECTOR_BYTES, SECTORS_PER_BLOCK } from "../../base/geometry.ts";
import { blockChecksum } from "../../platform/checksum.ts";
import type { BlockRange } from "../../wire/entry.ts";
import type { Write } from "../../wire/messages.ts";
import type { Drive } from "../drive/drive.ts";
import { blockNumber } from "./replica.ts";

/**
 * The whole blocks of `range` as they are after a write that covers its first or last block only in part. The caller holds the
 * range. Null when a block that must be read does not match its checksum.
 */
export async function mergeWrite(drive: Drive, range: BlockRange, write: Write): Promise<{ data: Buffer; checksums: Uint32Array } | null> {
  const data = Buffer.allocUnsafe(range.count * BLOCK_BYTES);
  const headSectors = write.firstSector % SECTORS_PER_BLOCK;
  const tailSectors = (write.firstSector + write.sectorCount) % SECTORS_PER_BLOCK;
  const partial = new Set<number>();
  if (headSectors !== 0) partial.add(0);
  if (tailSectors !== 0) partial.add(range.count - 1);
  for (const index of partial) {
    const read = await drive.read({ ...range, first: range.first + index, count: 1 });
    if (!read.ok) return null;
    if (read.data.length === 0) data.fill(0, index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES);
    else read.data.copy(data, index * BLOCK_BYTES);
  }
  write.data.copy(data, headSectors * SECTOR_BYTES);
  const checksums = Uint32Array.from(write.checksums);
  for (const index of partial)
    checksums[index] = blockChecksum(data.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES), range.lineage, blockNumber(range.extent, range.first + index));
  return { data, checksums };
}
