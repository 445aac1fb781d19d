import { assert } from "../../base/assert.ts";
import type { DriveId, GroupId, Instance } from "../../base/ids.ts";
import { FileError, type Platform, type Timer } from "../../platform/platform.ts";
import type { BlockRange, EntryId, ExtentKey } from "../../wire/entry.ts";
import { writeCheckpoint } from "./checkpoint.ts";
import type { BlockRead, Drive, DriveSpace, ExtentSummary, StoreMemory } from "./drive.ts";
import { SpaceBook } from "./drive-space.ts";
import { DIRTY_EXTENTS_MAX, Extents } from "./extents.ts";
import { ExtentCache } from "./extent-cache.ts";
import { flushExtents } from "./flush.ts";
import type { DriveIdentity } from "./identity.ts";
import { snapshotImage } from "./image-codec.ts";
import { KEEPING, ReplicaImage, type Keeping } from "./image.ts";
import { Journal, type Appended, type JournalPlace } from "./journal.ts";
import { ParkedFolder, type ParkedCounts } from "./parked-folder.ts";
import type { JournalRecord } from "./records.ts";
import type { JournalRing } from "./ring.ts";
import type { Superblock } from "./superblock.ts";

/** What a simulated drive does more often than a real one, so that it happens within a minute. */
export interface DriveTuning {
  /** After this long with something to replay a checkpoint is written: bounds what a restart has to do; more often only costs syncs. */
  readonly checkpointIntervalMs: number;
  /** R20: what replicas remember beyond what the rules forbid to forget. */
  readonly keeping: Keeping;
}
const TUNING: DriveTuning = { checkpointIntervalMs: 30_000, keeping: KEEPING };
/** A checkpoint begins when the journal is this full, so that writes go on in the other half while it works. */
const CHECKPOINT_FILL = 0.5;
/** Likewise for changed trailers in memory. */
const CHECKPOINT_DIRTY_EXTENTS = DIRTY_EXTENTS_MAX / 2;

/** Ends the process: a failed medium or a bug; nothing is retried. */
export function reportFailure(platform: Platform, directory: string, error: unknown): void {
  const text = error instanceof Error ? error.message : String(error);
  const reason = error instanceof FileError ? "drive-failed" : "bug";
  if (reason === "bug") platform.log.error("a drive stops by a bug", { directory, error });
  try {
    platform.fatal(reason, `${directory}: ${text}`);
  } catch {
    // Only a simulated process comes back; its drive does nothing any more.
  }
}

/** The drive of this process. `openDrive` makes it. */
export class LocalDrive implements Drive {
  readonly #platform: Platform;
  readonly #directory: string;
  readonly #identity: DriveIdentity;
  readonly #images: Map<GroupId, ReplicaImage>;
  readonly #extents: Extents;
  readonly #tuning: DriveTuning;
  #ring: JournalRing | null = null;
  #journal: Journal | null = null;
  #checkpointNumber = 0;
  #checkpointPosition = 0;
  #checkpointing: Promise<void> | null = null;
  #requested = false;
  #timer: Timer | null = null;
  readonly #parked: ParkedFolder;
  readonly #space: SpaceBook;
  #closing = false;
  #dead = false;

  constructor(platform: Platform, directory: string, identity: DriveIdentity, images: Map<GroupId, ReplicaImage>, group: (key: ExtentKey) => GroupId, tuning = TUNING) {
    this.#tuning = tuning;
    this.#platform = platform;
    this.#directory = directory;
    this.#identity = identity;
    this.#images = images;
    this.#space = new SpaceBook(platform, directory);
    this.#parked = new ParkedFolder(platform, directory, identity.current.capacityBytes);
    this.#space.parkedBytes = () => this.#parked.counts.bytes;
    this.#extents = new Extents(new ExtentCache(platform, directory, identity.current.driveId), group, {
      progress: () => this.#progress(),
      failed: (error) => this.fail(error),
    });
  }

  get id(): DriveId {
    return this.#identity.current.driveId;
  }
  get keeping(): Keeping {
    return this.#tuning.keeping;
  }
  get instance(): Instance {
    return this.#identity.current.instance;
  }
  get images(): ReadonlyMap<GroupId, ReplicaImage> {
    return this.#images;
  }
  get pendingBytes(): number {
    return this.#journal?.pendingBytes ?? 0;
  }
  /** Identity, incarnation and what was last seen of the cluster store (R14). */
  get superblock(): Superblock {
    return this.#identity.current;
  }
  get extentsOfDrive(): Extents {
    return this.#extents;
  }

  get memory(): StoreMemory {
    const { storeId, storeRevision, incarnation } = this.#identity.current;
    return { storeId, revision: storeRevision, incarnation };
  }
  remember(revision: number): void {
    if (!this.#dead) this.#identity.remember(revision);
  }
  async obeyStore({ storeId, revision, incarnation }: StoreMemory): Promise<void> {
    await this.#identity.update({ storeId, storeRevision: revision, incarnation }).catch((error: unknown) => {
      this.fail(error);
      throw error;
    });
  }

  append(record: JournalRecord, durable: (() => void) | null = null, applied: (() => void) | null = null): void {
    assert(!this.#closing && this.#journal, "nothing is appended to a closed drive");
    if (!this.#dead) this.#journal.append(record, durable, applied);
  }

  appendOutstandingMs(): number {
    return this.#journal?.outstandingMs() ?? 0;
  }

  read(range: BlockRange): Promise<BlockRead> {
    return this.#orNever(this.#extents.read(range));
  }
  describe(key: ExtentKey): Promise<ExtentSummary | null> {
    return this.#orNever(this.#extents.describe(key));
  }
  extents(): ExtentKey[] {
    return this.#extents.keys();
  }
  space(): DriveSpace {
    return this.#space.now(this.#identity.current.capacityBytes, this.#extents.usedBlocks, this.#extents.cache.index.size);
  }

  park(group: GroupId, range: BlockRange, why: string, ids: readonly EntryId[]): Promise<void> {
    return this.#orNever(this.#park(group, range, why, ids));
  }
  async #park(group: GroupId, range: BlockRange, why: string, ids: readonly EntryId[]): Promise<void> {
    const { data, checksums } = await this.#extents.readUnverified(range);
    await this.#parked.keep(this.instance, { group, range, why, ids, checksums, data }, () => this.space().freeBytes);
  }
  get parked(): ParkedCounts {
    return this.#parked.counts;
  }
  openParked(): Promise<void> {
    return this.#parked.open();
  }
  /** A failure of the medium is no result: the process ends, and until then nobody hears of it. */
  #orNever<T>(work: Promise<T>): Promise<T> {
    return work.catch((error: unknown) => {
      this.fail(error);
      return new Promise<never>(() => undefined);
    });
  }

  async close(): Promise<void> {
    assert(!this.#closing && this.#journal, "a drive is closed once");
    this.#closing = true;
    this.#timer?.cancel();
    this.#space.stop();
    await this.#journal.drain();
    while (this.#checkpointing) await this.#checkpointing;
    await this.#checkpoint(true);
    this.#extents.cache.closeFiles();
    await this.#ring?.close();
    await this.#identity.close();
  }

  // ---- used by openDrive ----

  /** A durable record: changes its image and queues its content. True when `applied` will be called. */
  commit(record: JournalRecord, applied: () => void): boolean {
    let image = this.#images.get(record.group);
    if (!image) this.#images.set(record.group, (image = new ReplicaImage(record.group)));
    image.reduce(record, this.keeping);
    return this.#extents.apply(record, applied);
  }

  /** Begins to append at `next`; the journal is needed from `tail` until the next checkpoint, which gets the number after `checkpoint`. */
  start(ring: JournalRing, next: JournalPlace, tail: number, checkpoint: number): void {
    this.#extents.cache.replaying = false;
    this.#ring = ring;
    this.#checkpointNumber = checkpoint;
    this.#checkpointPosition = tail;
    this.#journal = new Journal(this.#platform, ring, next, tail, {
      durable: (batch) => this.#durable(batch),
      full: () => this.#request(),
      mayWrite: () => !this.#dead && !this.#extents.isBehind,
      failed: (error) => this.fail(error),
    });
    this.#tick();
    void this.#space.start(() => this.space().usedBytes);
  }

  /** A checkpoint from now; durable when it resolves. */
  async checkpointNow(): Promise<void> {
    while (this.#checkpointing) await this.#checkpointing;
    await this.#checkpoint(false);
  }

  fail(error: unknown): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#timer?.cancel();
    this.#space.stop();
    reportFailure(this.#platform, this.#directory, error);
  }

  get isStopped(): boolean {
    return this.#dead || this.#closing;
  }

  // ---- inside ----

  #durable(batch: readonly Appended[]): void {
    for (const { record, durable, applied } of batch) {
      const hasContent = this.commit(record, applied ?? nothing);
      durable?.();
      if (!hasContent) applied?.();
    }
    const { usedBytes, capacityBytes } = this.#journal as Journal;
    if (usedBytes > capacityBytes * CHECKPOINT_FILL) this.#request();
  }

  #progress(): void {
    if (!this.#journal) return;
    if (this.#extents.cache.dirty.size > CHECKPOINT_DIRTY_EXTENTS) this.#request();
    this.#journal.kick();
  }

  /** In a later turn: a checkpoint never begins between two records of a batch. */
  #request(): void {
    if (this.#requested) return;
    this.#requested = true;
    this.#platform.clock.soon(() => {
      if (this.#checkpointing || this.#dead) return;
      this.#requested = false;
      if (this.#closing && this.#journal?.isIdle) return;
      this.#checkpoint(false).catch((error: unknown) => this.fail(error));
    });
  }

  #checkpoint(clean: boolean): Promise<void> {
    assert(!this.#checkpointing, "one checkpoint at a time");
    this.#checkpointing = this.#writeCheckpoint(clean)
      .catch((error: unknown) => {
        this.fail(error);
        throw error;
      })
      .finally(() => {
        this.#checkpointing = null;
        if (!this.#requested) return;
        this.#requested = false;
        this.#request();
      });
    return this.#checkpointing;
  }

  async #writeCheckpoint(clean: boolean): Promise<void> {
    assert(this.#journal, "the journal is open");
    // All of this in one turn: the images as the batches before `next` made them, and the content queued by them.
    const { next } = this.#journal;
    const images = [...this.#images.values()].map(snapshotImage);
    await this.#extents.barrier();
    await flushExtents(this.#platform, this.#extents.cache, this.id);
    const header = {
      driveId: this.id,
      number: this.#checkpointNumber + 1,
      journalId: this.#identity.current.journalId,
      next,
      usedBlocks: this.#extents.usedBlocks,
      clean,
      images: images.length,
    };
    await writeCheckpoint(this.#platform, this.#directory, header, images);
    this.#checkpointNumber += 1;
    this.#checkpointPosition = next.position;
    this.#journal.free(next.position);
  }

  #tick(): void {
    this.#timer = this.#platform.clock.timer(this.#tuning.checkpointIntervalMs, () => {
      // A slot that rotted is written anew though nothing else changes.
      if ((this.#journal as Journal).next.position !== this.#checkpointPosition || this.#extents.cache.dirty.size > 0) this.#request();
      this.#tick();
    });
  }
}

function nothing(): void {}
