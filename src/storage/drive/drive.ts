import type { DriveId, GroupId, Instance } from "../../base/ids.ts";
import type { BlockRange, EntryId, ExtentKey } from "../../wire/entry.ts";
import type { Keeping, ReplicaImage } from "./image.ts";
import type { ParkedCounts } from "./parked-folder.ts";
import type { JournalRecord } from "./records.ts";

/**
 * One drive: a journal, extents, checkpoints. It knows nothing of primaries and members: records in, content out. Failures of
 * the medium never come back as results: the process ends with `platform.fatal("drive-failed")`, except for a bad checksum.
 */
/** R14: which cluster store a drive obeys, and how far it has seen it. */
export interface StoreMemory {
  /** The store's own id; "" before the drive has obeyed any. */
  readonly storeId: string;
  /** Highest revision seen. What is durable of it may be five seconds old: only ever too low. */
  readonly revision: number;
  readonly incarnation: number;
}

export interface Drive {
  readonly id: DriveId;
  /** Of this process; raised durably before `open` resolves. */
  readonly instance: Instance;
  /** Durable state of every replica on this drive. Images change only inside the drive, right before a `durable` callback. */
  readonly images: ReadonlyMap<GroupId, ReplicaImage>;
  readonly keeping: Keeping;
  /**
   * Appends to the journal. In the order of the calls: the record becomes durable, its image changes (`reduce`), `durable` is
   * called, its content is applied to the extents, `applied` is called (for records without content right after `durable`).
   * Applications to one extent happen in the order of their records. `data` must not be changed until `applied`.
   * The image is made by the first record of its group.
   */
  append(record: JournalRecord, durable?: (() => void) | null, applied?: (() => void) | null): void;
  /** Bytes appended that are not durable yet: for back-pressure. */
  readonly pendingBytes: number;
  /** How long the oldest journal write has been outstanding; 0 when none is (R3f). */
  appendOutstandingMs(): number;
  /** Reads blocks after every application to that extent that was queued before. Never-written blocks read as zeros. */
  read(range: BlockRange): Promise<BlockRead>;
  /** The extent's version, allocation and digest after every application queued before; null when there is none. */
  describe(key: ExtentKey): Promise<ExtentSummary | null>;
  /** Keys of all extents here, in no order; a snapshot of this moment. */
  extents(): ExtentKey[];
  /** R9: copies the range's present content and the reason durably to parked/ before it is overwritten. */
  park(group: GroupId, range: BlockRange, why: string, ids: readonly EntryId[]): Promise<void>;
  readonly parked: ParkedCounts;
  space(): DriveSpace;
  readonly memory: StoreMemory;
  /** R14: a higher revision of the same store was seen; durable within about five seconds, never waited for. */
  remember(revision: number): void;
  /** R14: from now on this store is obeyed, at this revision, whatever was before. Durable when it resolves. */
  obeyStore(memory: StoreMemory): Promise<void>;
  /** Resolves after a last checkpoint; nothing may be appended any more. */
  close(): Promise<void>;
}

/** What an extent takes beside its blocks: two trailer slots, and the filesystem's inode, map and name. */
export const EXTENT_OVERHEAD_BLOCKS = 6;
export interface DriveSpace {
  /** Nominal: what the drive offers for extents. */
  readonly capacityBytes: number;
  /** Blocks, with each extent's overhead, and what is parked. */
  readonly usedBytes: number;
  /** Of the capacity, or less when the filesystem has less. */
  readonly freeBytes: number;
}

export type BlockRead =
  | {
      readonly ok: true;
      /** One for each block, 0 = never written. */
      readonly checksums: Uint32Array;
      /** count x 4096 bytes; empty when no block was ever written. The caller owns it. */
      readonly data: Buffer;
      /** The extent's version; null when there is no such extent. */
      readonly version: EntryId | null;
    }
  | BadRead;
/** I7: some blocks cannot be read, or their content does not match its checksum. */
export interface BadRead {
  readonly ok: false;
  /** Of the extent, ascending. */
  readonly badBlocks: readonly number[];
  /** One for each block of the range, as the drive knows it, 0 = never written; of a bad block 0 = not even that is known. */
  readonly checksums: Uint32Array;
  readonly version: EntryId;
}

export interface ExtentSummary {
  readonly version: EntryId;
  readonly allocatedBlocks: number;
  /** Hash over the allocation and all checksums: equal content, equal digest. */
  readonly digest: bigint;
  /** False: the checksums of some blocks were lost, so the digest says nothing about the content. */
  readonly known: boolean;
}
