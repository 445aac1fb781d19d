import type { Random } from "../../src/platform/platform.ts";

/** All chance of a simulated world: xorshift of 32 bits, one stream for each purpose, so that more of one changes nothing of another. */
export class Chance implements Random {
  #state: number;
  constructor(seed: number, purpose = "") {
    let state = (Math.imul(seed, 0x9e3779b1) ^ 0x2545f491) >>> 0;
    for (const character of purpose) state = (Math.imul(state ^ character.charCodeAt(0), 0x85ebca6b) ^ (state >>> 13)) >>> 0;
    this.#state = state === 0 ? 1 : state;
    for (let i = 0; i < 8; i += 1) this.#next();
  }
  #next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (this.#state = x >>> 0);
  }
  float(): number {
    return this.#next() / 2 ** 32;
  }
  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.#next() & 255);
  }
  id(): number {
    return 1 + Math.floor(this.float() * (2 ** 48 - 1));
  }
  /** An integer in [0, count). */
  below(count: number): number {
    return Math.floor(this.float() * count);
  }
  between(from: number, to: number): number {
    return from + this.float() * (to - from);
  }
  happens(probability: number): boolean {
    return this.float() < probability;
  }
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
  shuffled<T>(items: readonly T[]): T[] {
    const left = [...items];
    return items.map(() => left.splice(this.below(left.length), 1)[0] as T);
  }
}
