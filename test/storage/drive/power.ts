import type { Clock } from "../../../src/platform/platform.ts";
import { Disk } from "../../simulator/disk.ts";
import { DiskFiles, type Operation } from "../../simulator/files.ts";
import { Random } from "./random.ts";

/** Files in memory that lose power after a number of operations; each operation takes a random number of turns. */
export class PowerFiles {
  readonly files: DiskFiles;
  readonly #disk = new Disk();
  readonly #random: Random;
  /** Counts down with each operation; at 0 the power fails. */
  #operationsLeft = Number.POSITIVE_INFINITY;
  #life = 0;
  #lost: (() => void) | null = null;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.files = new DiskFiles(this.#disk, { perform: (operation) => this.#perform(operation) });
  }

  /** Runs `work` until it ends or the power fails after `operations` of it. True when it ended. */
  async run(operations: number, work: () => Promise<void>): Promise<boolean> {
    this.#operationsLeft = operations;
    const lost = new Promise<false>((resolve) => (this.#lost = () => resolve(false)));
    const result = await Promise.race([work().then(() => true as const), lost]);
    this.#operationsLeft = Number.POSITIVE_INFINITY;
    return result;
  }

  /** Of a process that ends with the power: nothing runs afterwards, and no timer ever does. */
  clock(): Clock {
    const life = this.#life;
    return {
      nowMs: () => performance.now(),
      wallMs: () => 0,
      timer: () => ({ cancel() {} }),
      soon: (run) => void setImmediate(() => life === this.#life && run()),
    };
  }

  #fail(): void {
    this.#life += 1;
    this.#disk.losePower(this.#random);
    this.#lost?.();
  }

  /** Never comes back when the power fails meanwhile. */
  async #perform<T>({ write, apply }: Operation<T>): Promise<T> {
    const life = this.#life;
    if (write) this.#disk.inFlight.add(write);
    this.#operationsLeft -= 1;
    if (this.#operationsLeft <= 0) {
      this.#operationsLeft = Number.POSITIVE_INFINITY;
      this.#fail();
    }
    for (let turns = this.#random.below(3); turns >= 0; turns -= 1) await new Promise<void>((resolve) => setImmediate(resolve));
    if (life !== this.#life) await new Promise<never>(() => undefined);
    if (write) this.#disk.inFlight.delete(write);
    return apply();
  }
}
