import type { Clock } from "../platform/platform.ts";

/** Bucket n counts commands that took less than 2^n microseconds; the last one, over 16 s, all others. */
export const BUCKETS = 26;

/** Of one kind of command, since the process started. A typed array each, made once: counting allocates nothing. */
export class KindCounts {
  commands = 0;
  failed = 0;
  bytes = 0;
  microseconds = 0;
  readonly buckets = new Float64Array(BUCKETS);

  count(bytes: number, microseconds: number, good: boolean): void {
    this.commands++;
    if (!good) this.failed++;
    this.bytes += bytes;
    this.microseconds += microseconds;
    const bucket = 32 - Math.clz32(microseconds);
    this.buckets[bucket < BUCKETS ? bucket : BUCKETS - 1]!++;
  }
}

// Operation codes (SPC-4, SBC-3) of 6, 10, 12 and 16 bytes.
const READ = 1;
const WRITE = 2;
const KIND = new Uint8Array(256);
for (const code of [0x08, 0x28, 0xa8, 0x88]) KIND[code] = READ;
for (const code of [0x0a, 0x2a, 0xaa, 0x8a]) KIND[code] = WRITE;

/** What one target has done: two clock readings and a few additions a command. */
export class Counters {
  readonly reads = new KindCounts();
  readonly writes = new KindCounts();
  readonly others = new KindCounts();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds of the clock, to be given to `ended`. */
  started(): number {
    return this.#clock.nowMs();
  }

  /** A command of this operation code was answered; `bytes` went over the wire for it, both ways. */
  ended(operation: number, bytes: number, startedMs: number, good: boolean): void {
    const kind = KIND[operation];
    const counts = kind === READ ? this.reads : kind === WRITE ? this.writes : this.others;
    counts.count(bytes, Math.max(0, Math.round((this.#clock.nowMs() - startedMs) * 1000)), good);
  }
}
