import { connect, type Socket } from "node:net";
import { dataLengthOf, HEADER_BYTES } from "../../src/iscsi/pdu.ts";

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

  private constructor(socket: Socket, events: ConnectionEvents) {
    this.#socket = socket;
    this.#events = events;
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("end", () => this.#close("the target has closed the connection"));
    socket.on("error", (error: Error) => this.#close(error.message));
    socket.on("close", () => this.#close("the connection has ended"));
  }

  /** Rejects with `ConnectionLost`. */
  static open(portal: { readonly address: string; readonly port: number }, events: ConnectionEvents): Promise<PduConnection> {
    const where = `${portal.address}:${portal.port}`;
    return new Promise((resolve, reject) => {
      const socket = connect({ host: portal.address, port: portal.port, noDelay: true });
      const tooLate = setTimeout(() => failed(new Error("no answer in time")), CONNECT_WITHIN_MS);
      const failed = (error: Error): void => {
        clearTimeout(tooLate);
        socket.destroy();
        reject(new ConnectionLost(`${where}: ${error.message}`));
      };
      // Stays: an error without a listener would end the process.
      socket.on("error", failed);
      socket.once("connect", () => {
        clearTimeout(tooLate);
        resolve(new PduConnection(socket, events));
      });
    });
  }

  get isClosed(): boolean {
    return this.#reason !== null;
  }

  /** Sends a PDU: the data's length and the padding are added here. The header may be used again at once. */
  send(header: Buffer, data: Buffer = NOTHING): void {
    if (this.#reason !== null) return;
    header.writeUIntBE(data.length, 5, 3);
    const padding = (4 - (data.length & 3)) & 3;
    this.#socket.write(Buffer.concat([header, data, PADDING.subarray(0, padding)]));
  }

  /** Sends bytes as they are, whatever they are. */
  sendRaw(bytes: Buffer): void {
    if (this.#reason === null) this.#socket.write(bytes);
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
