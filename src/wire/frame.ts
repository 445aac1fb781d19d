import { FormatError, readU64, writeU64 } from "../base/bytes.ts";
import type { Epoch, GroupId } from "../base/ids.ts";
import { hash32 } from "../platform/checksum.ts";

/*
 * Frame: header, then `head length` bytes of message fields, then `data length` bytes of blocks
 * offset | size | field
 *      0 |    4 | magic "VSF1"
 *      4 |    1 | message type
 *      5 |    3 | reserved, 0
 *      8 |    4 | head length
 *     12 |    4 | data length
 *     16 |    4 | group
 *     20 |    4 | tag
 *     24 |    8 | message epoch
 *     32 |    8 | sender's instance
 *     40 |    4 | hash32 of the message fields
 *     44 |    4 | hash32 of bytes 0 to 43
 * The data is covered by the checksums of its blocks, which are among the fields.
 */
export const FRAME_HEADER_BYTES = 48;
const MAGIC = 0x31465356;

export interface FrameHeader {
  readonly type: number;
  readonly headBytes: number;
  readonly dataBytes: number;
  readonly group: GroupId;
  readonly tag: number;
  readonly epoch: Epoch;
  readonly instance: number;
  readonly headHash: number;
}

export interface FrameLimits {
  readonly headBytesMax: number;
  readonly dataBytesMax: number;
}

export interface FrameFields {
  readonly group: number;
  readonly tag: number;
  readonly epoch: number;
  readonly instance: number;
}

/** Header and fields in one buffer. */
export function encodeFrame(type: number, fields: FrameFields, head: Buffer, dataBytes: number): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + head.length);
  writeFrame(frame, 0, type, fields, head, dataBytes);
  return frame;
}

// Where each header is made: its part under the hash needs a view of its own, and making one costs as much as all fields.
const scratch = Buffer.allocUnsafeSlow(FRAME_HEADER_BYTES);
const hashed = scratch.subarray(0, 44);

/** Header and fields at `at` of `frame`, which has room for them. */
export function writeFrame(frame: Buffer, at: number, type: number, fields: FrameFields, head: Buffer, dataBytes: number): void {
  scratch.writeUInt32LE(MAGIC, 0);
  scratch.writeUInt32LE(type, 4);
  scratch.writeUInt32LE(head.length, 8);
  scratch.writeUInt32LE(dataBytes, 12);
  scratch.writeUInt32LE(fields.group, 16);
  scratch.writeUInt32LE(fields.tag, 20);
  writeU64(scratch, fields.epoch, 24);
  writeU64(scratch, fields.instance, 32);
  scratch.writeUInt32LE(hash32(head), 40);
  scratch.writeUInt32LE(hash32(hashed), 44);
  frame.set(scratch, at);
  frame.set(head, at + FRAME_HEADER_BYTES);
}

/** Cuts a byte stream into frames. Any byte that does not belong throws `FormatError`: the connection cannot go on. */
export class FrameParser {
  readonly #limits: () => FrameLimits;
  readonly #frame: (header: FrameHeader, head: Buffer, data: Buffer) => void;
  /** Bytes held back until a whole frame is there. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  #header: FrameHeader | null = null;

  constructor(limits: () => FrameLimits, frame: (header: FrameHeader, head: Buffer, data: Buffer) => void) {
    this.#limits = limits;
    this.#frame = frame;
  }

  push(chunk: Buffer): void {
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    while (this.#next());
  }

  #next(): boolean {
    if (!this.#header) {
      if (this.#heldBytes < FRAME_HEADER_BYTES) return false;
      this.#header = parseHeader(this.#take(FRAME_HEADER_BYTES), this.#limits());
    }
    const header = this.#header;
    if (this.#heldBytes < header.headBytes + header.dataBytes) return false;
    this.#header = null;
    const head = this.#take(header.headBytes);
    if (hash32(head) !== header.headHash) throw new FormatError("a frame whose fields do not match their hash");
    this.#frame(header, head, this.#take(header.dataBytes));
    return true;
  }

  /** The next `length` bytes in one buffer; copied only when they lie across chunks. */
  #take(length: number): Buffer {
    this.#heldBytes -= length;
    const first = this.#held[0];
    if (first && first.length >= length) {
      if (first.length === length) this.#held.shift();
      else this.#held[0] = first.subarray(length);
      return first.subarray(0, length);
    }
    const whole = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const chunk = this.#held[0] as Buffer;
      const used = Math.min(chunk.length, length - filled);
      chunk.copy(whole, filled, 0, used);
      filled += used;
      if (used === chunk.length) this.#held.shift();
      else this.#held[0] = chunk.subarray(used);
    }
    return whole;
  }
}

function parseHeader(bytes: Buffer, limits: FrameLimits): FrameHeader {
  if (bytes.readUInt32LE(0) !== MAGIC) throw new FormatError("bytes that are no frame of the storage protocol");
  if (bytes.readUInt32LE(44) !== hash32(bytes.subarray(0, 44))) throw new FormatError("a frame whose header does not match its hash");
  const header: FrameHeader = {
    type: bytes.readUInt32LE(4),
    headBytes: bytes.readUInt32LE(8),
    dataBytes: bytes.readUInt32LE(12),
    group: bytes.readUInt32LE(16) as GroupId,
    tag: bytes.readUInt32LE(20),
    epoch: readU64(bytes, 24) as Epoch,
    instance: readU64(bytes, 32),
    headHash: bytes.readUInt32LE(40),
  };
  if (header.headBytes > limits.headBytesMax || header.dataBytes > limits.dataBytesMax) throw new FormatError("a frame over its bound");
  return header;
}
