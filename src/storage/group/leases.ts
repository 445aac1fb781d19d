import type { GroupHost } from "./host.ts";
import { REFUSE_WRITES_AFTER_MS } from "./lone.ts";
import type { Term } from "./term.ts";

/** How long a read waits for leases before its gateway is told to look for another primary. */
const WAIT_MS = 5000;
/** Reads that wait; a gateway's own bound keeps one gateway from ever reaching it. */
const WAITERS_MAX = 4096;

type LeaseHost = Pick<GroupHost, "clock" | "strictReads" | "lastBeacon" | "beaconDue">;
interface Waiter {
  readonly untilMs: number;
  /** Number of the last beacon before its data was in hand; null: it is no strict read, leases will do. */
  readonly after: number | null;
  readonly run: () => void;
  readonly refuse: () => void;
}

/**
 * R2d at the primary: replies that wait until every other required member's lease is valid. Under `strictReads` no clock is
 * believed (A1): a reply waits until all of them have confirmed a beacon that was sent when its data was in hand already. Whoever
 * has confirmed it had not begun to take over by then (R3c), so the data was current, however late the reply is.
 */
export class LeaseWaiters {
  readonly #host: LeaseHost;
  readonly #term: Term;
  #waiting: Waiter[] = [];

  constructor(host: LeaseHost, term: Term) {
    this.#host = host;
    this.#term = term;
  }

  /** I4: a valid lease from every other required member, by the clock read now. */
  valid(): boolean {
    const now = this.#host.clock.nowMs();
    return this.#term.required().every((peer) => peer.leaseUntilMs > now);
  }

  /** R2d, and R24: who has given no lease is known to be down. Enough to answer a read, never to begin serving. */
  mayAnswer(): boolean {
    const now = this.#host.clock.nowMs();
    return this.#term.required().every((peer) => peer.leaseUntilMs > now || peer.downUntilMs > now || peer.takenUntilMs > now);
  }

  /** R24: reads go on without leases, and the change of configuration that writes need has waited for the store for long. */
  loneForLong(): boolean {
    const { pending, pendingSinceMs } = this.#term;
    return pending !== null && this.#host.clock.nowMs() - pendingSinceMs >= REFUSE_WRITES_AFTER_MS && !this.valid() && this.mayAnswer();
  }

  /** R24 without proof has given up I9 already; its proof is one of clocks, and no strict read is answered by it. */
  #answers({ after }: Waiter): boolean {
    if (after === null) return this.mayAnswer();
    const now = this.#host.clock.nowMs();
    return this.#term.required().every((peer) => peer.confirmedBeacon > after || peer.takenUntilMs > now);
  }

  /** Calls `run` under valid leases, with nothing awaited in between, or `refuse`. The data is in hand. */
  run(run: () => void, refuse: () => void): void {
    const strict = this.#host.strictReads();
    const waiter: Waiter = { untilMs: this.#host.clock.nowMs() + WAIT_MS, after: strict ? this.#host.lastBeacon() : null, run, refuse };
    if (this.#answers(waiter)) return run();
    if (this.#waiting.length >= WAITERS_MAX) return refuse();
    this.#waiting.push(waiter);
    if (strict) this.#host.beaconDue();
  }

  renewed(): void {
    // Each reply reads the clock anew: many of them take time.
    for (const waiter of this.#waiting.splice(0)) {
      if (this.#answers(waiter)) waiter.run();
      else this.#waiting.push(waiter);
    }
  }
  expire(): void {
    const now = this.#host.clock.nowMs();
    while (this.#waiting[0] && this.#waiting[0].untilMs < now) this.#waiting.shift()?.refuse();
  }
  refuseAll(): void {
    for (const waiter of this.#waiting.splice(0)) waiter.refuse();
  }
}
