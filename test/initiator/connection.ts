import { dataLengthOf, HEADER_BYTES } from "../../src/iscsi/pdu.ts";
import { realNetwork } from "../../src/platform/network.ts";
import type { Socket } from "../../src/platform/platform.ts";

export interface ConnectionEvents {
  /** Where the data segment of this PDU shall go (of at least its length), or null for a buffer of its own. */
  place?(header: Buffer): Buffer | null;
  /** A whole PDU; `header` is valid only until this returns, `data` (without padding) is the receiver's. */
  pdu(header: Buffer, data: Buffer): void;
  /** Once, whoever closed, with why. */
  closed(reason: string): void;
}

/** The path is gone: what was under way may or may not have happened. */
export class ConnectionLost extends Error {
  override name = "ConnectionLost";
}

/** A connection carries no command for so long before it is given up while it is made. */
const CONNECT_WITHIN_MS = 5_000;
const NOTHING = Buffer.alloc(0);
const PADDING = Buffer.alloc(3);
/** What is sent in one turn is copied together here and leaves in one write. */
const SLAB_BYTES = 64 * 1024;
/** Longer data goes out from where it lies: copying costs more than a system call. */
const COPY_BYTES_MAX = 16 * 1024;

/** PDUs over TCP (RFC 7143 11.2), without digests. It knows nothing of login or tasks: what is sent is sent as it is. */
export class PduConnection {
  readonly #socket: Socket;
  readonly #events: ConnectionEvents;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  /** Null while a header is being collected. */
  #data: Buffer | null = null;
  #dataAt = 0;
  #dataBytes = 0;
  #paddedBytes = 0;
  #reason: string | null = null;

  #slab = Buffer.allocUnsafe(SLAB_BYTES);
  /** Bytes from `#sent` to `#filled` wait to be written. */
  #sent = 0;
  #filled = 0;
  #flushing = false;

  private constructor(socket: Socket, events: ConnectionEvents) {
    this.#socket = socket;
    this.#events = events;
  }

  /** Rejects with `ConnectionLost`. */
  static async open(portal: { readonly address: string; readonly port: number }, events: ConnectionEvents): Promise<PduConnection> {
    const made: { connection: PduConnection | null } = { connection: null };
    try {
      await realNetwork().connect({ endpoint: { address: portal.address, port: portal.port }, timeoutMs: CONNECT_WITHIN_MS }, (socket) => {
        const connection = (made.connection = new PduConnection(socket, events));
        return { data: (chunk) => connection.#receive(chunk), drained: () => undefined, closed: (reason) => connection.#close(reason) };
      });
    } catch (error) {
      throw new ConnectionLost(`${portal.address}:${portal.port}: ${(error as Error).message}`);
    }
    if (made.connection === null) throw new ConnectionLost("connected, but to nothing");
    return made.connection;
  }

  get isClosed(): boolean {
    return this.#reason !== null;
  }

  /** Sends a PDU: the data's length and the padding are added here. The header may be used again at once, the data when it is answered. */
  send(header: Buffer, data: Buffer = NOTHING): void {
    if (this.#reason !== null) return;
    header.writeUIntBE(data.length, 5, 3);
    const padding = PADDING.subarray(0, (4 - (data.length & 3)) & 3);
    this.#put(header);
    if (data.length <= COPY_BYTES_MAX) this.#put(data);
    else {
      this.#flush();
      this.#socket.write(data);
    }
    this.#put(padding);
    this.#flushSoon();
  }

  /** Sends bytes as they are, whatever they are. */
  sendRaw(bytes: Buffer): void {
    if (this.#reason !== null) return;
    this.#flush();
    this.#socket.write(Buffer.from(bytes));
  }

  #put(bytes: Buffer): void {
    if (this.#filled + bytes.length > this.#slab.length) {
      this.#flush();
      this.#slab = Buffer.allocUnsafe(SLAB_BYTES);
      this.#sent = this.#filled = 0;
    }
    bytes.copy(this.#slab, this.#filled);
    this.#filled += bytes.length;
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#filled === this.#sent || this.#reason !== null) return;
    // What is sent is never written over: the socket may hold on to it.
    this.#socket.write(this.#slab.subarray(this.#sent, this.#filled));
    this.#sent = this.#filled;
  }

  /** Drops the connection without a word. */
  destroy(reason: string): void {
    this.#close(reason);
  }

  #close(reason: string): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    this.#socket.destroy();
    this.#events.closed(reason);
  }

  #receive(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && this.#reason === null; ) {
      at = this.#data === null ? this.#takeHeader(chunk, at) : this.#takeData(chunk, at, this.#data);
    }
  }

  #takeHeader(chunk: Buffer, at: number): number {
    const take = Math.min(HEADER_BYTES - this.#headerBytes, chunk.length - at);
    chunk.copy(this.#header, this.#headerBytes, at, at + take);
    this.#headerBytes += take;
    if (this.#headerBytes < HEADER_BYTES) return at + take;
    this.#dataBytes = dataLengthOf(this.#header);
    this.#paddedBytes = (this.#dataBytes + 3) & ~3;
    this.#dataAt = 0;
    if (this.#dataBytes === 0) this.#finish(NOTHING);
    else this.#data = this.#events.place?.(this.#header) ?? Buffer.allocUnsafe(this.#dataBytes);
    return at + take;
  }

  #takeData(chunk: Buffer, at: number, data: Buffer): number {
    const take = Math.min(this.#paddedBytes - this.#dataAt, chunk.length - at);
    const wanted = Math.min(take, this.#dataBytes - this.#dataAt);
    if (wanted > 0) chunk.copy(data, this.#dataAt, at, at + wanted);
    this.#dataAt += take;
    if (this.#dataAt === this.#paddedBytes) this.#finish(data.subarray(0, this.#dataBytes));
    return at + take;
  }

  #finish(data: Buffer): void {
    this.#headerBytes = 0;
    this.#data = null;
    this.#events.pdu(this.#header, data);
  }
}
