import type { Clock, Timer } from "../platform.ts";
import type { StoreLease } from "../store.ts";

/** How a lease reaches its store. Both reject when the store does not answer within `deadlineMs`. */
export interface LeaseDoor {
  /** Starts the lease's time again; false when the store knows no such lease. */
  keepAlive(id: string, deadlineMs: number): Promise<boolean>;
  revoke(id: string): Promise<void>;
}

/** Keepalives in one time to live: two may fail before the lease is in danger. */
const KEEPALIVES_PER_TTL = 3;

/**
 * A lease that keeps itself alive. It counts as lost when the store says that it is gone, or when no keepalive *sent*
 * within the last time to live was confirmed: from then on the store may have dropped its keys.
 */
export class KeptLease implements StoreLease {
  readonly id: string;
  readonly #ttlMs: number;
  readonly #clock: Clock;
  readonly #door: LeaseDoor;
  /** When the last confirmed keepalive (or the grant) was sent. */
  #confirmedMs: number;
  #state: "held" | "lost" | "revoked" = "held";
  #next: Timer;
  #expiry: Timer;
  #listeners: (() => void)[] = [];
  #ended: (() => void) | undefined;

  /** `grantSentMs`: when the request that granted it was sent. `ended` runs once, whatever ended it. */
  constructor(id: string, ttlMs: number, grantSentMs: number, clock: Clock, door: LeaseDoor, ended?: () => void) {
    this.id = id;
    this.#ttlMs = ttlMs;
    this.#clock = clock;
    this.#door = door;
    this.#ended = ended;
    this.#confirmedMs = grantSentMs;
    this.#next = clock.timer(ttlMs / KEEPALIVES_PER_TTL, () => void this.#keep());
    this.#expiry = clock.timer(this.#remainingMs(), () => this.#expire());
  }

  onLost(run: () => void): void {
    if (this.#state === "lost") this.#clock.soon(run);
    else if (this.#state === "held") this.#listeners.push(run);
  }

  async revoke(): Promise<void> {
    if (this.#state !== "held") return;
    this.#end("revoked");
    await this.#door.revoke(this.id);
  }

  /** The process stops, or its client closes: no more keepalives, no callback, the keys go when the time to live is over. */
  abandon(): void {
    if (this.#state === "held") this.#end("revoked");
  }

  async #keep(): Promise<void> {
    const sentMs = this.#clock.nowMs();
    const intervalMs = this.#ttlMs / KEEPALIVES_PER_TTL;
    try {
      const alive = await this.#door.keepAlive(this.id, intervalMs);
      if (this.#state !== "held") return;
      if (!alive) return this.#lose();
      this.#confirmedMs = sentMs;
    } catch {
      // No answer: another try follows, and the expiry timer decides in the end.
      if (this.#state !== "held") return;
    }
    const elapsedMs = this.#clock.nowMs() - sentMs;
    // A quarter of the interval at least, so that a store that refuses at once is not flooded.
    this.#next = this.#clock.timer(Math.max(intervalMs / 4, intervalMs - elapsedMs), () => void this.#keep());
  }

  #expire(): void {
    if (this.#state !== "held") return;
    const remainingMs = this.#remainingMs();
    if (remainingMs <= 0) this.#lose();
    else this.#expiry = this.#clock.timer(remainingMs, () => this.#expire());
  }

  #remainingMs(): number {
    return this.#confirmedMs + this.#ttlMs - this.#clock.nowMs();
  }

  #lose(): void {
    const listeners = this.#listeners;
    this.#end("lost");
    for (const run of listeners) run();
  }

  #end(state: "lost" | "revoked"): void {
    this.#state = state;
    this.#listeners = [];
    this.#next.cancel();
    this.#expiry.cancel();
    this.#ended?.();
  }
}
