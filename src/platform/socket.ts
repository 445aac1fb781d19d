import type { Socket as Raw } from "bun";
import { assert } from "../base/assert.ts";
import { setLingerZero } from "./ffi.ts";
import type { Socket, SocketEvents } from "./platform.ts";

/** Bun's socket has its descriptor, which its types do not say. */
export type BunSocket<Data> = Raw<Data> & { readonly fd?: number };

/** Queued pieces below this size are copied together into one system call; copying larger ones costs more than the call. */
const GATHER_PIECE_BYTES_MAX = 16 * 1024;
/** One gathered write; a kernel's socket buffer often takes no more at a time. */
const GATHER_BYTES = 64 * 1024;
// Used and left within one synchronous write, so all sockets share it.
const gather = Buffer.allocUnsafeSlow(GATHER_BYTES);

const SENT = new Uint8Array(0);

/**
 * A connection with its queue of unsent bytes: Bun's `write` takes what the kernel takes and forgets the rest.
 * The queue is not bounded here: whoever writes watches `queuedBytes` and stops reading from its own source.
 */
export class RealSocket implements Socket {
  readonly remote: string;
  readonly local: string;
  readonly #raw: BunSocket<RealSocket>;
  #events: SocketEvents | null = null;
  // Unsent pieces from #head on; the first one from #headOffset on.
  #queue: Uint8Array[] = [];
  #head = 0;
  #headOffset = 0;
  #queuedBytes = 0;
  #wantsDrained = false;
  #state: "open" | "ending" | "closed" = "open";
  #paused = false;
  // Chunks that came in the turn of `pause`, before the kernel was told.
  #held: Buffer[] = [];
  #reason = "";

  constructor(raw: BunSocket<RealSocket>, endpoint: string, lingerZero: boolean) {
    this.#raw = raw;
    const isTcp = raw.remoteAddress !== undefined && raw.remoteAddress !== "" && raw.remotePort > 0;
    this.remote = isTcp ? address(raw.remoteAddress, raw.remotePort) : endpoint;
    this.local = isTcp ? address(raw.localAddress, raw.localPort) : endpoint;
    if (isTcp) raw.setNoDelay(true);
    if (lingerZero) {
      assert(typeof raw.fd === "number" && raw.fd >= 0, "a socket has a descriptor");
      setLingerZero(raw.fd);
    }
  }

  attach(events: SocketEvents): void {
    this.#events = events;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  write(data: Uint8Array): boolean {
    if (this.#state !== "open" || data.byteLength === 0) return this.#queuedBytes === 0;
    if (this.#queuedBytes > 0) {
      this.#enqueue(data, 0);
      return false;
    }
    const taken = this.#raw.write(data);
    if (taken === data.byteLength) return true;
    // -1: the kernel has closed it already and the close event follows; what is queued until then is dropped by it.
    this.#enqueue(data, Math.max(taken, 0));
    return false;
  }

  pause(): void {
    if (this.#state === "closed" || this.#paused) return;
    this.#paused = true;
    this.#raw.pause();
  }

  resume(): void {
    if (this.#state === "closed" || !this.#paused) return;
    this.#paused = false;
    if (this.#held.length === 0) this.#raw.resume();
    else queueMicrotask(() => this.#release());
  }

  end(): void {
    if (this.#state !== "open") return;
    this.#state = "ending";
    if (this.#queuedBytes === 0) this.#raw.end();
  }

  destroy(): void {
    this.#close("closed here");
  }

  /** Closes with `reason`, throwing away what is queued. */
  fail(reason: string): void {
    this.#close(reason);
  }

  // ---- Bun's events ----

  received(chunk: Buffer): void {
    if (this.#state === "closed") return;
    if (this.#paused) this.#held.push(chunk);
    else this.#events?.data(chunk);
  }

  writable(): void {
    if (this.#state === "closed") return;
    while (this.#queuedBytes > 0) {
      const piece = this.#nextPiece();
      const taken = this.#raw.write(piece);
      if (taken > 0) this.#advance(taken);
      if (taken < piece.byteLength) return;
    }
    if (this.#state === "ending") return void this.#raw.end();
    if (!this.#wantsDrained) return;
    this.#wantsDrained = false;
    this.#events?.drained();
  }

  peerEnded(): void {
    if (this.#reason === "") this.#reason = "the peer closed the connection";
  }

  /** `error` is null when the connection ended in order. */
  ended(error: string | null): void {
    this.#finish(error ?? (this.#reason === "" ? "closed here" : this.#reason));
  }

  // ---- inside ----

  /** Delivers what came in the turn of a pause; only then the kernel may deliver more. */
  #release(): void {
    while (this.#held.length > 0) {
      // The receiver may pause or close in its callback.
      if (this.#paused || this.#state === "closed") return;
      this.#events?.data(this.#held.shift() as Buffer);
    }
    if (!this.#paused && this.#state !== "closed") this.#raw.resume();
  }

  #close(reason: string): void {
    if (this.#state === "closed") return;
    this.#raw.terminate();
    this.#finish(reason);
  }

  #finish(reason: string): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#queue = [];
    this.#held = [];
    this.#queuedBytes = 0;
    // Not inside `destroy`: the caller would meet its own `closed` halfway through what it is doing.
    queueMicrotask(() => this.#events?.closed(reason));
  }

  #enqueue(data: Uint8Array, from: number): void {
    if (this.#queuedBytes === 0) {
      this.#queue = [];
      this.#head = 0;
      this.#headOffset = from;
    }
    this.#queue.push(data);
    this.#queuedBytes += data.byteLength - from;
    this.#wantsDrained = true;
  }

  /** The next bytes to send: a large piece as it is, small ones copied together. */
  #nextPiece(): Uint8Array {
    const first = this.#queue[this.#head] as Uint8Array;
    const left = first.byteLength - this.#headOffset;
    if (left > GATHER_PIECE_BYTES_MAX || this.#head + 1 === this.#queue.length) {
      return this.#headOffset === 0 ? first : first.subarray(this.#headOffset);
    }
    let filled = 0;
    let offset = this.#headOffset;
    for (let at = this.#head; at < this.#queue.length; at++, offset = 0) {
      const piece = this.#queue[at] as Uint8Array;
      const size = piece.byteLength - offset;
      if (size > GATHER_PIECE_BYTES_MAX || filled + size > GATHER_BYTES) break;
      gather.set(offset === 0 ? piece : piece.subarray(offset), filled);
      filled += size;
    }
    return gather.subarray(0, filled);
  }

  #advance(count: number): void {
    this.#queuedBytes -= count;
    assert(this.#queuedBytes >= 0, "no more bytes are sent than were queued");
    this.#headOffset += count;
    while (this.#head < this.#queue.length) {
      const size = (this.#queue[this.#head] as Uint8Array).byteLength;
      if (this.#headOffset < size) break;
      this.#headOffset -= size;
      // Lets go of the memory at once; the places are removed from time to time, since that moves the rest of the queue.
      this.#queue[this.#head++] = SENT;
    }
    if (this.#head > 1024) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
  }
}

function address(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
