import { BLOCK_BYTES, BLOCKS_PER_CHUNK, BLOCKS_PER_EXTENT } from "../../src/base/geometry.ts";
import type { DriveId, GroupId, Instance } from "../../src/base/ids.ts";
import { hash64 } from "../../src/platform/checksum.ts";
import type { BlockRead, Drive, ExtentSummary } from "../../src/storage/drive/drive.ts";
import { KEEPING, ReplicaImage } from "../../src/storage/drive/image.ts";
import { idOf } from "../../src/storage/drive/log.ts";
import type { JournalRecord } from "../../src/storage/drive/records.ts";
import type { BlockRange, EntryId, ExtentKey } from "../../src/wire/entry.ts";
import type { Chance } from "./chance.ts";
import type { SimulatedProcess } from "./process.ts";

export interface StoredExtent {
  readonly key: ExtentKey;
  version: EntryId;
  readonly checksums: Uint32Array;
  readonly blocks: Map<number, Buffer>;
}
/** What survives a process and a power loss. */
export class DriveMedium {
  readonly images = new Map<GroupId, ReplicaImage>();
  readonly extents = new Map<string, StoredExtent>();
  readonly parked: { readonly group: GroupId; readonly range: BlockRange; readonly ids: readonly EntryId[] }[] = [];
  instance = 0;
  /** What replicas remember (R20); less than usual lets short absences need the map of changes, or manifests. */
  keeping = KEEPING;
}

interface Appended {
  readonly record: JournalRecord;
  readonly durable: (() => void) | null;
  readonly applied: (() => void) | null;
}
interface Operation {
  /** Changes content; runs at a crash too, since the journal has it. */
  readonly change: (() => void) | null;
  readonly done: () => void;
}

/** A drive in memory with the real one's order of events, group commit included; what was not durable is lost with its process. */
export class SimulatedDrive implements Drive {
  readonly id: DriveId;
  readonly instance: Instance;
  readonly medium: DriveMedium;
  readonly #process: SimulatedProcess;
  readonly #chance: Chance;
  readonly #group: (key: ExtentKey) => GroupId;
  #pending: Appended[] = [];
  #writing: Appended[] | null = null;
  #writingSinceMs = 0;
  readonly #queues = new Map<string, Operation[]>();
  /** The next journal write takes this much longer. */
  hangMs = 0;
  /** While true no journal write ends. */
  hung = false;
  #hungWrite: (() => void) | null = null;

  constructor(id: DriveId, medium: DriveMedium, process: SimulatedProcess, chance: Chance, group: (key: ExtentKey) => GroupId) {
    this.id = id;
    this.medium = medium;
    this.instance = (medium.instance += 1) as Instance;
    this.#process = process;
    this.#chance = chance;
    this.#group = group;
    process.onDeath.push(() => this.#crash());
  }

  get images(): ReadonlyMap<GroupId, ReplicaImage> {
    return this.medium.images;
  }
  get pendingBytes(): number {
    return [...this.#pending, ...(this.#writing ?? [])].reduce((sum, { record }) => sum + ("data" in record ? (record.data?.length ?? 0) : 0), 0);
  }
  appendOutstandingMs(): number {
    return this.#writing ? this.#process.nowMs() - this.#writingSinceMs : 0;
  }
  append(record: JournalRecord, durable: (() => void) | null = null, applied: (() => void) | null = null): void {
    this.#pending.push({ record, durable, applied });
    if (!this.#writing) this.#write();
  }
  read(range: BlockRange): Promise<BlockRead> {
    return this.#inLine(range, () => {
      const extent = this.medium.extents.get(nameOf(range));
      const checksums = new Uint32Array(range.count);
      if (!extent) return { ok: true, checksums, data: Buffer.alloc(0), version: null };
      checksums.set(extent.checksums.subarray(range.first, range.first + range.count));
      const written = checksums.some((checksum) => checksum !== 0);
      const data = Buffer.alloc(written ? range.count * BLOCK_BYTES : 0);
      for (let i = 0; i < range.count; i += 1) extent.blocks.get(range.first + i)?.copy(data, i * BLOCK_BYTES);
      return { ok: true, checksums, data, version: extent.version };
    });
  }
  describe(key: ExtentKey): Promise<ExtentSummary | null> {
    return this.#inLine(key, () => {
      const extent = this.medium.extents.get(nameOf(key));
      if (!extent) return null;
      const { version, checksums, blocks } = extent;
      return { version, allocatedBlocks: blocks.size, digest: hash64(new Uint8Array(checksums.buffer)) };
    });
  }
  extents(): ExtentKey[] {
    const coming = [...this.#queues.keys()].filter((name) => !this.medium.extents.has(name)).map(keyOf);
    return [...[...this.medium.extents.values()].map(({ key }) => key), ...coming];
  }
  park(group: GroupId, range: BlockRange, _why: string, ids: readonly EntryId[]): Promise<void> {
    return this.#inLine(range, () => void this.medium.parked.push({ group, range, ids }));
  }
  space(): { readonly capacityBytes: number; readonly usedBytes: number } {
    let blocks = 0;
    for (const extent of this.medium.extents.values()) blocks += extent.blocks.size;
    return { capacityBytes: 2 ** 40, usedBytes: blocks * BLOCK_BYTES };
  }
  async close(): Promise<void> {}

  #write(): void {
    const batch = (this.#writing = this.#pending);
    this.#pending = [];
    this.#writingSinceMs = this.#process.nowMs();
    const delayMs = this.#chance.between(0.1, 2) + (this.#chance.happens(0.01) ? this.#chance.between(10, 100) : 0) + this.hangMs;
    this.hangMs = 0;
    const ended = (): void => {
      if (this.hung) {
        this.#hungWrite = ended;
        return;
      }
      for (const { record, durable, applied } of batch) {
        this.#commit(record);
        durable?.();
        this.#applyContent(record, applied);
      }
      this.#writing = null;
      if (this.#pending.length > 0) this.#write();
    };
    this.#process.timer(delayMs, ended);
  }
  unhang(): void {
    this.hung = false;
    const ended = this.#hungWrite;
    this.#hungWrite = null;
    if (ended) this.#process.happen(ended);
  }

  #commit(record: JournalRecord): void {
    let image = this.medium.images.get(record.group);
    if (!image) this.medium.images.set(record.group, (image = new ReplicaImage(record.group)));
    image.reduce(record, this.medium.keeping);
  }

  #applyContent(record: JournalRecord, applied: (() => void) | null): void {
    const one = (key: ExtentKey, change: () => void): void => this.#queue(key, { change, done: () => applied?.() });
    if (record.type === "copy") return one(record.range, () => this.#copy(record.range, record.version, record.checksums, record.data));
    if (record.type === "forget") return this.#dropAll(record.group, null, applied);
    if (record.type !== "entry") return applied?.();
    const { entry, checksums, data, skip } = record;
    const wanted = (block: number): boolean => !isSkipped(skip, block);
    if (entry.kind === "purge") return this.#dropAll(record.group, entry, applied);
    if (entry.kind === "write" && checksums && data) return one(entry, () => this.#put(entry, checksums, data, idOf(entry), wanted));
    if (entry.kind === "unmap") return one(entry, () => this.#clear(entry, idOf(entry), wanted));
    applied?.();
  }
  #dropAll(group: GroupId, volume: ExtentKey | null, applied: (() => void) | null): void {
    const matches = (key: ExtentKey): boolean => (volume === null || key.volume === volume.volume) && this.#group(key) === group;
    const keys = this.extents().filter(matches);
    let left = keys.length;
    if (left === 0) return applied?.();
    for (const key of keys)
      this.#queue(key, {
        change: () => this.medium.extents.delete(nameOf(key)),
        done: () => {
          left -= 1;
          if (left === 0) applied?.();
        },
      });
  }

  #copy(range: BlockRange, version: EntryId | null, checksums: Uint32Array, data: Buffer): void {
    if (version === null) return void this.medium.extents.delete(nameOf(range));
    const wanted = (block: number): boolean => checksums[block - range.first] !== 0;
    this.#clear(range, version, (block) => !wanted(block));
    this.#put(range, checksums, data, version, wanted);
  }
  #put(range: BlockRange, checksums: Uint32Array, data: Buffer, version: EntryId, wanted: (block: number) => boolean): void {
    const blocks = blocksOf(range, wanted);
    if (blocks.length === 0) return;
    const name = nameOf(range);
    let extent = this.medium.extents.get(name);
    const { volume, lineage, layer, extent: index } = range;
    if (!extent) this.medium.extents.set(name, (extent = { key: { volume, lineage, layer, extent: index }, version, checksums: new Uint32Array(BLOCKS_PER_EXTENT), blocks: new Map() }));
    for (const block of blocks) {
      const i = block - range.first;
      extent.checksums[block] = checksums[i] as number;
      extent.blocks.set(block, Buffer.from(data.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES)));
    }
    extent.version = version;
  }
  #clear(range: BlockRange, version: EntryId, wanted: (block: number) => boolean): void {
    const extent = this.medium.extents.get(nameOf(range));
    const blocks = blocksOf(range, wanted);
    if (!extent || blocks.length === 0) return;
    for (const block of blocks) {
      extent.checksums[block] = 0;
      extent.blocks.delete(block);
    }
    extent.version = version;
    if (extent.blocks.size === 0) this.medium.extents.delete(nameOf(range));
  }

  /** After everything queued on the extent before; what it found is told a little later. */
  #inLine<T>(key: ExtentKey, look: () => T): Promise<T> {
    return new Promise((resolve) => {
      this.#queue(key, {
        change: null,
        done: () => {
          const found = look();
          this.#process.timer(this.#chance.between(0, 0.5), () => resolve(found));
        },
      });
    });
  }
  #queue(key: ExtentKey, operation: Operation): void {
    const name = nameOf(key);
    const queue = this.#queues.get(name);
    if (queue) return void queue.push(operation);
    this.#queues.set(name, [operation]);
    this.#next(name);
  }
  #next(name: string): void {
    this.#process.timer(this.#chance.between(0.02, 0.5), () => {
      const queue = this.#queues.get(name) as Operation[];
      const operation = queue[0] as Operation;
      operation.change?.();
      queue.shift();
      if (queue.length > 0) this.#next(name);
      else this.#queues.delete(name);
      operation.done();
    });
  }

  /** What the journal held is there after the next start; of the write under way any beginning may be. */
  #crash(): void {
    const survivors = (this.#writing ?? []).slice(0, this.#chance.below((this.#writing?.length ?? 0) + 1));
    for (const { record } of survivors) {
      this.#commit(record);
      this.#applyContent(record, null);
    }
    for (const queue of this.#queues.values()) for (const { change } of queue) change?.();
    this.#queues.clear();
  }
}

export function nameOf(key: ExtentKey): string {
  return `${key.volume}.${key.lineage}.${key.extent}.${key.layer}`;
}
function keyOf(name: string): ExtentKey {
  const [volume = 0, lineage = 0, extent = 0, layer = 0] = name.split(".").map(Number);
  return { volume, lineage, extent, layer } as unknown as ExtentKey;
}
function blocksOf(range: BlockRange, wanted: (block: number) => boolean): number[] {
  const blocks: number[] = [];
  for (let block = range.first; block < range.first + range.count; block += 1) if (wanted(block)) blocks.push(block);
  return blocks;
}
function isSkipped(skip: readonly [number, number] | null, block: number): boolean {
  if (!skip) return false;
  const chunk = Math.floor(block / BLOCKS_PER_CHUNK);
  return (((skip[chunk >>> 5] as number) >>> (chunk & 31)) & 1) === 1;
}
