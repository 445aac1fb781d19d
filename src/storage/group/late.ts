import type { Modifying } from "../../wire/messages.ts";
import { overlaps, type BlockRange } from "../../wire/entry.ts";
import type { Instance } from "../../base/ids.ts";
import type { EntryLog } from "../drive/log.ts";

/** R15 i: no write is taken that is older; by then a host has given up on its path and may have gone on elsewhere. */
export const LATE_MS = 4000;
/** R15 ii, A3: what is younger is ordinary concurrency. */
export const CONCURRENT_MS = 250;
/** A power of two. 3 MiB for each process, and about 5 s of 30,000 IOPS before blocks begin to share slots. */
const SLOTS = 1 << 18;
/** In the place of a block's mark: several blocks have shared the slot within LATE_MS. */
const SEVERAL = 0;
/** The first moment of a clock, told from never. */
const FIRST_MS = Number.MIN_VALUE;
/** A log this long may have let go of entries that are younger than LATE_MS, since its length is bounded too. */
const TRUSTED_ENTRIES_MAX = 32_000;

/**
 * R15: when blocks were last acknowledged, for LATE_MS; one for all groups of a process. A fixed table: what shares a slot shares
 * the newest time, so it may call a write late that is not (its host sends it again), never the other way.
 */
export class Acknowledgements {
  /** 0: never. Zeros take no memory before they are written to. */
  readonly #atMs = new Float64Array(SLOTS);
  readonly #marks = new Uint32Array(SLOTS);

  note(range: BlockRange, nowMs: number): void {
    for (let block = range.first; block < range.first + range.count; block += 1) {
      const hash = hashOf(range, block);
      const slot = hash & (SLOTS - 1);
      const mark = markOf(hash, block);
      const known = this.#marks[slot] as number;
      const atMs = this.#atMs[slot] as number;
      this.#marks[slot] = known === mark || atMs === 0 || nowMs - atMs > LATE_MS ? mark : SEVERAL;
      this.#atMs[slot] = Math.max(nowMs, FIRST_MS);
    }
  }

  /** Some block of the range was acknowledged after `stampMs`. */
  after(range: BlockRange, stampMs: number): boolean {
    for (let block = range.first; block < range.first + range.count; block += 1) {
      const hash = hashOf(range, block);
      const slot = hash & (SLOTS - 1);
      const known = this.#marks[slot] as number;
      const atMs = this.#atMs[slot] as number;
      if (atMs !== 0 && atMs >= stampMs && (known === SEVERAL || known === markOf(hash, block))) return true;
    }
    return false;
  }
}

function hashOf({ volume, extent, layer }: BlockRange, block: number): number {
  let hash = Math.imul(extent * 1024 + block + 1, 0x9e3779b1) ^ Math.imul((volume % 0x1_0000_0000) + layer * 7, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39);
  return (hash ^ (hash >>> 15)) >>> 0;
}
/** Tells most blocks that share a slot apart; never SEVERAL. */
function markOf(hash: number, block: number): number {
  return ((hash >>> 4) ^ Math.imul(block + 1, 0xc2b2ae3d)) >>> 0 || 1;
}

/** R15 at one primary, for one term. */
export class LateWrites {
  readonly #instance: Instance;
  readonly #acknowledged: Acknowledgements;
  /** When Serving began: all that the log held then counts as acknowledged at that moment (X37). */
  #beganMs = -Infinity;
  #tail: Map<string, BlockRange[]> | "all" | null = null;

  constructor(instance: Instance, acknowledged: Acknowledgements) {
    this.#instance = instance;
    this.#acknowledged = acknowledged;
  }

  /** Serving begins, and nothing has been assigned since. */
  began(log: EntryLog, nowMs: number): void {
    this.#beganMs = nowMs;
    this.#tail = tailOf(log);
  }

  acknowledged(range: BlockRange, nowMs: number): void {
    this.#acknowledged.note(range, nowMs);
  }

  /** Whether a write is too old to be assigned now. NaN counts as old, and so does a bound that is above the clock itself. */
  isLate(range: BlockRange, { stampInstance, stampMs }: Modifying, nowMs: number): boolean {
    const ageMs = nowMs - stampMs;
    if (stampInstance !== this.#instance || !(ageMs >= 0 && ageMs <= LATE_MS)) return true;
    if (ageMs <= CONCURRENT_MS) return false;
    return this.#acknowledged.after(range, stampMs) || this.#inTail(range, stampMs, nowMs);
  }

  #inTail(range: BlockRange, stampMs: number, nowMs: number): boolean {
    // Whatever is stamped before that is over LATE_MS old by now.
    if (nowMs - this.#beganMs > LATE_MS) this.#tail = null;
    if (!this.#tail || stampMs > this.#beganMs) return false;
    if (this.#tail === "all") return true;
    return this.#tail.get(nameOf(range))?.some((entry) => overlaps(entry, range)) ?? false;
  }
}

function tailOf(log: EntryLog): Map<string, BlockRange[]> | "all" {
  if (log.length >= TRUSTED_ENTRIES_MAX) return "all";
  const tail = new Map<string, BlockRange[]>();
  for (const entry of log.entries) {
    // What no gateway wrote only restores what was there (R25).
    if (entry.count === 0 || entry.gateway === 0) continue;
    const name = nameOf(entry);
    const ranges = tail.get(name);
    if (ranges) ranges.push(entry);
    else tail.set(name, [entry]);
  }
  return tail;
}
function nameOf({ volume, extent, layer }: BlockRange): string {
  return `${volume}.${extent}.${layer}`;
}
