import type { Clock, Log, Platform, Timer } from "../../src/platform/platform.ts";
import { realCrypto } from "../../src/platform/crypto.ts";

/** A clock that only a test moves. */
export class FakeClock implements Clock {
  #nowMs = 1_000_000;
  #count = 0;
  #timers: { readonly atMs: number; readonly order: number; readonly run: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }
  wallMs(): number {
    return this.#nowMs;
  }
  timer(delayMs: number, run: () => void): Timer {
    const timer = { atMs: this.#nowMs + Math.max(delayMs, 0), order: (this.#count += 1), run };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }
  soon(run: () => void): void {
    this.timer(0, run);
  }

  /** Lets `ms` pass: every timer due runs in its order, and what promises do meanwhile is done. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settle();
    for (;;) {
      const due = this.#timers.filter((timer) => timer.atMs <= endMs).sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
      if (!due) break;
      this.#timers = this.#timers.filter((timer) => timer !== due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.run();
      await settle();
    }
    this.#nowMs = endMs;
  }

  /** Time passes while nothing runs: a stalled event loop. */
  stall(ms: number): void {
    this.#nowMs += ms;
  }

  /** Passes time until `promise` settles. Fails after `maxMs`. */
  async until<T>(promise: Promise<T>, maxMs = 60_000): Promise<T> {
    let settled = false;
    const done = (): void => void (settled = true);
    promise.then(done, done);
    await settle();
    for (let passed = 0; !settled; passed += 5) {
      if (passed > maxMs) throw new Error(`nothing came of it in ${maxMs} ms`);
      await this.pass(5);
    }
    return promise;
  }
}

/** Whatever is ready in this turn of the loop is done. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
}

/** Numbers from a seed: the same ones each time. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return ((z ^ (z >>> 16)) >>> 0) / 2 ** 32;
  };
}

const refuse = (): never => {
  throw new Error("not in this test");
};

/** A platform with a clock, random numbers from a seed and real arithmetic; the rest must be given. */
export function fakePlatform(clock: Clock, parts: Partial<Platform> = {}): Platform & { readonly lines: string[] } {
  const lines: string[] = [];
  const line = (text: string): void => void lines.push(text);
  const log: Log = { debug: line, info: line, warn: line, error: line, child: () => log };
  const float = seeded(7);
  return {
    clock,
    random: { float, bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(float() * 256)), id: () => 1 + Math.floor(float() * 2 ** 40) },
    network: { listen: refuse, connect: refuse },
    files: { open: refuse, makeDirectory: refuse, list: refuse, rename: refuse, remove: refuse, syncDirectory: refuse, stat: refuse, space: refuse, alignedBuffer: refuse },
    crypto: realCrypto(),
    log,
    fatal: (reason, detail) => {
      throw new Error(`${reason}: ${detail}`);
    },
    ...parts,
    lines,
  };
}
