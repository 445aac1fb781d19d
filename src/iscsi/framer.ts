import { crc32c } from "../base/crc32c.ts";
import { dataLengthOf, DIGEST_BYTES, HEADER_BYTES, ProtocolError } from "./pdu.ts";

export interface FramerEvents {
  /**
   * A header has come. Returns where its data segment shall go (of exactly its length), or null for any place.
   * Throws `ProtocolError` when the PDU cannot be accepted. `header` may be kept only until `pdu` for it has returned.
   */
  place(header: Buffer): Buffer | null;
  /** A whole PDU has come; `data` is the place given, or a view of what was received that may be kept. */
  pdu(header: Buffer, data: Buffer): void;
}

/** Of the additional header segments only their length matters here: 255 words at most. */
const HEADERS_BYTES_MAX = HEADER_BYTES + 255 * 4 + DIGEST_BYTES;
const NOTHING = Buffer.alloc(0);

/** Cuts the byte stream of one connection into PDUs, however the network has cut it, and checks digests (RFC 7143 11.2). */
export class Framer {
  /** The longest data segment that is accepted, in bytes: what this side has declared. */
  dataBytesMax: number;
  /** Whether additional headers may come: a login has none, and what begins like one with them is no iSCSI. */
  additionalHeaders = false;
  headerDigest = false;
  dataDigest = false;
  readonly #events: FramerEvents;

  // A header in pieces.
  readonly #scratch = Buffer.alloc(HEADERS_BYTES_MAX);
  #scratchBytes = 0;

  // The PDU whose data segment is under way: null while headers are.
  #header: Buffer | null = null;
  #data: Buffer = NOTHING;
  #dataAt = 0;
  /** Padding and digest after the data. */
  readonly #tail = Buffer.alloc(3 + DIGEST_BYTES);
  #tailBytes = 0;
  #tailAt = 0;

  constructor(events: FramerEvents, dataBytesMax: number) {
    this.#events = events;
    this.dataBytesMax = dataBytesMax;
  }

  /** Takes what the socket delivered; `chunk` is this object's from now on. Stops early when `stopped` says so. */
  receive(chunk: Buffer, stopped: () => boolean): void {
    let at = 0;
    while (at < chunk.length && !stopped()) {
      at = this.#header === null ? this.#takeHeader(chunk, at) : this.#takeData(chunk, at);
    }
  }

  #takeHeader(chunk: Buffer, at: number): number {
    if (this.#scratchBytes === 0 && chunk.length - at >= HEADER_BYTES) {
      const bytes = this.#headerBytes(chunk[at + 4]!);
      if (chunk.length - at >= bytes) {
        this.#begin(chunk.subarray(at, at + bytes), chunk, at + bytes);
        return this.#header === null ? at + bytes + this.#consumed : at + bytes;
      }
    }
    const known = this.#scratchBytes >= HEADER_BYTES ? this.#headerBytes(this.#scratch[4]!) : HEADER_BYTES;
    const take = Math.min(known - this.#scratchBytes, chunk.length - at);
    chunk.copy(this.#scratch, this.#scratchBytes, at, at + take);
    this.#scratchBytes += take;
    const next = at + take;
    if (this.#scratchBytes < HEADER_BYTES || this.#scratchBytes < this.#headerBytes(this.#scratch[4]!)) return next;
    const headers = Buffer.from(this.#scratch.subarray(0, this.#scratchBytes));
    this.#scratchBytes = 0;
    this.#begin(headers, chunk, next);
    return this.#header === null ? next + this.#consumed : next;
  }

  #headerBytes(additionalWords: number): number {
    if (additionalWords > 0 && !this.additionalHeaders) throw new ProtocolError("additional headers before the login: not iSCSI");
    return HEADER_BYTES + additionalWords * 4 + (this.headerDigest ? DIGEST_BYTES : 0);
  }

  /** Bytes of the chunk after the headers that `#begin` has used up, when it finished the PDU. */
  #consumed = 0;

  /** Headers are whole. Finishes the PDU at once when its data lies in `chunk` at `at`, else prepares to collect it. */
  #begin(headers: Buffer, chunk: Buffer, at: number): void {
    if (this.headerDigest) {
      const covered = headers.length - DIGEST_BYTES;
      if (crc32c(headers, 0, covered) !== headers.readUInt32LE(covered)) throw new ProtocolError("header digest does not match");
    }
    const header = headers.subarray(0, HEADER_BYTES);
    const length = dataLengthOf(header);
    if (length > this.dataBytesMax) {
      throw new ProtocolError(`data segment of ${length} bytes where ${this.dataBytesMax} is the most`);
    }
    const place = this.#events.place(header);
    const padding = (4 - (length & 3)) & 3;
    this.#tailBytes = padding + (this.dataDigest && length > 0 ? DIGEST_BYTES : 0);
    this.#consumed = 0;
    const here = chunk.length - at;
    if (here >= length + this.#tailBytes) {
      let data: Buffer;
      if (place !== null) {
        chunk.copy(place, 0, at, at + length);
        data = place;
      } else {
        data = length === 0 ? NOTHING : ownView(chunk, at, length);
      }
      chunk.copy(this.#tail, 0, at + length, at + length + this.#tailBytes);
      this.#consumed = length + this.#tailBytes;
      this.#finish(header, data);
      return;
    }
    this.#header = header;
    this.#data = place ?? Buffer.allocUnsafe(length);
    this.#dataAt = 0;
    this.#tailAt = 0;
  }

  #takeData(chunk: Buffer, at: number): number {
    const data = Math.min(this.#data.length - this.#dataAt, chunk.length - at);
    if (data > 0) chunk.copy(this.#data, this.#dataAt, at, at + data);
    this.#dataAt += data;
    const tail = Math.min(this.#tailBytes - this.#tailAt, chunk.length - at - data);
    if (tail > 0) chunk.copy(this.#tail, this.#tailAt, at + data, at + data + tail);
    this.#tailAt += tail;
    if (this.#dataAt === this.#data.length && this.#tailAt === this.#tailBytes) {
      const header = this.#header!;
      const whole = this.#data;
      this.#header = null;
      this.#data = NOTHING;
      this.#finish(header, whole);
    }
    return at + data + tail;
  }

  #finish(header: Buffer, data: Buffer): void {
    if (this.dataDigest && data.length > 0) {
      const padding = this.#tailBytes - DIGEST_BYTES;
      const sum = crc32c(this.#tail, 0, padding, crc32c(data));
      if (sum !== this.#tail.readUInt32LE(padding)) throw new ProtocolError("data digest does not match");
    }
    this.#events.pdu(header, data);
  }
}

/** A view when it is a good part of the chunk that it keeps alive, else a copy: what waits holds little more than itself. */
function ownView(chunk: Buffer, at: number, length: number): Buffer {
  const view = chunk.subarray(at, at + length);
  return length * 4 >= chunk.length ? view : Buffer.from(view);
}
