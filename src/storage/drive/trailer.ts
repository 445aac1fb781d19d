import { assert } from "../../base/assert.ts";
import { readU64, writeU64 } from "../../base/bytes.ts";
import { BLOCKS_PER_EXTENT, EXTENT_BYTES } from "../../base/geometry.ts";
import type { DriveId, Epoch } from "../../base/ids.ts";
import { hash64 } from "../../platform/checksum.ts";
import type { ExtentSummary } from "./drive.ts";
import { NO_ENTRY, type EntryId, type ExtentKey } from "../../wire/entry.ts";

/**
 * What a drive knows of one extent. Allocated with checksum 0 = content unknown: no content has checksum 0, so such a block
 * reads as bad until it is written again.
 */
export class Trailer {
  version: EntryId = NO_ENTRY;
  readonly checksums = new Uint32Array(BLOCKS_PER_EXTENT);
  readonly bitmap = new Uint32Array(BLOCKS_PER_EXTENT / 32);
  allocated = 0;
  /** Of the slot last written; 0 before the first. The next one goes into the other slot. */
  generation = 0;

  isAllocated(block: number): boolean {
    return ((this.bitmap[block >>> 5] as number) & (1 << (block & 31))) !== 0;
  }
  set(block: number, checksum: number): void {
    if (!this.isAllocated(block)) {
      this.bitmap[block >>> 5] = (this.bitmap[block >>> 5] as number) | (1 << (block & 31));
      this.allocated += 1;
    }
    this.checksums[block] = checksum;
  }
  clear(block: number): void {
    if (!this.isAllocated(block)) return;
    this.bitmap[block >>> 5] = (this.bitmap[block >>> 5] as number) & ~(1 << (block & 31));
    this.checksums[block] = 0;
    this.allocated -= 1;
  }
  /** Nothing is known of the content any more. */
  forgetContent(): void {
    this.bitmap.fill(0xffffffff);
    this.checksums.fill(0);
    this.allocated = BLOCKS_PER_EXTENT;
  }
  summary(): ExtentSummary {
    let known = true;
    for (let block = 0; known && block < BLOCKS_PER_EXTENT; block += 1) known = this.checksums[block] !== 0 || !this.isAllocated(block);
    return { version: this.version, allocatedBlocks: this.allocated, digest: this.digest(), known };
  }
  /** Equal allocation and checksums, equal digest. */
  digest(): bigint {
    const bytes = Buffer.alloc(this.bitmap.byteLength + this.checksums.byteLength);
    putWords(bytes, this.bitmap, 0);
    putWords(bytes, this.checksums, this.bitmap.byteLength);
    return hash64(bytes);
  }
}

/*
 * Trailer slot, two of 8192 bytes at 4 MiB and 4 MiB + 8 KiB of an extent's file. A checkpoint writes both, the second when the
 * first is durable, before it frees the journal (flush.ts). So each holds at least what the last checkpoint covers, whatever
 * an interrupted one, or rot, did to the other; and at rest they are equal but for generation and hash.
 * offset | size | field
 *      0 |    8 | magic "VSEXTENT"
 *      8 |    4 | format version, 1
 *     12 |    4 | reserved, 0
 *     16 |    8 | generation, from 1: odd in the first slot, even in the second
 *     24 |    8 | drive id
 *     32 |    8 | volume
 *     40 |    8 | lineage
 *     48 |    4 | layer
 *     52 |    4 | extent
 *     56 |   16 | version: epoch, seq
 *     72 |   56 | reserved, 0
 *    128 |  128 | allocation bitmap: block b is bit b mod 8 of byte b div 8
 *    256 | 4096 | a checksum of 4 bytes for each block
 *   4352 | 3832 | reserved, 0
 *   8184 |    8 | xxHash3 of the bytes before
 */
export const TRAILER_SLOT_BYTES = 8192;
export const TRAILER_SLOTS = 2;
export const EXTENT_FILE_BYTES = EXTENT_BYTES + TRAILER_SLOTS * TRAILER_SLOT_BYTES;
const MAGIC = Buffer.from("VSEXTENT", "latin1");
const FORMAT_VERSION = 1;
const GENERATION_OFFSET = 16;
const BITMAP_OFFSET = 128;
const CHECKSUMS_OFFSET = 256;
const HASH_OFFSET = TRAILER_SLOT_BYTES - 8;

export function slotOffset(generation: number): number {
  return EXTENT_BYTES + ((generation + 1) % TRAILER_SLOTS) * TRAILER_SLOT_BYTES;
}

export function encodeTrailer(buffer: Buffer, drive: DriveId, key: ExtentKey, trailer: Trailer, generation: number): void {
  assert(buffer.length === TRAILER_SLOT_BYTES && generation > 0, "a trailer fills its slot");
  buffer.fill(0);
  MAGIC.copy(buffer);
  buffer.writeUInt32LE(FORMAT_VERSION, 8);
  writeU64(buffer, generation, GENERATION_OFFSET);
  buffer.write(drive, 24, "hex");
  writeU64(buffer, key.volume, 32);
  writeU64(buffer, key.lineage, 40);
  buffer.writeUInt32LE(key.layer, 48);
  buffer.writeUInt32LE(key.extent, 52);
  writeU64(buffer, trailer.version.epoch, 56);
  writeU64(buffer, trailer.version.seq, 64);
  putWords(buffer, trailer.bitmap, BITMAP_OFFSET);
  putWords(buffer, trailer.checksums, CHECKSUMS_OFFSET);
  buffer.writeBigUInt64LE(hash64(buffer.subarray(0, HASH_OFFSET)), HASH_OFFSET);
}

/** null unless this is a whole slot of just this extent on just this drive, in its own place: else the next write would go over the only good one. */
function decodeSlot(buffer: Buffer, slot: number, drive: DriveId, key: ExtentKey): Trailer | null {
  if (!MAGIC.equals(buffer.subarray(0, 8)) || buffer.readUInt32LE(8) !== FORMAT_VERSION) return null;
  if (hash64(buffer.subarray(0, HASH_OFFSET)) !== buffer.readBigUInt64LE(HASH_OFFSET)) return null;
  if (buffer.toString("hex", 24, 32) !== drive || readU64(buffer, 32) !== key.volume || readU64(buffer, 40) !== key.lineage) return null;
  if (buffer.readUInt32LE(48) !== key.layer || buffer.readUInt32LE(52) !== key.extent) return null;
  const trailer = new Trailer();
  trailer.generation = readU64(buffer, GENERATION_OFFSET);
  if (slotOffset(trailer.generation) !== EXTENT_BYTES + slot * TRAILER_SLOT_BYTES) return null;
  trailer.version = { epoch: readU64(buffer, 56) as Epoch, seq: readU64(buffer, 64) };
  for (let block = 0; block < BLOCKS_PER_EXTENT; block += 1) {
    if (((buffer[BITMAP_OFFSET + (block >>> 3)] as number) & (1 << (block & 7))) === 0) continue;
    trailer.set(block, buffer.readUInt32LE(CHECKSUMS_OFFSET + 4 * block));
  }
  return trailer;
}

/**
 * `whole`: both slots are valid and equal. `uneven`: the newest valid one counts and the other is to be written anew, after an
 * interrupted checkpoint or rot. `unborn`: neither is valid and one was never written, so no checkpoint covers the extent yet.
 * `lost`: both were written and neither is valid; no interruption does that, nor what rots in one place.
 */
export interface TrailerRead {
  readonly trailer: Trailer | null;
  readonly state: "whole" | "uneven" | "unborn" | "lost";
}

/** `slots` holds both, as read from the file; bytes that a short file lacks are zeros, those of a slot that cannot be read are not. */
export function readTrailerSlots(slots: Buffer, drive: DriveId, key: ExtentKey): TrailerRead {
  const both = [slots.subarray(0, TRAILER_SLOT_BYTES), slots.subarray(TRAILER_SLOT_BYTES)] as const;
  const [first, second] = [decodeSlot(both[0], 0, drive, key), decodeSlot(both[1], 1, drive, key)];
  if (first && second) return { trailer: first.generation > second.generation ? first : second, state: equalContent(...both) ? "whole" : "uneven" };
  const trailer = first ?? second;
  if (trailer) return { trailer, state: "uneven" };
  return { trailer, state: both.some((slot) => slot.every((byte) => byte === 0)) ? "unborn" : "lost" };
}

function equalContent(a: Buffer, b: Buffer): boolean {
  const from = GENERATION_OFFSET + 8;
  return a.compare(b, from, HASH_OFFSET, from, HASH_OFFSET) === 0;
}

function putWords(buffer: Buffer, words: Uint32Array, offset: number): void {
  for (let i = 0; i < words.length; i += 1) buffer.writeUInt32LE(words[i] as number, offset + 4 * i);
}
