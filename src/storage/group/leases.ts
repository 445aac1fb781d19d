import type { Clock } from "../../platform/platform.ts";
import { REFUSE_WRITES_AFTER_MS } from "./lone.ts";
import type { Term } from "./term.ts";

/** How long a read waits for leases before its gateway is told to look for another primary. */
const WAIT_MS = 5000;
/** Reads that wait; a gateway's own bound keeps one gateway from ever reaching it. */
const WAITERS_MAX = 4096;

/** R2d at the primary: replies that wait until every other required member's lease is valid. */
export class LeaseWaiters {
  readonly #clock: Clock;
  readonly #term: Term;
  #waiting: { readonly untilMs: number; readonly run: () => void; readonly refuse: () => void }[] = [];

  constructor(clock: Clock, term: Term) {
    this.#clock = clock;
    this.#term = term;
  }

  /** I4: a valid lease from every other required member, by the clock read now. */
  valid(): boolean {
    const now = this.#clock.nowMs();
    return this.#term.required().every((peer) => peer.leaseUntilMs > now);
  }

  /** R2d, and R24: who has given no lease is known to be down. Enough to answer a read, never to begin serving. */
  mayAnswer(): boolean {
    const now = this.#clock.nowMs();
    return this.#term.required().every((peer) => peer.leaseUntilMs > now || peer.downUntilMs > now || peer.takenUntilMs > now);
  }

  /** R24: reads go on without leases, and the change of configuration that writes need has waited for the store for long. */
  loneForLong(): boolean {
    const { pending, pendingSinceMs } = this.#term;
    return pending !== null && this.#clock.nowMs() - pendingSinceMs >= REFUSE_WRITES_AFTER_MS && !this.valid() && this.mayAnswer();
  }

  /** Calls `run` under valid leases, with nothing awaited in between, or `refuse`. */
  run(run: () => void, refuse: () => void): void {
    if (this.mayAnswer()) return run();
    if (this.#waiting.length >= WAITERS_MAX) return refuse();
    this.#waiting.push({ untilMs: this.#clock.nowMs() + WAIT_MS, run, refuse });
  }

  renewed(): void {
    if (this.#waiting.length === 0 || !this.mayAnswer()) return;
    // Each reply reads the clock anew: many of them take time.
    for (const waiter of this.#waiting.splice(0)) {
      if (this.mayAnswer()) waiter.run();
      else this.#waiting.push(waiter);
    }
  }
  expire(): void {
    const now = this.#clock.nowMs();
    while (this.#waiting[0] && this.#waiting[0].untilMs < now) this.#waiting.shift()?.refuse();
  }
  refuseAll(): void {
    for (const waiter of this.#waiting.splice(0)) waiter.refuse();
  }
}
