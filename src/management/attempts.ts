import type { Clock } from "../platform/platform.ts";

interface Limit {
  /** So many wrong ones in a row cost nothing. */
  readonly free: number;
  /** Then 1 s, 2 s, 4 s ... up to this. */
  readonly delayMsMax: number;
}
/**
 * Somebody who mistypes waits a little; somebody who guesses waits minutes. The delay of a name alone is short, so that nobody can keep
 * an administrator out from elsewhere for long, and still leaves a guesser from many addresses 3,000 tries a day.
 */
const LIMITS = {
  pair: { free: 5, delayMsMax: 15 * 60_000 },
  address: { free: 20, delayMsMax: 15 * 60_000 },
  name: { free: 50, delayMsMax: 30_000 },
} as const satisfies Record<string, Limit>;
/** Afterwards a count is forgotten. */
const FORGET_MS = 60 * 60_000;
/** The oldest goes first: an attacker with more addresses than this still meets the limit of the name. */
const KEPT_MAX = 10_000;

interface Count {
  failures: number;
  untilMs: number;
  lastMs: number;
}

/** Wrong logins by name and address, on this server, in memory. */
export class Attempts {
  readonly #clock: Clock;
  readonly #counts = new Map<string, Count>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds until the next try is looked at; 0: now. */
  waitMs(name: string, address: string): number {
    const now = this.#clock.nowMs();
    return Math.max(0, ...keysOf(name, address).map(({ key }) => (this.#counts.get(key)?.untilMs ?? 0) - now));
  }

  /**
   * Counts a try as wrong, before it is looked at: many at the same time must not get by with one count. Returns whether it locks somebody
   * out who was not.
   */
  begun(name: string, address: string): boolean {
    const now = this.#clock.nowMs();
    let locked = false;
    for (const { key, limit } of keysOf(name, address)) {
      const before = this.#counts.get(key);
      const failures = before !== undefined && now - before.lastMs < FORGET_MS ? before.failures + 1 : 1;
      const delayMs = failures < limit.free ? 0 : Math.min(1000 * 2 ** Math.min(failures - limit.free, 20), limit.delayMsMax);
      locked ||= failures === limit.free;
      this.#counts.delete(key);
      this.#counts.set(key, { failures, untilMs: now + delayMs, lastMs: now });
    }
    for (const key of this.#counts.keys()) {
      if (this.#counts.size <= KEPT_MAX) break;
      this.#counts.delete(key);
    }
    return locked;
  }

  /** It was right. The address keeps its other failures: who knows one password must not be able to guess another's without end. */
  succeeded(name: string, address: string): void {
    this.#counts.delete(pairKey(name, address));
    this.#counts.delete(nameKey(name));
    const count = this.#counts.get(addressKey(address));
    if (count === undefined) return;
    count.failures--;
    count.untilMs = 0;
  }
}

function pairKey(name: string, address: string): string {
  return `pair ${address} ${name}`;
}
function nameKey(name: string): string {
  return `name ${name}`;
}
function addressKey(address: string): string {
  return `address ${address}`;
}
function keysOf(name: string, address: string): { key: string; limit: Limit }[] {
  return [
    { key: pairKey(name, address), limit: LIMITS.pair },
    { key: addressKey(address), limit: LIMITS.address },
    { key: nameKey(name), limit: LIMITS.name },
  ];
}
