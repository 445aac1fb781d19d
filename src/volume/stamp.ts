/** A1: the clocks of any two servers advance at rates within 1 %. */
const SLOWEST = 0.99;
const FASTEST = 1.01;
/** R15: a loop that was away for longer cannot tell when the bytes it now reads came in. */
const STALL_MS = 250;

/** What one primary's clock reads at least, from the clocks in its replies (R15). */
export class ClockBound {
  #clockMs = 0;
  #heardAtMs = 0;
  known = false;

  /** A reply that carried `clockMs` has arrived at `nowMs` of the own clock. The better bound is kept. */
  heard(clockMs: number, nowMs: number): void {
    if (this.known && clockMs <= this.at(nowMs)) return;
    this.#clockMs = clockMs;
    this.#heardAtMs = nowMs;
    this.known = true;
  }

  /** Lower bound of the primary's clock at `ownMs` of the own clock; a time before the reply is carried back from it. */
  at(ownMs: number): number {
    const elapsedMs = ownMs - this.#heardAtMs;
    return this.#clockMs + elapsedMs * (elapsedMs >= 0 ? SLOWEST : FASTEST);
  }

  /** Another instance has another clock. */
  forget(): void {
    this.known = false;
  }
}

/** When a command was received at the latest, given that the event loop may have been stalled (R15). */
export class ArrivalClock {
  readonly #tickEveryMs: number;
  #lastTickMs: number;
  #floorMs: number | null = null;

  constructor(tickEveryMs: number, nowMs: number) {
    this.#tickEveryMs = tickEveryMs;
    this.#lastTickMs = nowMs;
  }

  /** The regular timer has run. */
  tick(nowMs: number): void {
    // After a stall the timer runs before the sockets are read: until its next run everything may have waited through the stall.
    this.#floorMs = this.#stalled(nowMs) ? this.#lastTickMs : null;
    this.#lastTickMs = nowMs;
  }

  /** Lower bound, in the own clock, of when what is handed over at `nowMs` was received. */
  receivedMs(nowMs: number): number {
    if (this.#floorMs !== null) return this.#floorMs;
    return this.#stalled(nowMs) ? this.#lastTickMs : nowMs;
  }

  #stalled(nowMs: number): boolean {
    return nowMs - this.#lastTickMs > this.#tickEveryMs + STALL_MS;
  }
}
