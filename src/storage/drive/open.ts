import { FormatError } from "../../base/bytes.ts";
import type { GroupId } from "../../base/ids.ts";
import { FileError, type Platform } from "../../platform/platform.ts";
import type { ExtentKey } from "../../wire/entry.ts";
import { readNewestCheckpoint, writeCheckpoint, type Checkpoint } from "./checkpoint.ts";
import type { ExtentCache } from "./extent-cache.ts";
import { UNKNOWN } from "./extent-index.ts";
import { JOURNAL_START } from "./format.ts";
import { DriveIdentity, OpenError } from "./identity.ts";
import { snapshotImage } from "./image-codec.ts";
import { ReplicaImage } from "./image.ts";
import type { JournalPlace } from "./journal.ts";
import { CHECKPOINTS, EXTENT_DIRECTORIES, JOURNAL, parseExtentName } from "./layout.ts";
import { LocalDrive, reportFailure, type DriveTuning } from "./local-drive.ts";
import { JournalReader } from "./replay.ts";
import { createRing, JournalRing, type JournalShape } from "./ring.ts";

export interface OpenDriveOptions {
  /** Absolute. */
  readonly directory: string;
  /** The placement group of an extent: purge and forget need it. */
  readonly group: (key: ExtentKey) => GroupId;
  /** A drive of another cluster is refused. */
  readonly expectedClusterId: string;
  readonly tuning?: DriveTuning;
}

/** Records replayed between two waits for the extents, in bytes: bounds memory. */
const REPLAY_AHEAD_BYTES = 16 * 1024 * 1024;
/** Up to here a start that follows a crash counts allocated blocks before it is done; with more extents, in the background. */
const COUNTED_AT_OPEN_MAX = 2048;
/** Of an extent whose volume is not known. */
const NO_GROUP = 0 as GroupId;
/** Directories listed at once. */
const LISTS_MAX = 4;

/**
 * Locks and opens a drive: checkpoint, index, replay. Throws `OpenError` for what an administrator has to solve, a failed
 * medium included; anything else is a bug.
 */
export async function openDrive(platform: Platform, options: OpenDriveOptions): Promise<LocalDrive> {
  const { directory } = options;
  let identity: DriveIdentity | null = null;
  try {
    identity = await DriveIdentity.claim(platform, directory, options.expectedClusterId, (error) => reportFailure(platform, directory, error));
    // A process that was killed may have left names and bytes that are only in the page cache: they are made durable
    // before anything relies on them.
    await platform.files.syncDirectory(directory);
    await platform.files.syncDirectory(`${directory}/${CHECKPOINTS}`);
    const checkpoint = await loadCheckpoint(platform, directory, identity);
    const drive = new LocalDrive(platform, directory, identity, checkpoint.images, options.group, options.tuning);
    await drive.openParked();
    await listExtents(platform, drive.extentsOfDrive.cache);
    drive.extentsOfDrive.usedBlocks = checkpoint.header.usedBlocks;
    await new Replay(platform, directory, identity, checkpoint, drive, options.group).run();
    return drive;
  } catch (error) {
    await identity?.close();
    if (error instanceof FileError || error instanceof FormatError) throw new OpenError("drive-failed", `${directory}: ${error.message}`);
    throw error;
  }
}

async function loadCheckpoint(platform: Platform, directory: string, identity: DriveIdentity): Promise<Checkpoint> {
  const checkpoint = await readNewestCheckpoint(platform, directory);
  if (!checkpoint) throw new OpenError("drive-failed", `the drive in ${directory} has lost its checkpoint`);
  if (checkpoint.header.driveId !== identity.current.driveId) throw new OpenError("drive-failed", `the checkpoint in ${directory} belongs to another drive`);
  return checkpoint;
}

async function listExtents(platform: Platform, cache: ExtentCache): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < EXTENT_DIRECTORIES) {
      const directory = next;
      next += 1;
      for (const name of await platform.files.list(cache.directoryPath(directory))) {
        const key = parseExtentName(name);
        if (key) cache.index.set(key, UNKNOWN);
        else platform.log.warn("a file among the extents is none; it is left alone", { directory: cache.directoryPath(directory), name });
      }
    }
  };
  await Promise.all(Array.from({ length: LISTS_MAX }, worker));
}

class Replay {
  readonly #platform: Platform;
  readonly #directory: string;
  readonly #identity: DriveIdentity;
  readonly #checkpoint: Checkpoint;
  readonly #drive: LocalDrive;
  readonly #group: (key: ExtentKey) => GroupId;

  constructor(platform: Platform, directory: string, identity: DriveIdentity, checkpoint: Checkpoint, drive: LocalDrive, group: (key: ExtentKey) => GroupId) {
    this.#platform = platform;
    this.#directory = directory;
    this.#identity = identity;
    this.#checkpoint = checkpoint;
    this.#drive = drive;
    this.#group = group;
  }

  async run(): Promise<void> {
    const { journalId, journalSegments, journalSegmentBytes } = this.#identity.current;
    const { header } = this.#checkpoint;
    const ring = await JournalRing.open(this.#platform, `${this.#directory}/${JOURNAL}`, { journalId, segments: journalSegments, segmentBytes: journalSegmentBytes });
    if (!ring || header.journalId !== journalId) {
      await ring?.close();
      return this.#replaceJournal();
    }
    const reader = new JournalReader(this.#platform, ring, header.next);
    const batches = await this.#replay(reader);
    // Files that the last process made or removed: replay finds nothing to do, and yet nobody has synced their directories.
    if (!header.clean || batches > 0) this.#drive.extentsOfDrive.cache.allDirectoriesChanged();
    const later = await reader.laterBatches();
    const last = later.at(-1);
    let next: JournalPlace = reader.next;
    if (last) {
      // Its group may be known from the lost batches alone: then that is an image to mark, too.
      for (const batch of later) for (const { group } of await reader.recordsOf(batch)) this.#imageOf(group);
      this.#markDamaged(`batch ${reader.next.batch} of its journal is damaged, but ${later.length} later ones up to ${last.number} are not`);
      next = { batch: last.number + 1, position: last.position + last.length };
    }
    this.#drive.start(ring, next, header.next.position, header.number);
    if (last) await this.#drive.checkpointNow();
    if (!header.clean || batches > 0 || last) await this.#recount();
  }

  /** Feeds the journal to the drive; gives the number of batches. */
  async #replay(reader: JournalReader): Promise<number> {
    const { extentsOfDrive } = this.#drive;
    const from = reader.next;
    let since = from.position;
    for (let records = await reader.batch(); records; records = await reader.batch()) {
      for (const record of records) this.#drive.commit(record, nothing);
      if (reader.next.position - since < REPLAY_AHEAD_BYTES) continue;
      since = reader.next.position;
      await extentsOfDrive.barrier();
    }
    await extentsOfDrive.barrier();
    const batches = reader.next.batch - from.batch;
    this.#platform.log.info("the journal is replayed", { directory: this.#directory, batches, bytes: reader.next.position - from.position });
    return batches;
  }

  /**
   * X36: without its own journal the drive lacks records that it acknowledged. The images say so durably before a new journal
   * exists, and the superblock names that one last: a kill anywhere in between leads here again.
   */
  async #replaceJournal(): Promise<void> {
    const { header, images } = this.#checkpoint;
    const { journalSegments, journalSegmentBytes, driveId } = this.#identity.current;
    this.#markDamaged("its journal is missing or belongs to another drive");
    const shape: JournalShape = { journalId: this.#platform.random.id(), segments: journalSegments, segmentBytes: journalSegmentBytes };
    const number = header.number + 1;
    const replaced = { driveId, number, journalId: shape.journalId, next: JOURNAL_START, usedBlocks: header.usedBlocks, clean: false, images: images.size };
    await writeCheckpoint(this.#platform, this.#directory, replaced, [...images.values()].map(snapshotImage));
    await createRing(this.#platform, `${this.#directory}/${JOURNAL}`, shape);
    await this.#platform.files.syncDirectory(this.#directory);
    await this.#identity.update({ journalId: shape.journalId });
    const ring = await JournalRing.open(this.#platform, `${this.#directory}/${JOURNAL}`, shape);
    if (!ring) throw new OpenError("drive-failed", `the new journal in ${this.#directory} cannot be read back`);
    this.#drive.start(ring, JOURNAL_START, JOURNAL_START.position, number);
    await this.#recount();
  }

  #imageOf(group: GroupId): void {
    const { images } = this.#checkpoint;
    if (!images.has(group)) images.set(group, new ReplicaImage(group));
  }

  #markDamaged(why: string): void {
    const { images } = this.#checkpoint;
    // A group that only the lost records spoke of has left its extents: taken for a copy that holds nothing, it would keep them.
    for (const key of this.#drive.extentsOfDrive.cache.index.keys()) {
      const group = this.#group(key);
      if (group !== NO_GROUP) this.#imageOf(group);
    }
    this.#platform.log.error("the drive has lost acknowledged data: its replicas count as damaged until they are copied again", { directory: this.#directory, why, replicas: images.size });
    for (const image of images.values()) image.damaged = true;
  }

  /** After a crash the checkpoint's count of allocated blocks may be wrong: trailers may be newer than it. */
  async #recount(): Promise<void> {
    const { extentsOfDrive } = this.#drive;
    const recount = extentsOfDrive.recount(() => this.#drive.isStopped);
    if (extentsOfDrive.cache.index.keys().length <= COUNTED_AT_OPEN_MAX) await recount;
    else recount.catch((error: unknown) => this.#drive.fail(error));
  }
}

function nothing(): void {}
