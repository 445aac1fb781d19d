import { assert } from "../../base/assert.ts";
import { overlaps, type BlockRange, type ExtentKey } from "../../wire/entry.ts";

/**
 * Who may touch which blocks of a group, at its primary. Writes in flight do not exclude each other (the log orders them);
 * an exclusive lock (a merge of part of a block, a copy to a learner) waits for the overlapping writes in flight and keeps
 * new ones out; a reader may wait until no overlapping write is in flight (R2a). First come, first served on each extent.
 */
export class RangeTable {
  readonly #extents = new Map<string, ExtentRanges>();
  #gate: (() => void)[] | null = null;
  #idle: (() => void) | null = null;
  readonly #gatesWaiting: (() => void)[] = [];
  #busy = 0;

  /** Runs `admit` once the write may be assigned: no overlapping lock is held or waits before it. */
  admitWrite(range: BlockRange, admit: () => void): void {
    if (this.#gate) return void this.#gate.push(() => this.admitWrite(range, admit));
    const extent = this.#extent(range);
    if (extent.locks.some((held) => overlaps(held, range)) || extent.waiting.some((waiter) => waiter.kind !== "write" && overlaps(waiter.range, range)))
      return void extent.waiting.push({ kind: "write", range, run: admit });
    this.#drop(range, extent);
    admit();
  }

  /** The write is in flight until `endWrite` of the same object. Marks overlapping readers as overtaken (R2c). */
  startWrite(range: BlockRange): void {
    const extent = this.#extent(range);
    extent.writes.push(range);
    this.#busy += 1;
    for (const reader of extent.readers) if (overlaps(reader.range, range)) reader.overtaken = true;
  }

  endWrite(range: BlockRange): void {
    const extent = this.#extent(range);
    const at = extent.writes.indexOf(range);
    assert(at >= 0, "a write that ends has begun");
    extent.writes.splice(at, 1);
    this.#ended(range, extent);
  }

  /** Runs `run` when the range is this caller's alone; it must call `release` exactly once. */
  lock(range: BlockRange, run: (release: () => void) => void): void {
    if (this.#gate) return void this.#gate.push(() => this.lock(range, run));
    const extent = this.#extent(range);
    extent.waiting.push({ kind: "lock", range, run: () => this.#grant(range, extent, run) });
    this.#wake(range, extent);
  }

  /** R2: runs `run` when no overlapping write is in flight, with a reader that later tells whether one has begun since. */
  read(range: BlockRange, run: (reader: Reader) => void): void {
    const extent = this.#extent(range);
    const start = (): void => {
      const reader: Reader = { range, overtaken: false };
      extent.readers.add(reader);
      run(reader);
    };
    if (extent.writes.some((write) => overlaps(write, range))) extent.waiting.push({ kind: "read", range, run: start });
    else start();
  }

  endRead(reader: Reader): void {
    const extent = this.#extent(reader.range);
    extent.readers.delete(reader);
    this.#drop(reader.range, extent);
  }

  /**
   * Lets nothing new in; `run` is called when all writes in flight and locks have ended. `openGate` lets everything in again.
   * One manifest at a time: that of another learner waits until the gate was open.
   */
  closeGate(run: () => void): void {
    if (this.#gate) return void this.#gatesWaiting.push(() => this.closeGate(run));
    this.#gate = [];
    this.#idle = run;
    this.#checkIdle();
  }
  openGate(): void {
    const held = this.#gate ?? [];
    this.#gate = null;
    this.#idle = null;
    for (const run of held) run();
    this.#gatesWaiting.shift()?.();
  }

  #grant(range: BlockRange, extent: ExtentRanges, run: (release: () => void) => void): void {
    extent.locks.push(range);
    this.#busy += 1;
    let released = false;
    run(() => {
      assert(!released, "a range lock is released once");
      released = true;
      extent.locks.splice(extent.locks.indexOf(range), 1);
      this.#ended(range, extent);
    });
  }

  #ended(key: ExtentKey, extent: ExtentRanges): void {
    this.#busy -= 1;
    this.#wake(key, extent);
    this.#drop(key, extent);
    this.#checkIdle();
  }

  #wake(_key: ExtentKey, extent: ExtentRanges): void {
    if (extent.waking) return;
    extent.waking = true;
    for (let i = 0; i < extent.waiting.length; ) {
      const waiter = extent.waiting[i] as Waiter;
      if (this.#blocked(waiter, extent, i)) i += 1;
      else {
        extent.waiting.splice(i, 1);
        waiter.run();
        i = 0;
      }
    }
    extent.waking = false;
  }

  #blocked({ kind, range }: Waiter, extent: ExtentRanges, position: number): boolean {
    const written = kind !== "write" && extent.writes.some((write) => overlaps(write, range));
    if (kind === "read") return written;
    if (written || extent.locks.some((held) => overlaps(held, range))) return true;
    return extent.waiting.slice(0, position).some((before) => (kind === "lock" || before.kind !== "write") && overlaps(before.range, range));
  }

  #checkIdle(): void {
    if (this.#idle && this.#busy === 0) {
      const run = this.#idle;
      this.#idle = null;
      run();
    }
  }

  #extent(key: ExtentKey): ExtentRanges {
    const name = `${key.volume}.${key.extent}.${key.layer}`;
    let extent = this.#extents.get(name);
    if (!extent) this.#extents.set(name, (extent = { writes: [], locks: [], waiting: [], readers: new Set(), waking: false }));
    return extent;
  }
  #drop(key: ExtentKey, extent: ExtentRanges): void {
    if (extent.writes.length + extent.locks.length + extent.waiting.length + extent.readers.size > 0) return;
    const name = `${key.volume}.${key.extent}.${key.layer}`;
    // Whoever was woken may have ended, and others begun, meanwhile: those have a new one.
    if (this.#extents.get(name) === extent) this.#extents.delete(name);
  }
}

export interface Reader {
  readonly range: BlockRange;
  overtaken: boolean;
}
interface Waiter {
  readonly kind: "write" | "lock" | "read";
  readonly range: BlockRange;
  readonly run: () => void;
}
interface ExtentRanges {
  readonly writes: BlockRange[];
  readonly locks: BlockRange[];
  readonly waiting: Waiter[];
  readonly readers: Set<Reader>;
  waking: boolean;
}
