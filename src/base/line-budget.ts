/** So many lines of one kind within so many milliseconds tell an administrator what goes on; more only push older lines out of the log. */
const LINES_MAX = 20;
const WINDOW_MS = 10_000;

/** Bounds the log lines that strangers can cause. Those that were not written are counted, and the next one that is written says so. */
export class LineBudget {
  #windowSinceMs = Number.NEGATIVE_INFINITY;
  #written = 0;
  #unwritten = 0;

  /** Null: the line must not be written. Else it may, and so many before it were not. */
  take(nowMs: number): number | null {
    if (nowMs - this.#windowSinceMs >= WINDOW_MS) {
      this.#windowSinceMs = nowMs;
      this.#written = 0;
    }
    if (this.#written === LINES_MAX) {
      this.#unwritten++;
      return null;
    }
    this.#written++;
    const unwritten = this.#unwritten;
    this.#unwritten = 0;
    return unwritten;
  }
}
