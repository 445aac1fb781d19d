import * as v from "valibot";
import type { Platform, Socket } from "../platform.ts";
import { answerSchema, encodeFrame, FrameReader, HELLO } from "./embedded-protocol.ts";
import type { Answer, Request } from "./embedded-protocol.ts";

export interface ConnectionEvents {
  /** There is a connection: everything that still matters is to be sent (again). */
  opened(): void;
  answered(answer: Answer): void;
  lost(reason: string): void;
}

/** A store that has just been restarted is back within this time. */
const BACK_OFF_FIRST_MS = 20;
/** Short enough that an administrator does not notice it, long enough that a hundred waiting processes cost nothing. */
const BACK_OFF_MAX_MS = 1_000;
const CONNECT_TIMEOUT_MS = 1_000;

/** The client's side of the socket: connects for ever with back-off, and writes all frames of one turn at once. */
export class EmbeddedConnection {
  readonly #platform: Platform;
  readonly #socketPath: string;
  readonly #events: ConnectionEvents;
  #socket: Socket | null = null;
  #unsent: Buffer[] = [];
  #backOffMs = BACK_OFF_FIRST_MS;
  #closed = false;
  #complained = false;

  constructor(platform: Platform, socketPath: string, events: ConnectionEvents) {
    this.#platform = platform;
    this.#socketPath = socketPath;
    this.#events = events;
    void this.#connect();
  }

  /** False when there is no connection; then nothing was or will be sent. */
  send(request: Request): boolean {
    if (this.#socket === null) return false;
    if (this.#unsent.length === 0) this.#platform.clock.soon(() => this.#flush());
    this.#unsent.push(encodeFrame(request));
    return true;
  }

  reconnect(reason: string): void {
    const socket = this.#socket;
    if (socket === null) return;
    this.#lose(socket, reason);
    socket.destroy();
  }

  close(): void {
    this.#closed = true;
    this.#flush();
    const socket = this.#socket;
    this.#socket = null;
    socket?.end();
  }

  async #connect(): Promise<void> {
    if (this.#closed) return;
    let socket: Socket;
    let goneReason: string | null = null;
    try {
      socket = await this.#platform.network.connect({ endpoint: { path: this.#socketPath }, timeoutMs: CONNECT_TIMEOUT_MS }, (made) => {
        const reader = new FrameReader();
        return {
          data: (chunk) => this.#received(made, reader, chunk),
          drained: () => undefined,
          closed: (reason) => {
            goneReason = reason;
            this.#lose(made, reason);
          },
        };
      });
    } catch (error) {
      if (!this.#complained && !this.#closed) {
        this.#platform.log.warn("The cluster store cannot be reached; trying on", { error: (error as Error).message });
        this.#complained = true;
      }
      return this.#connectLater();
    }
    if (this.#closed) return socket.destroy();
    // It may have ended between being made and being handed over.
    if (goneReason !== null) return this.#connectLater();
    this.#socket = socket;
    this.#unsent = [];
    socket.write(encodeFrame(HELLO));
    this.#events.opened();
  }

  #connectLater(): void {
    if (this.#closed) return;
    // Half of it by chance, so that the clients of a restarted store do not come all at once.
    const delayMs = this.#backOffMs * (0.5 + this.#platform.random.float() / 2);
    this.#backOffMs = Math.min(this.#backOffMs * 2, BACK_OFF_MAX_MS);
    this.#platform.clock.timer(delayMs, () => void this.#connect());
  }

  #received(socket: Socket, reader: FrameReader, chunk: Buffer): void {
    if (this.#socket !== socket) return;
    let answers: Answer[];
    try {
      answers = reader.push(chunk).map((body) => v.parse(answerSchema, body));
    } catch (error) {
      return this.reconnect(`it sent what is no answer: ${(error as Error).message}`);
    }
    this.#backOffMs = BACK_OFF_FIRST_MS;
    this.#complained = false;
    for (const answer of answers) {
      // A callback may have closed or lost the connection.
      if (this.#socket !== socket) return;
      this.#events.answered(answer);
    }
  }

  #lose(socket: Socket, reason: string): void {
    if (this.#socket !== socket) return;
    this.#socket = null;
    this.#unsent = [];
    if (!this.#closed) this.#platform.log.warn("The connection to the cluster store was lost", { reason });
    this.#events.lost(reason);
    this.#connectLater();
  }

  #flush(): void {
    const frames = this.#unsent;
    this.#unsent = [];
    if (frames.length > 0) this.#socket?.write(Buffer.concat(frames));
  }
}
