import { drainMicrotasks } from "bun:jsc";
import type { DriveId, GroupId } from "../../src/base/ids.ts";
import type { FileError, Platform } from "../../src/platform/platform.ts";
import { formatDrive } from "../../src/storage/drive/format.ts";
import { KEEPING, type ReplicaImage } from "../../src/storage/drive/image.ts";
import { extentName } from "../../src/storage/drive/layout.ts";
import type { DriveTuning } from "../../src/storage/drive/local-drive.ts";
import type { ExtentKey } from "../../src/wire/entry.ts";
import type { Copy } from "../../src/wire/messages.ts";
import type { Chance } from "./chance.ts";
import { Disk } from "./disk.ts";
import { DiskFiles, type Kernel, type Operation, type OperationKind } from "./files.ts";
import type { SimulatedProcess } from "./process.ts";
import type { Harm } from "./rot.ts";
import type { SimulatedTime } from "./time.ts";

/** Where each simulated drive lies on its own disk. */
export const DIRECTORY = "/drive";
export const CLUSTER_ID = "0".repeat(32);
const CAPACITY_BYTES = 2 ** 40;
/** Small, so that the ring wraps and fills within a story; the largest record, a copy of 1 MiB, must fit in. */
const JOURNAL = { journalSegments: 3, journalSegmentBytes: 640 * 1024 };

/** A process whose disk has failed ends within this of its own time. */
const END_MS = 1000;

interface Begun {
  readonly owner: SimulatedProcess;
  readonly operation: Operation<unknown>;
  end(): void;
}

/** A drive's disk: what outlives its processes, with what makes its operations slow, hang or fail. */
export class DriveMedium {
  readonly disk = new Disk();
  /** Set while a story goes, it holds from then on. */
  readonly tuning: { -readonly [K in keyof DriveTuning]: DriveTuning[K] } = { checkpointIntervalMs: 30_000, keeping: KEEPING };
  /** "syncs": what waits for the medium; the page cache still answers. */
  #hung: "no" | "syncs" | "all" = "no";
  /** Asked at an operation's end: an error, and it fails with that. */
  fault: (operation: Operation<unknown>) => FileError | null = () => null;
  /** True once something was done to it that may end its process with drive-failed. */
  hurt = false;
  /** Pages that rot, until something is written there. */
  readonly harms = new Set<Harm>();
  /** Files of extents whose checksums were ever hurt: with both slots gone the drive says that it does not know their content. */
  readonly rottenTrailers = new Set<string>();
  /** Blocks that came to this drive as lost (R25): what lies there need not match its checksum. */
  readonly #lost = new Set<string>();
  noteLost({ lost, range }: Copy): void {
    if (lost) for (let block = range.first; block < range.first + range.count; block += 1) this.#lost.add(`${extentName(range)} ${block}`);
  }
  isLost(key: ExtentKey, block: number): boolean {
    return this.#lost.has(`${extentName(key)} ${block}`);
  }
  /** Operations take this many times as long. */
  slowness = 1;
  readonly begun = new Set<Begun>();
  #held: Begun[] = [];

  hang(what: "syncs" | "all" = "syncs"): void {
    this.#hung = what;
  }
  unhang(): void {
    this.#hung = "no";
    for (const begun of this.#held.splice(0)) begun.end();
  }
  /** True when the operation has to wait for the end of a hang. */
  holds(begun: Begun): boolean {
    const { kind } = begun.operation;
    if (this.#hung === "no" || (this.#hung === "syncs" && kind !== "sync" && kind !== "durable write")) return false;
    this.#held.push(begun);
    return true;
  }

  /** SIGKILL: what was begun happened, or in part, or not at all. The page cache is the kernel's and stays. */
  processEnded(owner: SimulatedProcess, files: object, chance: Chance): void {
    const ended = [...this.begun].filter((begun) => begun.owner === owner);
    for (const begun of ended) this.begun.delete(begun);
    this.disk.kill(chance, ended.map(({ operation }) => operation));
    this.disk.unlock(files);
  }
  losePower(chance: Chance): void {
    const ended = [...this.begun].map(({ operation }) => operation);
    this.begun.clear();
    this.#held = [];
    this.disk.losePower(chance, ended);
  }

  /** Costs no time. */
  format(driveId: DriveId, random: Chance, capacityBytes = CAPACITY_BYTES): void {
    const files = new DiskFiles(this.disk, { perform: async ({ apply }) => apply() });
    let done = false;
    formatDrive({ files, random } as unknown as Platform, { directory: DIRECTORY, driveId, clusterId: CLUSTER_ID, incarnation: 1, capacityBytes, ...JOURNAL }).then(
      () => (done = true),
      (error: Error) => console.error(error),
    );
    drainMicrotasks();
    if (!done) throw new Error("a drive is formatted at once");
  }
}

/** One process's way to its disk: operations take effect at their own time and are told when the process takes it in. */
export class SimulatedKernel implements Kernel {
  readonly files: DiskFiles;
  readonly #medium: DriveMedium;
  readonly #time: SimulatedTime;
  readonly #process: SimulatedProcess;
  readonly #chance: Chance;

  constructor(medium: DriveMedium, time: SimulatedTime, process: SimulatedProcess, chance: Chance) {
    this.#medium = medium;
    this.#time = time;
    this.#process = process;
    this.#chance = chance;
    this.files = new DiskFiles(medium.disk, this);
    process.onDeath.push(() => medium.processEnded(process, this.files, chance));
  }

  perform<T>(operation: Operation<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const medium = this.#medium;
      if (!this.#process.alive) return;
      const begun: Begun = {
        owner: this.#process,
        operation,
        end: () => {
          if (!medium.begun.has(begun) || medium.holds(begun)) return;
          medium.begun.delete(begun);
          const error = medium.fault(operation);
          try {
            if (error) {
              if (operation.kind !== "read") this.#mustEnd(operation);
              throw error;
            }
            const result = operation.apply();
            this.#process.happen(() => resolve(result));
          } catch (failure) {
            this.#process.happen(() => reject(failure as Error));
          }
        },
      };
      medium.begun.add(begun);
      this.#time.timer(this.#delayMs(operation.kind) * medium.slowness, begun.end);
    });
  }
  /** What was to be written is gone, and the kernel says so once: a process that goes on acknowledges what it does not have. */
  #mustEnd({ kind, path }: Operation<unknown>): void {
    this.#medium.hurt = true;
    this.#process.timer(END_MS, () => {
      throw new Error(`fail-stop: a process goes on after ${kind} of ${path} has failed`);
    });
  }
  #delayMs(kind: OperationKind): number {
    const chance = this.#chance;
    switch (kind) {
      case "names":
        return 0.01;
      case "read":
        return chance.between(0.02, 0.5);
      case "write":
        return chance.between(0.01, 0.1);
      case "durable write":
      case "sync":
        return chance.between(0.1, 2) + (chance.happens(0.01) ? chance.between(10, 100) : 0);
    }
  }
}

/** What a drive remembers, as its last process knew it to be durable. */
export type DurableImages = ReadonlyMap<GroupId, ReplicaImage>;
