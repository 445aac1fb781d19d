import { readU64, writeU64 } from "../../base/bytes.ts";
import { BLOCK_BYTES } from "../../base/geometry.ts";
import { hash64 } from "../../platform/checksum.ts";

/** One write to the journal: records that became durable together. */
export interface BatchHeader {
  readonly journalId: number;
  /** Raised by one with each batch, never restarting. */
  readonly number: number;
  /** Bytes written to the journal before this batch since it was made; its place is this modulo the journal's size. */
  readonly position: number;
  /** Header, records and padding; a multiple of 4096. */
  readonly length: number;
  readonly records: number;
}

/*
 * Batch, padded with zeros to a multiple of 4096 bytes
 * offset | size | field
 *      0 |    8 | magic "VSBATCH\0"
 *      8 |    8 | journal id
 *     16 |    8 | number
 *     24 |    8 | position
 *     32 |    4 | length in bytes
 *     36 |    4 | record count
 *     40 |    8 | xxHash3 of the whole batch, this field taken as 0
 *     48 |    - | records (record-codec.ts)
 */
export const BATCH_HEADER_BYTES = 48;
const MAGIC = Buffer.from("VSBATCH\0", "latin1");
const HASH_OFFSET = 40;

export function batchLength(recordBytes: number): number {
  return Math.ceil((BATCH_HEADER_BYTES + recordBytes) / BLOCK_BYTES) * BLOCK_BYTES;
}

/** `buffer` begins with the batch, whose records are in place; their end up to `header.length` is filled with zeros. */
export function sealBatch(buffer: Buffer, header: BatchHeader, recordsEnd: number): void {
  MAGIC.copy(buffer);
  writeU64(buffer, header.journalId, 8);
  writeU64(buffer, header.number, 16);
  writeU64(buffer, header.position, 24);
  buffer.writeUInt32LE(header.length, 32);
  buffer.writeUInt32LE(header.records, 36);
  buffer.fill(0, HASH_OFFSET, BATCH_HEADER_BYTES);
  buffer.fill(0, recordsEnd, header.length);
  buffer.writeBigUInt64LE(hash64(buffer.subarray(0, header.length)), HASH_OFFSET);
}

/** What the first block of a batch says, unverified; null when this cannot be the beginning of a batch of this journal. */
export function peekBatch(buffer: Buffer, offset: number, journalId: number): BatchHeader | null {
  if (buffer.compare(MAGIC, 0, MAGIC.length, offset, offset + MAGIC.length) !== 0) return null;
  const header = {
    journalId: readU64(buffer, offset + 8),
    number: readU64(buffer, offset + 16),
    position: readU64(buffer, offset + 24),
    length: buffer.readUInt32LE(offset + 32),
    records: buffer.readUInt32LE(offset + 36),
  };
  return header.journalId === journalId && header.length >= BLOCK_BYTES && header.length % BLOCK_BYTES === 0 ? header : null;
}

/** `batch` is exactly the batch's bytes; they are left unchanged. */
export function isBatchIntact(batch: Buffer): boolean {
  const stored = batch.readBigUInt64LE(HASH_OFFSET);
  batch.fill(0, HASH_OFFSET, BATCH_HEADER_BYTES);
  const actual = hash64(batch);
  batch.writeBigUInt64LE(stored, HASH_OFFSET);
  return actual === stored;
}
