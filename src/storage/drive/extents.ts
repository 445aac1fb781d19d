import { assert } from "../../base/assert.ts";
import { BLOCK_BYTES, BLOCKS_PER_CHUNK, BLOCKS_PER_EXTENT } from "../../base/geometry.ts";
import type { GroupId } from "../../base/ids.ts";
import type { BlockRange, EntryId, ExtentKey } from "../../wire/entry.ts";
import type { BlockRead, ExtentSummary } from "./drive.ts";
import type { Extent, ExtentCache, Operation } from "./extent-cache.ts";
import { UNKNOWN } from "./extent-index.ts";
import { readBlocks, readRaw } from "./extent-read.ts";
import { idOf } from "./log.ts";
import type { CopyRecord, EntryRecord, JournalRecord } from "./records.ts";
import { Trailer } from "./trailer.ts";

/** Extents worked on at once: more would only fill the thread pool that the journal needs too. */
const RUNNING_MAX = 64;
/** Content that is journalled and not applied yet: over it the journal waits, so that memory and recovery time stay bounded. */
const BACKLOG_BYTES_MAX = 32 * 1024 * 1024;
/** Changed trailers in memory (4.5 KiB each: 72 MiB): over it the journal waits for a checkpoint. */
export const DIRTY_EXTENTS_MAX = 16384;

export interface ExtentEvents {
  /** `isBehind` may have become false. */
  progress(): void;
  failed(error: unknown): void;
}

/** What was queued between two checkpoints' barriers. */
interface Wave {
  outstanding: number;
  ended: (() => void) | null;
}

/** The content of a drive: applies journalled records to the extents' files, per extent in the order of the calls, and reads. */
export class Extents {
  readonly cache: ExtentCache;
  readonly #group: (key: ExtentKey) => GroupId;
  readonly #events: ExtentEvents;
  readonly #waiting: Extent[] = [];
  #running = 0;
  #backlogBytes = 0;
  #wave: Wave = { outstanding: 0, ended: null };
  usedBlocks = 0;

  constructor(cache: ExtentCache, group: (key: ExtentKey) => GroupId, events: ExtentEvents) {
    this.cache = cache;
    this.#group = group;
    this.#events = events;
  }

  get isBehind(): boolean {
    return this.#backlogBytes > BACKLOG_BYTES_MAX || this.cache.dirty.size >= DIRTY_EXTENTS_MAX;
  }

  /** Queues the record's content; `done` follows in a later turn. False, and never `done`, when there is nothing to do. */
  apply(record: JournalRecord, done: () => void): boolean {
    if (record.type === "copy") {
      this.#queueData(record.range, record.data.length, (extent) => this.#copy(extent, record), done);
      return true;
    }
    if (record.type === "forget") return this.#dropAll(this.#matching(record.group, null), done);
    if (record.type !== "entry") return false;
    const { entry } = record;
    if (entry.kind === "purge") return this.#dropAll(this.#matching(record.group, entry), done);
    if (entry.kind === "write") this.#queueData(entry, record.data?.length ?? 0, (extent) => this.#write(extent, record), done);
    else if (entry.kind === "unmap") this.#queueData(entry, 0, (extent) => this.#unmap(extent, record), done);
    return entry.kind === "write" || entry.kind === "unmap";
  }

  /** Resolves when everything queued before is applied. One at a time. */
  async barrier(): Promise<void> {
    const wave = this.#wave;
    assert(wave.ended === null, "one barrier at a time");
    this.#wave = { outstanding: 0, ended: null };
    if (wave.outstanding > 0) await new Promise<void>((resolve) => (wave.ended = resolve));
  }

  async read(range: BlockRange): Promise<BlockRead> {
    const extent = this.cache.pin(range);
    try {
      if (extent.loaded && !isBusy(extent)) {
        const { changes } = extent;
        const result = await readBlocks(this.cache, extent, range).catch((error: unknown) => {
          // Its file may have been dropped meanwhile.
          if (extent.changes === changes && !isBusy(extent)) throw error;
          return null;
        });
        // A write that came meanwhile may have mixed old and new bytes: then it is read again, in line with the writes.
        if (result && extent.changes === changes && (result.ok || !isBusy(extent))) return result;
      }
      return await this.inLine(extent, () => readBlocks(this.cache, extent, range));
    } finally {
      this.cache.unpin(extent);
    }
  }

  /** The bytes as they are, unverified. */
  async readUnverified(range: BlockRange): Promise<{ data: Buffer; checksums: Uint32Array }> {
    const extent = this.cache.pin(range);
    try {
      return await this.inLine(extent, () => readRaw(this.cache, extent, range));
    } finally {
      this.cache.unpin(extent);
    }
  }

  async describe(key: ExtentKey): Promise<ExtentSummary | null> {
    const extent = this.cache.pin(key);
    try {
      if (!extent.loaded || isBusy(extent)) return await this.inLine(extent, () => Promise.resolve(extent.trailer?.summary() ?? null));
      return extent.trailer?.summary() ?? null;
    } finally {
      this.cache.unpin(extent);
    }
  }

  /** Counts the allocated blocks of extents whose number is not known; stops when `stopped` says so. */
  async recount(stopped: () => boolean): Promise<void> {
    for (const key of this.cache.index.keys()) {
      if (stopped()) return;
      if (this.cache.index.count(key) === UNKNOWN) await this.describe(key);
    }
    this.usedBlocks = this.cache.index.total() ?? this.usedBlocks;
  }

  /** Runs `work` after everything queued on the extent, with its trailer loaded. */
  inLine<T>(extent: Extent, work: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let result: T;
      this.#queue(extent, {
        run: async () => {
          try {
            result = await work();
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)));
            throw error;
          }
        },
        done: () => resolve(result),
      });
    });
  }

  /** Extents that exist, and those that something queued may still make. */
  keys(): ExtentKey[] {
    return [...this.cache.index.keys(), ...this.cache.busy().flatMap(({ key }) => (this.cache.index.has(key) ? [] : [key]))];
  }

  #matching(group: GroupId, volume: ExtentKey | null): ExtentKey[] {
    const existing = this.cache.index.keys(volume?.volume ?? null);
    const coming = this.cache.busy().flatMap(({ key }) => (this.cache.index.has(key) ? [] : [key]));
    return [...existing, ...coming].filter((key) => (volume === null || key.volume === volume.volume) && this.#group(key) === group);
  }

  #dropAll(keys: readonly ExtentKey[], done: () => void): boolean {
    let left = keys.length;
    const oneDone = (): void => {
      left -= 1;
      if (left === 0) done();
    };
    for (const key of keys) this.#queueData(key, 0, (extent) => this.#drop(extent), oneDone);
    return keys.length > 0;
  }

  #queueData(key: ExtentKey, bytes: number, run: (extent: Extent) => Promise<void>, done: () => void): void {
    const wave = this.#wave;
    wave.outstanding += 1;
    // Each record counts as a block at least: a flood of unmaps is a backlog too.
    const cost = Math.max(bytes, BLOCK_BYTES);
    this.#backlogBytes += cost;
    const extent = this.cache.pin(key);
    this.#queue(extent, {
      run,
      done: () => {
        this.cache.unpin(extent);
        this.#backlogBytes -= cost;
        wave.outstanding -= 1;
        if (wave.outstanding === 0) wave.ended?.();
        done();
        this.#events.progress();
      },
    });
  }

  #queue(extent: Extent, operation: Operation): void {
    extent.queue.push(operation);
    if (extent.running || extent.queue.length > 1) return;
    if (this.#running >= RUNNING_MAX) this.#waiting.push(extent);
    else this.#start(extent);
  }

  #start(extent: Extent): void {
    this.#running += 1;
    extent.running = true;
    this.cache.repin(extent);
    this.#run(extent).catch((error: unknown) => this.#events.failed(error));
  }

  async #run(extent: Extent): Promise<void> {
    await this.cache.load(extent);
    for (let operation = extent.queue.shift(); operation; operation = extent.queue.shift()) {
      await operation.run(extent);
      operation.done();
    }
    extent.running = false;
    this.cache.unpin(extent);
    this.#running -= 1;
    const next = this.#waiting.shift();
    if (next) this.#start(next);
  }

  async #write(extent: Extent, { entry, checksums, data, skip }: EntryRecord): Promise<void> {
    assert(checksums && data, "a write carries its blocks");
    await this.#put(extent, entry, checksums, data, idOf(entry), (block) => !isSkipped(skip, block));
  }

  async #copy(extent: Extent, { range, version, checksums, data, lost }: CopyRecord): Promise<void> {
    if (version === null) return this.#drop(extent);
    if (lost) return this.#lose(extent, range, checksums, version);
    const wanted = (block: number): boolean => checksums[block - range.first] !== 0;
    await this.#clear(extent, range, version, (block) => !wanted(block));
    await this.#put(extent, range, checksums, data, version, wanted);
  }

  /** I7: the blocks verify only with the content that they should have, which may be what lies here; else they read as bad ones. */
  async #lose(extent: Extent, { first, count }: BlockRange, checksums: Uint32Array, version: EntryId): Promise<void> {
    if (!extent.trailer) this.cache.release(extent, await this.cache.acquire(extent, true));
    const before = extent.trailer?.allocated ?? 0;
    const trailer = (extent.trailer ??= new Trailer());
    for (let i = 0; i < count; i += 1) trailer.set(first + i, checksums[i] as number);
    this.#changed(extent, trailer, before, version);
  }

  #unmap(extent: Extent, { entry, skip }: EntryRecord): Promise<void> {
    return this.#clear(extent, entry, idOf(entry), (block) => !isSkipped(skip, block));
  }

  async #put(extent: Extent, range: BlockRange, checksums: Uint32Array, data: Buffer, version: EntryId, wanted: (block: number) => boolean): Promise<void> {
    const runs = runsOf(range, wanted);
    if (runs.length === 0) return;
    const open = await this.cache.acquire(extent, extent.trailer === null);
    try {
      for (const { first, count } of runs) {
        await open.file.write(data, (first - range.first) * BLOCK_BYTES, count * BLOCK_BYTES, first * BLOCK_BYTES);
      }
    } finally {
      this.cache.release(extent, open);
    }
    const before = extent.trailer?.allocated ?? 0;
    const trailer = (extent.trailer ??= new Trailer());
    for (const { first, count } of runs) {
      for (let block = first; block < first + count; block += 1) trailer.set(block, checksums[block - range.first] as number);
    }
    this.#changed(extent, trailer, before, version);
  }

  async #clear(extent: Extent, range: BlockRange, version: EntryId, wanted: (block: number) => boolean): Promise<void> {
    const { trailer } = extent;
    if (!trailer || runsOf(range, wanted).length === 0) return;
    const runs = runsOf(range, (block) => wanted(block) && trailer.isAllocated(block));
    const before = trailer.allocated;
    if (runs.reduce((sum, { count }) => sum + count, 0) === before) return this.#drop(extent);
    if (runs.length > 0) {
      const open = await this.cache.acquire(extent);
      try {
        for (const { first, count } of runs) await open.file.punch(first * BLOCK_BYTES, count * BLOCK_BYTES);
      } finally {
        this.cache.release(extent, open);
      }
    }
    for (const { first, count } of runs) for (let block = first; block < first + count; block += 1) trailer.clear(block);
    this.#changed(extent, trailer, before, version);
  }

  async #drop(extent: Extent): Promise<void> {
    if (!extent.trailer) return;
    this.usedBlocks -= extent.trailer.allocated;
    await this.cache.drop(extent);
  }

  #changed(extent: Extent, trailer: Trailer, before: number, version: EntryId): void {
    trailer.version = version;
    this.usedBlocks += trailer.allocated - before;
    this.cache.index.set(extent.key, trailer.allocated);
    this.cache.changed(extent);
  }
}

function isBusy(extent: Extent): boolean {
  return extent.running || extent.queue.length > 0;
}

function isSkipped(skip: readonly [number, number] | null, block: number): boolean {
  if (!skip) return false;
  const chunk = Math.floor(block / BLOCKS_PER_CHUNK);
  return (((skip[chunk >>> 5] as number) >>> (chunk & 31)) & 1) === 1;
}

/** Longest runs of wanted blocks. */
function runsOf(range: BlockRange, wanted: (block: number) => boolean): { first: number; count: number }[] {
  assert(range.first + range.count <= BLOCKS_PER_EXTENT, "a range lies in its extent");
  const runs: { first: number; count: number }[] = [];
  let current: { first: number; count: number } | null = null;
  for (let block = range.first; block < range.first + range.count; block += 1) {
    if (!wanted(block)) current = null;
    else if (current) current.count += 1;
    else runs.push((current = { first: block, count: 1 }));
  }
  return runs;
}
