import type { Clock, Timer } from "../platform/platform.ts";

/** One timer for everything that is to be tried again: it goes off when the earliest is due. */
export class RetryTimer {
  readonly #clock: Clock;
  readonly #due: (nowMs: number) => number;
  #timer: Timer | null = null;
  #atMs = Infinity;
  #closed = false;

  /** `due` tries what is due and returns when the next is; Infinity: nothing waits. */
  constructor(clock: Clock, due: (nowMs: number) => number) {
    this.#clock = clock;
    this.#due = due;
  }
  arm(atMs: number): void {
    if (atMs >= this.#atMs || this.#closed) return;
    this.#timer?.cancel();
    this.#atMs = atMs;
    // Never sooner than the shortest pause: one timer serves all that become due about then.
    this.#timer = this.#clock.timer(Math.max(atMs - this.#clock.nowMs(), 1), () => {
      this.#timer = null;
      this.#atMs = Infinity;
      const nextMs = this.#due(this.#clock.nowMs());
      if (nextMs < Infinity) this.arm(nextMs);
    });
  }
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }
}
