import type { Clock, Timer } from "../platform.ts";

interface Lease {
  readonly ttlMs: number;
  deadlineMs: number;
  timer: Timer;
}

/** When the embedded store's leases end. Which there are is in the database; their remaining time is only here. */
export class LeaseTable {
  readonly #clock: Clock;
  readonly #becameDue: () => void;
  readonly #leases = new Map<string, Lease>();
  readonly #due = new Set<string>();

  /** `becameDue`: a lease's time is over, `takeDue` will name it. */
  constructor(clock: Clock, becameDue: () => void) {
    this.#clock = clock;
    this.#becameDue = becameDue;
  }

  get size(): number {
    return this.#leases.size;
  }

  get anyDue(): boolean {
    return this.#due.size > 0;
  }

  /**
   * Makes the table what the database says. A lease not known here gets its full time: after a restart nobody can tell how
   * long it had left, and none may end too early.
   */
  load(known: readonly { readonly id: string; readonly ttlMs: number }[]): void {
    const ids = new Set(known.map(({ id }) => id));
    for (const id of [...this.#leases.keys()]) if (!ids.has(id)) this.remove(id);
    for (const { id, ttlMs } of known) if (!this.#leases.has(id)) this.add(id, ttlMs);
  }

  add(id: string, ttlMs: number): void {
    this.remove(id);
    const timer = this.#clock.timer(ttlMs, () => this.#check(id));
    this.#leases.set(id, { ttlMs, deadlineMs: this.#clock.nowMs() + ttlMs, timer });
  }

  /** False when there is no such lease. */
  keepAlive(id: string): boolean {
    const lease = this.#leases.get(id);
    if (lease === undefined) return false;
    lease.deadlineMs = this.#clock.nowMs() + lease.ttlMs;
    return true;
  }

  remove(id: string): void {
    this.#leases.get(id)?.timer.cancel();
    this.#leases.delete(id);
    this.#due.delete(id);
  }

  /** The leases whose time is over, unless a keepalive came since; the caller removes them. */
  takeDue(): string[] {
    const ids = [...this.#due];
    this.#due.clear();
    const nowMs = this.#clock.nowMs();
    return ids.filter((id) => {
      const remainingMs = this.#leases.get(id)!.deadlineMs - nowMs;
      if (remainingMs > 0) this.#wait(id, remainingMs);
      return remainingMs <= 0;
    });
  }

  close(): void {
    for (const id of [...this.#leases.keys()]) this.remove(id);
  }

  #check(id: string): void {
    const remainingMs = this.#leases.get(id)!.deadlineMs - this.#clock.nowMs();
    // Keepalives only move the deadline, so that they cost no timer.
    if (remainingMs > 0) return this.#wait(id, remainingMs);
    this.#due.add(id);
    this.#becameDue();
  }

  #wait(id: string, remainingMs: number): void {
    this.#leases.get(id)!.timer = this.#clock.timer(remainingMs, () => this.#check(id));
  }
}
