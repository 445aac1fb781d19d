import type { Clock, Log, Platform, Timer } from "../../src/platform/platform.ts";

/** Time that passes only when a test says so. */
export class FakeClock implements Clock {
  #nowMs = 1_000;
  #next = 0;
  readonly #timers = new Map<number, { readonly atMs: number; readonly run: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }
  wallMs(): number {
    return this.#nowMs;
  }
  timer(delayMs: number, run: () => void): Timer {
    const id = this.#next++;
    this.#timers.set(id, { atMs: this.#nowMs + Math.max(0, delayMs), run });
    return { cancel: () => void this.#timers.delete(id) };
  }
  soon(run: () => void): void {
    this.timer(0, run);
  }

  /** Lets `ms` pass, running what is due in order and everything that follows from it. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await settled();
    for (;;) {
      let due: [number, { readonly atMs: number; readonly run: () => void }] | null = null;
      for (const entry of this.#timers) if (entry[1].atMs <= untilMs && (due === null || entry[1].atMs < due[1].atMs)) due = entry;
      if (due === null) break;
      this.#timers.delete(due[0]);
      this.#nowMs = Math.max(this.#nowMs, due[1].atMs);
      due[1].run();
      await settled();
    }
    this.#nowMs = untilMs;
  }
}

/** A clock of one process that can be stopped like a process is by SIGSTOP: its timers are late, all at once. */
export class StallingClock implements Clock {
  readonly #clock: FakeClock;
  #stalled = false;
  #late: (() => void)[] = [];

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }
  nowMs(): number {
    return this.#clock.nowMs();
  }
  wallMs(): number {
    return this.#clock.wallMs();
  }
  timer(delayMs: number, run: () => void): Timer {
    let cancelled = false;
    const fire = () => {
      if (!cancelled) run();
    };
    const timer = this.#clock.timer(delayMs, () => (this.#stalled ? this.#late.push(fire) : fire()));
    return {
      cancel: () => {
        cancelled = true;
        timer.cancel();
      },
    };
  }
  soon(run: () => void): void {
    this.timer(0, run);
  }
  stall(): void {
    this.#stalled = true;
  }
  resume(): void {
    this.#stalled = false;
    const late = this.#late;
    this.#late = [];
    for (const run of late) run();
  }
}

/** Everything that a promise has waiting runs before a macrotask does. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export class FakeLog implements Log {
  readonly lines: string[] = [];
  debug(message: string): void {
    this.lines.push(message);
  }
  info(message: string): void {
    this.lines.push(message);
  }
  warn(message: string): void {
    this.lines.push(message);
  }
  error(message: string): void {
    this.lines.push(message);
  }
  child(): Log {
    return this;
  }
}

/** Deterministic numbers in [0, 1) (a 32-bit linear congruence, upper bits). */
export function seeded(seed: number): () => number {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) / 2 ** 24;
  };
}

/** What a monitor needs of a platform; it has no business with the rest. */
export function fakePlatform(clock: Clock, log: Log, seed = 1): Platform {
  const float = seeded(seed);
  const none = (name: string) => new Proxy({}, { get: () => { throw new Error(`a monitor does not use ${name}`); } });
  return {
    clock,
    log,
    random: {
      float,
      bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(float() * 256)),
      id: () => 1 + Math.floor(float() * (2 ** 48 - 1)),
    },
    network: none("network") as Platform["network"],
    files: none("files") as Platform["files"],
    crypto: none("crypto") as Platform["crypto"],
    fatal: (reason, detail) => {
      throw new Error(`fatal: ${reason}: ${detail}`);
    },
  };
}
