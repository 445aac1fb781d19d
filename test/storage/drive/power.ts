import type { Clock } from "../../../src/platform/platform.ts";
import { Disk, type Dice, type InFlight } from "../../simulator/disk.ts";
import { DiskFiles, type Operation } from "../../simulator/files.ts";

/** Files in memory whose process is killed, or whose power fails, after a number of operations; each takes a random number of turns. */
export class PowerFiles {
  readonly files: DiskFiles;
  readonly disk: Disk;
  readonly #random: Dice;
  readonly #turnsMax: number;
  readonly #inFlight = new Set<InFlight>();
  /** Hears of each operation before it takes effect. */
  begun: (operation: Operation<unknown>) => void = () => undefined;
  /** Counts down with each operation; at 0 all ends. */
  #operationsLeft = Number.POSITIVE_INFINITY;
  #life = 0;
  #end: "kill" | "power" = "power";
  #lost: (() => void) | null = null;

  constructor(random: Dice, turnsMax = 3, disk = new Disk()) {
    this.disk = disk;
    this.#random = random;
    this.#turnsMax = turnsMax;
    this.files = new DiskFiles(this.disk, { perform: (operation) => this.#perform(operation) });
  }

  /** Runs `work` until it ends, or its process or the power after `operations` of it. True when it ended. */
  async run(operations: number, work: () => Promise<void>, end: "kill" | "power" = "power"): Promise<boolean> {
    this.#end = end;
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
    if (this.#end === "power") this.disk.losePower(this.#random, this.#inFlight);
    else this.disk.kill(this.#random, this.#inFlight);
    this.#inFlight.clear();
    for (const inode of this.disk.inodes()) inode.lockedBy = null;
    this.#lost?.();
  }

  /** Never comes back when its process ends meanwhile. */
  async #perform<T>(operation: Operation<T>): Promise<T> {
    const life = this.#life;
    this.begun(operation);
    this.#inFlight.add(operation);
    this.#operationsLeft -= 1;
    if (this.#operationsLeft <= 0) {
      this.#operationsLeft = Number.POSITIVE_INFINITY;
      this.#fail();
    }
    for (let turns = this.#turnsMax === 0 ? -1 : this.#random.below(this.#turnsMax); turns >= 0; turns -= 1) await new Promise<void>((resolve) => setImmediate(resolve));
    if (life !== this.#life) await new Promise<never>(() => undefined);
    this.#inFlight.delete(operation);
    return operation.apply();
  }
}
