import { crc32c } from "../base/crc32c.ts";
import type { Socket } from "../platform/platform.ts";
import { DIGEST_BYTES, HEADER_BYTES } from "./pdu.ts";

/** A block for replies: some hundred small ones, or a few of 64 KiB, in one write to the socket. */
const SLAB_BYTES = 256 * 1024;
/** Up to here data is copied behind its header, which is cheaper than a system call of its own. */
const COPY_BYTES_MAX = 64 * 1024;
const PADDING = Buffer.alloc(4);

/** Collects the PDUs of one event-loop turn and sends them with as few writes as possible. */
export class Outbox {
  headerDigest = false;
  dataDigest = false;
  /** Where the header under way is written: `buffer` at what `open` returned. */
  buffer = Buffer.allocUnsafe(4096);
  readonly #socket: Socket;
  /** Bytes from `#sent` to `#end` wait to be written. */
  #sent = 0;
  #end = 0;
  #headerAt = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Begins a PDU with `dataBytes` of data: returns the offset of its zeroed header in `buffer`. `close` must follow at once. */
  open(opcode: number, flags: number, dataBytes: number): number {
    const room = HEADER_BYTES + 2 * DIGEST_BYTES + 3 + (dataBytes <= COPY_BYTES_MAX ? dataBytes : 0);
    if (this.#end + room > this.buffer.length) {
      this.flush();
      this.buffer = Buffer.allocUnsafe(SLAB_BYTES);
      this.#sent = 0;
      this.#end = 0;
    }
    const at = this.#end;
    const { buffer } = this;
    buffer.fill(0, at, at + HEADER_BYTES);
    buffer[at] = opcode;
    buffer[at + 1] = flags;
    buffer[at + 5] = dataBytes >> 16;
    buffer[at + 6] = dataBytes >> 8;
    buffer[at + 7] = dataBytes;
    this.#headerAt = at;
    this.#end = at + HEADER_BYTES;
    return at;
  }

  /** Ends the PDU that `open` began. `data` is of the length said there and must not change afterwards. */
  close(data: Buffer | null): void {
    if (this.headerDigest) this.#digest(crc32c(this.buffer, this.#headerAt, HEADER_BYTES));
    if (data === null || data.length === 0) return;
    const padding = (4 - (data.length & 3)) & 3;
    if (data.length <= COPY_BYTES_MAX) {
      data.copy(this.buffer, this.#end);
      this.#end += data.length;
    } else {
      this.flush();
      this.#socket.write(data);
    }
    this.buffer.fill(0, this.#end, this.#end + padding);
    this.#end += padding;
    if (this.dataDigest) this.#digest(crc32c(PADDING, 0, padding, crc32c(data)));
  }

  #digest(sum: number): void {
    this.buffer.writeUInt32LE(sum, this.#end);
    this.#end += DIGEST_BYTES;
  }

  /** Hands everything to the socket. The bytes are not used again: the socket may hold on to them. */
  flush(): void {
    if (this.#end === this.#sent) return;
    const block = this.buffer.subarray(this.#sent, this.#end);
    this.#sent = this.#end;
    this.#socket.write(block);
  }
}
