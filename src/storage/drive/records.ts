import type { GroupId, Instance, VolumeId } from "../../base/ids.ts";
import type { GroupConfig } from "../../cluster/schema.ts";
import type { BlockRange, EntryHeader, EntryId } from "../../wire/entry.ts";

/**
 * What a drive's journal holds: everything that a replica must remember, in the order in which it became true. A record
 * changes the replica's image (image.ts) when it is durable, and then, for the kinds with content, the extents.
 */
export type JournalRecord =
  | EntryRecord
  | ConfigRecord
  | CatchUpRecord
  | CopyRecord
  | CaughtUpRecord
  | MarkRecord
  | AdoptRecord
  | CommittedRecord
  | ForgetRecord
  | AcceptLossRecord;

/** A log entry and, for a write, its whole 4 KiB blocks with one checksum each. */
export interface EntryRecord {
  readonly type: "entry";
  readonly group: GroupId;
  readonly entry: EntryHeader;
  readonly checksums: Uint32Array | null;
  readonly data: Buffer | null;
  /**
   * R9: bit i set = chunk i (64 KiB) of the extent is not yet in sync on this learner, so the entry's blocks in it are not
   * applied: the later copy contains them. Two words, chunks 0 to 31 and 32 to 63; null = apply everything.
   */
  readonly skip: readonly [number, number] | null;
}
/** Highest epoch seen and the config obeyed. */
export interface ConfigRecord {
  readonly type: "config";
  readonly group: GroupId;
  readonly config: GroupConfig;
}
/** R9: this replica is incomplete from now on: it holds completely what is up to `common`. */
export interface CatchUpRecord {
  readonly type: "catch-up";
  readonly group: GroupId;
  readonly common: EntryId;
  /** The log as it is from now on: `base`, then `entries`. Own entries after `common` go to the diverged ones. */
  readonly base: EntryId;
  readonly entries: readonly EntryHeader[];
}
/** Blocks as another replica has them: those with checksum 0 were never written there and are unmapped here. */
export interface CopyRecord {
  readonly type: "copy";
  readonly group: GroupId;
  /**
   * R25: nobody has these blocks' content. What is here stays where it lies and from now on counts only if it has just this
   * checksum (0 = never), so that it is never read as anything else.
   */
  readonly lost: boolean;
  readonly range: BlockRange;
  /** The extent's version at the source; null = the source has no such extent: it is dropped here (count is then the whole extent). */
  readonly version: EntryId | null;
  readonly checksums: Uint32Array;
  /** count x 4096 bytes, or empty when all checksums are 0 or the blocks are lost. */
  readonly data: Buffer;
}
/** R11b: complete again. */
export interface CaughtUpRecord {
  readonly type: "caught-up";
  readonly group: GroupId;
  readonly through: EntryId;
  readonly operations: readonly OperationResult[];
  readonly purged: readonly VolumeId[];
}
/** R7d: ranges whose content is being made equal; cleared by the next no-op entry. */
export interface MarkRecord {
  readonly type: "mark";
  readonly group: GroupId;
  readonly ranges: readonly BlockRange[];
}
/** R7d: the log after `common` is replaced by the adopted one. */
export interface AdoptRecord {
  readonly type: "adopt";
  readonly group: GroupId;
  readonly common: EntryId;
  readonly entries: readonly EntryHeader[];
}
export interface CommittedRecord {
  readonly type: "committed";
  readonly group: GroupId;
  readonly id: EntryId;
  /** R20: what is up to this id was acknowledged over 10 s ago, so that the log may let go of it. */
  readonly settled: EntryId;
}
/** R12: the replica's data on this drive is dropped; of its image only the config remains. */
export interface ForgetRecord {
  readonly type: "forget";
  readonly group: GroupId;
}

/**
 * R23: the administrator's word of `config`, obeyed by the replica that it chose: what is here is from now on all there is, whatever it
 * lacks. Only the record of the very configuration that the word began with.
 */
export interface AcceptLossRecord {
  readonly type: "accept-loss";
  readonly group: GroupId;
  readonly config: GroupConfig;
}

/** R16: the recorded answer to a gateway's operation. */
export interface OperationResult {
  readonly gateway: Instance;
  readonly operation: number;
  readonly result: number;
}
