import type { Clock, Timer } from "../../src/platform/platform.ts";
import type { SimulatedTime } from "./time.ts";

/**
 * One simulated process: its clock (since the server's boot, at a rate of its own) and the queue of everything that happens to
 * it. Stalled, what happens piles up and follows when it goes on; dead, nothing reaches it any more.
 */
export class SimulatedProcess implements Clock {
  readonly name: string;
  readonly #time: SimulatedTime;
  #bootMs: number;
  readonly #rate: number;
  #late: (() => void)[] = [];
  #stalled = false;
  #draining = false;
  #alive = true;
  #pausedMs: number | null = null;
  readonly onDeath: (() => void)[] = [];

  constructor(name: string, time: SimulatedTime, bootMs: number, rate: number) {
    this.name = name;
    this.#time = time;
    this.#bootMs = bootMs;
    this.#rate = rate;
  }

  get alive(): boolean {
    return this.#alive;
  }
  get stalled(): boolean {
    return this.#stalled;
  }
  nowMs(): number {
    return ((this.#pausedMs ?? this.#time.nowMs()) - this.#bootMs) * this.#rate;
  }
  wallMs(): number {
    return this.#time.nowMs();
  }
  timer(delayMs: number, run: () => void): Timer {
    let cancelled = false;
    const timer = this.#time.timer(Math.max(0, delayMs) / this.#rate, () => this.happen(() => cancelled || run()));
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

  /** Something reaches the process: at once, later, or never. The order is kept. */
  happen(run: () => void): void {
    if (!this.#alive) return;
    if (this.#stalled || this.#draining) this.#late.push(run);
    else this.#run(run);
  }
  #run(run: () => void): void {
    this.#time.touched.add(this.name);
    run();
  }

  stall(): void {
    this.#stalled = true;
  }
  resume(): void {
    if (!this.#stalled) return;
    this.#stalled = false;
    this.#drain();
  }
  /** As if its virtual machine were: it stands still, and so does its clock (against A1). */
  pause(): void {
    this.#pausedMs ??= this.#time.nowMs();
    this.stall();
  }
  unpause(): void {
    if (this.#pausedMs !== null) this.#bootMs += this.#time.nowMs() - this.#pausedMs;
    this.#pausedMs = null;
    this.resume();
  }
  #drain(): void {
    this.#draining = true;
    this.#time.soon(() => {
      if (this.#stalled || !this.#alive) return;
      const next = this.#late.shift();
      if (next) this.#run(next);
      if (this.#late.length > 0) this.#drain();
      else this.#draining = false;
    });
  }

  kill(): void {
    this.#alive = false;
    this.#time.touched.add(this.name);
    this.#late = [];
    for (const run of this.onDeath.splice(0)) run();
  }
}
