/** R15: a command's stamp is taken from this; shorter makes stamps closer to the truth, longer costs fewer timers. */
export const ARRIVAL_TICK_MS = 50;
/** R15: what lay unread for longer may be of hosts that have gone on elsewhere; their sessions are dropped unread. */
export const UNREAD_MS_MAX = 3000;

/** R15: one command of a host, or what stands for it, on its way through this process. */
export class Arrival {
  /** Lower bound, in this process's clock, of when it was received. All that comes of the command is stamped by this, however late it is sent. */
  readonly receivedMs: number;
  #cancelled = false;

  constructor(receivedMs: number) {
    this.receivedMs = receivedMs;
  }
  get cancelled(): boolean {
    return this.#cancelled;
  }
  /** Nobody waits for it any more: what has not been sent is dropped, and what was sent is not sent again. */
  cancel(): void {
    this.#cancelled = true;
  }
}

/**
 * When something that is read now was received at the earliest. Whatever had come before the last tick but one was read before
 * the last tick, since the loop looks at every socket between two; this holds however long the loop stands still.
 */
export class ArrivalClock {
  #lastTickMs: number;
  #boundMs: number;

  /** Nothing can have come in before `nowMs`. */
  constructor(nowMs: number) {
    this.#lastTickMs = nowMs;
    this.#boundMs = nowMs;
  }

  /** Nothing can have come in before `nowMs`: the port was closed. */
  restart(nowMs: number): void {
    this.#lastTickMs = nowMs;
    this.#boundMs = nowMs;
  }

  /** The regular timer has run; every ARRIVAL_TICK_MS when the loop is not held up. */
  tick(nowMs: number): void {
    this.#boundMs = this.#lastTickMs;
    this.#lastTickMs = nowMs;
  }

  /** Lower bound of when what is read now came in. */
  get receivedMs(): number {
    return this.#boundMs;
  }

  /** Whether what is read at `nowMs` may have lain there for too long. */
  unreadTooLong(nowMs: number): boolean {
    return nowMs - this.#boundMs > UNREAD_MS_MAX;
  }
}
