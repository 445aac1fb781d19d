import type { Chance } from "./chance.ts";
import type { SimulatedTime } from "./time.ts";

/** Commands that all hosts together ask in a second of a story, on average: what meets a fault counts, not how much there is without one. */
const COMMANDS_PER_SECOND = 60;
/** What is not asked in quiet times is saved up to this. */
const CREDIT_MAX = 300;
/** Less than this is not worth a burst. */
const CREDIT_MIN = 8;
/** A burst without a fault comes after this at the latest. */
const QUIET_MS_MAX = 6000;
/** All who waited for a burst begin within this. */
const SCATTER_MS = 20;

/** When hosts ask: in bursts, as fast as they are answered and all at once on the same few blocks, most of them around a fault. */
export class Pace {
  readonly #time: SimulatedTime;
  readonly #chance: Chance;
  #waiting: (() => void)[] = [];
  /** Commands left in the burst that is going on; 0 between bursts. */
  #left = 0;
  #credit = CREDIT_MAX;
  #countedMs = 0;
  #burst = 0;
  #over = false;

  constructor(time: SimulatedTime, chance: Chance) {
    this.#time = time;
    this.#chance = chance;
    this.#begin();
  }

  /** Runs it now, or when the next burst begins. */
  turn(run: () => void): void {
    if (this.#over) return run();
    if (this.#left === 0) return void this.#waiting.push(run);
    this.#left -= 1;
    if (this.#left === 0) this.#rest();
    run();
  }
  /** Something is about to happen that commands should meet. */
  hurry(): void {
    if (this.#left === 0) this.#begin();
  }
  /** Everybody goes on at once, and nobody waits from now on. */
  end(): void {
    this.#over = true;
    for (const run of this.#waiting.splice(0)) run();
  }

  #begin(): void {
    const nowMs = this.#time.nowMs();
    this.#credit = Math.min(CREDIT_MAX, this.#credit + ((nowMs - this.#countedMs) / 1000) * COMMANDS_PER_SECOND);
    this.#countedMs = nowMs;
    if (this.#credit < CREDIT_MIN) return;
    this.#left = Math.ceil(this.#credit * this.#chance.between(0.2, 1));
    this.#credit -= this.#left;
    this.#burst += 1;
    for (const run of this.#waiting.splice(0)) this.#time.timer(this.#chance.happens(0.3) ? 0 : this.#chance.between(0, SCATTER_MS), () => this.turn(run));
  }
  #rest(): void {
    const burst = this.#burst;
    this.#time.timer(this.#chance.between(0, QUIET_MS_MAX), () => {
      if (this.#burst !== burst) return;
      this.#begin();
      if (this.#left === 0) this.#rest();
    });
  }
}
