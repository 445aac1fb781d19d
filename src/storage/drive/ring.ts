import { assert } from "../../base/assert.ts";
import { readU64, writeU64 } from "../../base/bytes.ts";
import { BLOCK_BYTES } from "../../base/geometry.ts";
import { hash64 } from "../../platform/checksum.ts";
import { FileError, type File, type Platform } from "../../platform/platform.ts";
import { segmentName } from "./layout.ts";

export interface JournalShape {
  readonly journalId: number;
  readonly segments: number;
  /** Of one segment's file, its header block included; a multiple of 4096. */
  readonly segmentBytes: number;
}

/*
 * First block of a journal segment
 * offset | size | field
 *      0 |    8 | magic "VSJOURN\0"
 *      8 |    8 | journal id
 *     16 |    4 | number of this segment
 *     20 |    4 | number of segments
 *     24 |    8 | bytes of a segment
 *     32 | 4056 | reserved, 0
 *   4088 |    8 | xxHash3 of the bytes before
 */
const MAGIC = Buffer.from("VSJOURN\0", "latin1");
const HASH_OFFSET = BLOCK_BYTES - 8;

export function encodeSegmentHeader(buffer: Buffer, shape: JournalShape, index: number): void {
  buffer.fill(0, 0, BLOCK_BYTES);
  MAGIC.copy(buffer);
  writeU64(buffer, shape.journalId, 8);
  buffer.writeUInt32LE(index, 16);
  buffer.writeUInt32LE(shape.segments, 20);
  writeU64(buffer, shape.segmentBytes, 24);
  buffer.writeBigUInt64LE(hash64(buffer.subarray(0, HASH_OFFSET)), HASH_OFFSET);
}

function isSegment(buffer: Buffer, shape: JournalShape, index: number): boolean {
  return (
    MAGIC.equals(buffer.subarray(0, 8)) &&
    hash64(buffer.subarray(0, HASH_OFFSET)) === buffer.readBigUInt64LE(HASH_OFFSET) &&
    readU64(buffer, 8) === shape.journalId &&
    buffer.readUInt32LE(16) === index &&
    buffer.readUInt32LE(20) === shape.segments &&
    readU64(buffer, 24) === shape.segmentBytes
  );
}

/** How much is written at once while a segment is made. */
const ZERO_BYTES = 1024 * 1024;

/**
 * Makes the segments' files, filled with zeros so that later writes find their space allocated and written; the headers last.
 * May be repeated after a kill in its middle.
 */
export async function createRing(platform: Platform, directory: string, shape: JournalShape): Promise<void> {
  await platform.files.makeDirectory(directory);
  const zeros = platform.files.alignedBuffer(ZERO_BYTES);
  for (let index = 0; index < shape.segments; index += 1) {
    const file = await platform.files.open(`${directory}/${segmentName(index)}`, { write: true, create: true, direct: true });
    try {
      await file.truncate(0);
      zeros.fill(0);
      for (let at = 0; at < shape.segmentBytes; at += ZERO_BYTES) {
        await file.write(zeros, 0, Math.min(ZERO_BYTES, shape.segmentBytes - at), at);
      }
      await file.sync();
      encodeSegmentHeader(zeros, shape, index);
      await file.write(zeros, 0, BLOCK_BYTES, 0);
      await file.sync();
    } finally {
      await file.close();
    }
  }
  await platform.files.syncDirectory(directory);
}

/**
 * The journal's segments as one ring of bytes. A position counts bytes since the journal was made; its place in the ring is
 * the position modulo `capacity`. Everything is in whole blocks and aligned buffers.
 */
export class JournalRing {
  readonly shape: JournalShape;
  readonly capacity: number;
  readonly #files: readonly File[];
  readonly #usable: number;

  constructor(shape: JournalShape, files: readonly File[]) {
    assert(shape.segmentBytes % BLOCK_BYTES === 0 && shape.segmentBytes > BLOCK_BYTES, "a segment is some whole blocks");
    this.shape = shape;
    this.#files = files;
    this.#usable = shape.segmentBytes - BLOCK_BYTES;
    this.capacity = this.#usable * shape.segments;
  }

  /** null when a segment is missing, has another size or belongs to another journal. */
  static async open(platform: Platform, directory: string, shape: JournalShape): Promise<JournalRing | null> {
    const files: File[] = [];
    const header = platform.files.alignedBuffer(BLOCK_BYTES);
    for (let index = 0; index < shape.segments; index += 1) {
      let file: File;
      try {
        file = await platform.files.open(`${directory}/${segmentName(index)}`, { write: true, direct: true, dsync: true });
      } catch (error) {
        if (!(error instanceof FileError) || error.code !== "ENOENT") throw error;
        for (const opened of files) await opened.close();
        return null;
      }
      files.push(file);
      const read = await file.read(header, 0, BLOCK_BYTES, 0);
      if (read < BLOCK_BYTES || !isSegment(header, shape, index) || (await file.size()) !== shape.segmentBytes) {
        for (const opened of files) await opened.close();
        return null;
      }
      // A write that a killed process did not wait for may be in the disk's own cache only: what is read must stay.
      await file.sync();
    }
    return new JournalRing(shape, files);
  }

  /** Resolves when the bytes are durable. */
  async write(buffer: Buffer, length: number, position: number): Promise<void> {
    for (let done = 0; done < length; ) {
      const { file, at, room } = this.#place(position + done);
      const piece = Math.min(room, length - done);
      await file.write(buffer, done, piece, at);
      done += piece;
    }
  }

  async read(buffer: Buffer, length: number, position: number): Promise<void> {
    for (let done = 0; done < length; ) {
      const { file, at, room } = this.#place(position + done);
      const piece = Math.min(room, length - done);
      const count = await file.read(buffer, done, piece, at);
      assert(count === piece, "a segment has its full size");
      done += piece;
    }
  }

  async close(): Promise<void> {
    for (const file of this.#files) await file.close();
  }

  #place(position: number): { file: File; at: number; room: number } {
    const inRing = position % this.capacity;
    const index = Math.floor(inRing / this.#usable);
    const inSegment = inRing % this.#usable;
    return { file: this.#files[index] as File, at: BLOCK_BYTES + inSegment, room: this.#usable - inSegment };
  }
}
