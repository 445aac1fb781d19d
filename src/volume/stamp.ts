/** A1: the clocks of any two servers advance at rates within 1 %. */
const SLOWEST = 0.99;
const FASTEST = 1.01;

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
