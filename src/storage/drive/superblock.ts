import { assert } from "../../base/assert.ts";
import { FormatError, readU64, writeU64 } from "../../base/bytes.ts";
import { BLOCK_BYTES } from "../../base/geometry.ts";
import type { DriveId, Instance } from "../../base/ids.ts";
import { hash64 } from "../../platform/checksum.ts";
import { FileError, type File } from "../../platform/platform.ts";

/** What a drive is, whatever else on it can be read. */
export interface Superblock {
  /** Raised by each write; the valid copy with the greater one counts. */
  readonly generation: number;
  /** 32 hexadecimal digits. */
  readonly clusterId: string;
  readonly driveId: DriveId;
  /** Which journal is this drive's: one with another id, or none, is damage (X36). */
  readonly journalId: number;
  readonly journalSegments: number;
  readonly journalSegmentBytes: number;
  readonly capacityBytes: number;
  /** Of the last process that opened the drive. */
  readonly instance: Instance;
  readonly incarnation: number;
  /** R14: the cluster store's own id and the highest revision seen of it; "" and 0 before the first. */
  readonly storeId: string;
  readonly storeRevision: number;
}

/*
 * Superblock, two copies of 4096 bytes at 0 and 4096: copy = generation mod 2. Every change is written into both, one after the
 * other, before it counts: one that rots then takes nothing with it.
 * offset | size | field
 *      0 |    8 | magic "VSDRIVE\0"
 *      8 |    4 | format version, 1
 *     12 |    4 | reserved, 0
 *     16 |    8 | generation
 *     24 |   16 | cluster id
 *     40 |    8 | drive id
 *     48 |    8 | journal id
 *     56 |    4 | journal segments
 *     60 |    4 | reserved, 0
 *     64 |    8 | bytes of a journal segment
 *     72 |    8 | capacity in bytes
 *     80 |    8 | instance
 *     88 |    8 | incarnation
 *     96 |    8 | store revision
 *    104 |    1 | length of the store id
 *    105 |   64 | store id, UTF-8
 *    169 | 3919 | reserved, 0
 *   4088 |    8 | xxHash3 of the bytes before
 */
export const SUPERBLOCK_BYTES = BLOCK_BYTES;
export const FORMAT_VERSION = 1;
const MAGIC = Buffer.from("VSDRIVE\0", "latin1");
const STORE_ID_BYTES_MAX = 64;
const HASH_OFFSET = SUPERBLOCK_BYTES - 8;

export function encodeSuperblock(superblock: Superblock): Buffer {
  const buffer = Buffer.alloc(SUPERBLOCK_BYTES);
  MAGIC.copy(buffer);
  buffer.writeUInt32LE(FORMAT_VERSION, 8);
  writeU64(buffer, superblock.generation, 16);
  assert(buffer.write(superblock.clusterId, 24, "hex") === 16, "a cluster id has 32 hexadecimal digits");
  assert(buffer.write(superblock.driveId, 40, "hex") === 8, "a drive id has 16 hexadecimal digits");
  writeU64(buffer, superblock.journalId, 48);
  buffer.writeUInt32LE(superblock.journalSegments, 56);
  writeU64(buffer, superblock.journalSegmentBytes, 64);
  writeU64(buffer, superblock.capacityBytes, 72);
  writeU64(buffer, superblock.instance, 80);
  writeU64(buffer, superblock.incarnation, 88);
  writeU64(buffer, superblock.storeRevision, 96);
  const storeId = Buffer.from(superblock.storeId, "utf8");
  assert(storeId.length <= STORE_ID_BYTES_MAX, "a store id has at most 64 bytes");
  buffer.writeUInt8(storeId.length, 104);
  storeId.copy(buffer, 105);
  buffer.writeBigUInt64LE(hash64(buffer.subarray(0, HASH_OFFSET)), HASH_OFFSET);
  return buffer;
}

/** null when the copy is not valid; throws `FormatError` for a valid one of another format version. */
export function decodeSuperblock(buffer: Buffer): Superblock | null {
  if (buffer.length < SUPERBLOCK_BYTES || !MAGIC.equals(buffer.subarray(0, 8))) return null;
  if (hash64(buffer.subarray(0, HASH_OFFSET)) !== buffer.readBigUInt64LE(HASH_OFFSET)) return null;
  const version = buffer.readUInt32LE(8);
  if (version !== FORMAT_VERSION) throw new FormatError(`the drive has format version ${version}; this software knows ${FORMAT_VERSION}`);
  return {
    generation: readU64(buffer, 16),
    clusterId: buffer.toString("hex", 24, 40),
    driveId: buffer.toString("hex", 40, 48) as DriveId,
    journalId: readU64(buffer, 48),
    journalSegments: buffer.readUInt32LE(56),
    journalSegmentBytes: readU64(buffer, 64),
    capacityBytes: readU64(buffer, 72),
    instance: readU64(buffer, 80) as Instance,
    incarnation: readU64(buffer, 88),
    storeRevision: readU64(buffer, 96),
    storeId: buffer.toString("utf8", 105, 105 + Math.min(buffer.readUInt8(104), STORE_ID_BYTES_MAX)),
  };
}

/** The newer of the valid copies; null when neither is. `file` stays the caller's. */
export async function readSuperblock(file: File): Promise<Superblock | null> {
  let newest: Superblock | null = null;
  for (let copy = 0; copy < 2; copy += 1) {
    const buffer = Buffer.alloc(SUPERBLOCK_BYTES);
    // A copy that cannot be read is no worse than one that rotted.
    await file.read(buffer, 0, SUPERBLOCK_BYTES, copy * SUPERBLOCK_BYTES).catch((error: unknown) => {
      if (!(error instanceof FileError) || error.code !== "EIO") throw error;
      buffer.fill(0);
    });
    const found = decodeSuperblock(buffer);
    // In the other's place it would have the next write go over the only good copy.
    if (found && found.generation % 2 === copy && (!newest || found.generation > newest.generation)) newest = found;
  }
  return newest;
}

/** Writes over the older copy and waits until it is durable. `superblock.generation` must be one more than that of the last. */
export async function writeSuperblock(file: File, superblock: Superblock): Promise<void> {
  await file.write(encodeSuperblock(superblock), 0, SUPERBLOCK_BYTES, (superblock.generation % 2) * SUPERBLOCK_BYTES);
  await file.sync();
}
