import type { DriveId, Epoch, GroupId, Instance, VolumeId } from "../base/ids.ts";
import type { GroupConfig } from "../cluster/schema.ts";
import type { BlockRange, EntryHeader, EntryId, ExtentKey } from "./entry.ts";

/**
 * protocol section 2. Every message names a group (0: none), the sender's message epoch for it (a fence, not an entry's
 * identity), and a tag that a reply repeats. The sender's instance is bound to the channel by the hello.
 */
interface Common {
  readonly group: GroupId;
  readonly epoch: Epoch;
  readonly tag: number;
}

// ---- peering: primary <-> member or learner ----

export interface Fence extends Common {
  readonly type: "fence";
  readonly config: GroupConfig;
  readonly dead: readonly { readonly id: string; readonly instance: Instance }[];
}
export interface Tail extends Common {
  readonly type: "tail";
  readonly damaged: boolean;
  readonly incomplete: boolean;
  readonly completeThrough: EntryId;
  readonly committed: EntryId;
  /** Oldest point that the log reaches back to. */
  readonly base: EntryId;
  readonly last: EntryId;
  /** Headers after `committed`. */
  readonly entries: readonly EntryHeader[];
  readonly diverged: readonly EntryHeader[];
  readonly reconciling: readonly BlockRange[];
}
export interface Mark extends Common {
  readonly type: "mark";
  readonly ranges: readonly BlockRange[];
  /** What will be adopted after `common`: other entries' content is parked before it is overwritten. */
  readonly common: EntryId;
  readonly adopted: readonly EntryId[];
}
export interface Adopt extends Common {
  readonly type: "adopt";
  readonly common: EntryId;
  readonly entries: readonly EntryHeader[];
}
/** The message with the same tag is durable and applied. */
export interface Settled extends Common {
  readonly type: "settled";
}
export interface Fetch extends Common {
  readonly type: "fetch";
  readonly range: BlockRange;
  /** False: the blocks are read and verified there, and only their checksums travel (R25). */
  readonly content: boolean;
}
export interface Fetched extends Common, Blocks {
  readonly type: "fetched";
  /** False: no data; none was asked for, or there are bad blocks. Checksums are those that the replica expects. */
  readonly content: boolean;
  readonly badBlocks: readonly number[];
}
/** Content of a range: checksum 0 = never written; `data` is empty when all are. `version` null: no such extent. */
export interface Blocks {
  readonly range: BlockRange;
  readonly version: EntryId | null;
  readonly checksums: Uint32Array;
  readonly data: Buffer;
}

// ---- the ordered stream: primary -> member or learner ----

export interface Replicate extends Common {
  readonly type: "replicate";
  readonly entry: EntryHeader;
  readonly committed: EntryId;
  /** R17: blocks that it is charged with, at most 2^16 - 1. */
  readonly allocates: number;
  readonly checksums: Uint32Array | null;
  readonly data: Buffer | null;
}
export interface Replicated extends Common {
  readonly type: "replicated";
  readonly through: EntryId;
  readonly credits: Credits;
}
/** R17, for the channel that it comes on, in blocks since the channel was opened: what may be charged to it in all, and what has been and is done with. */
export interface Credits {
  readonly limit: number;
  readonly settled: number;
}
export interface Gap extends Common {
  readonly type: "gap";
  readonly through: EntryId;
}
export interface CatchUp extends Common {
  readonly type: "catch-up";
  readonly common: EntryId;
  readonly base: EntryId;
  readonly entries: readonly EntryHeader[];
  /** null: everything, to be compared by manifests. */
  readonly dirty: readonly BlockRange[] | null;
}
export interface Manifest extends Common {
  readonly type: "manifest";
  /** The interval (after, through] in the order of `compareExtents`; null = open end. */
  readonly after: ExtentKey | null;
  readonly through: ExtentKey | null;
  readonly extents: readonly { readonly key: ExtentKey; readonly version: EntryId; readonly digest: bigint }[];
}
export interface Differs extends Common {
  readonly type: "differs";
  /** `held`: a digest of each block there, 0 = never written, 2^64 - 1 = bad; empty when none was ever written; null = not known, all must be copied. */
  readonly extents: readonly { readonly key: ExtentKey; readonly held: BigUint64Array | null }[];
}
/** `range` may be empty: then only `clean` counts. */
export interface Copy extends Common, Blocks {
  readonly type: "copy";
  /** R25: no member has these blocks. There is no data, only the checksums that they should have; 0 = not even that is known. */
  readonly lost: boolean;
  /** R17, as in `Replicate`. */
  readonly allocates: number;
  /** R9: whole chunks of the extent, first block and count, that are in sync from here on; count 0 = none. */
  readonly clean: { readonly first: number; readonly count: number };
}
export interface CaughtUp extends Common {
  readonly type: "caught-up";
  readonly through: EntryId;
  readonly operations: readonly { readonly gateway: Instance; readonly operation: number; readonly result: number }[];
  readonly purged: readonly VolumeId[];
}

// ---- scrub and repair (R25): primary -> member ----

/** Which extents of an interval, as in a manifest, are there at this place of the stream. */
export interface Inspect extends Common {
  readonly type: "inspect";
  /** First and last key, both included; null = open end. */
  readonly from: ExtentKey | null;
  readonly through: ExtentKey | null;
}
export interface Inspected extends Common {
  readonly type: "inspected";
  readonly extents: readonly ExtentState[];
}
export interface ExtentState {
  readonly key: ExtentKey;
  readonly version: EntryId;
  readonly digest: bigint;
  /** False: its checksums were lost, so the digest means nothing. */
  readonly known: boolean;
}
/** Keep the range's present content aside; answered with `settled` when that is durable. */
export interface Park extends Common {
  readonly type: "park";
  readonly range: BlockRange;
  readonly why: string;
}

/** To any message of a lower epoch: the receiver's config, for the sender to go and read the store. */
export interface StaleEpoch extends Common {
  readonly type: "stale-epoch";
  readonly config: GroupConfig;
}

// ---- leases: one frame for all groups of a drive pair ----

export interface Beacon extends Common {
  readonly type: "beacon";
  readonly number: number;
  readonly groups: readonly { readonly group: GroupId; readonly epoch: Epoch; readonly committed: EntryId }[];
}
export interface BeaconOk extends Common {
  readonly type: "beacon-ok";
  readonly number: number;
  readonly credits: Credits;
  readonly groups: readonly { readonly group: GroupId; readonly epoch: Epoch }[];
}

// ---- commands: gateway -> primary ----

export interface Read extends Common {
  readonly type: "read";
  readonly range: BlockRange;
}
export interface ReadDone extends Common {
  readonly type: "read-done";
  readonly result: CommandResult;
  readonly clock: number;
  readonly checksums: Uint32Array;
  readonly data: Buffer;
}
/** R16 and R15: identity and age of a modifying command. */
export interface Modifying {
  readonly gateway: Instance;
  readonly operation: number;
  readonly oldestOpen: number;
  /** The primary instance whose clock `stampMs` is in; 0 = no stamp yet known. */
  readonly stampInstance: Instance;
  readonly stampMs: number;
}
/** For entries that no gateway asked for. */
export const BY_NOBODY: Modifying = { gateway: 0 as Instance, operation: 0, oldestOpen: 0, stampInstance: 0 as Instance, stampMs: 0 };
export interface Write extends Common, Modifying {
  readonly type: "write";
  readonly key: ExtentKey;
  /** 512-byte sectors inside the extent. */
  readonly firstSector: number;
  readonly sectorCount: number;
  /** One for each 4 KiB block touched, over the bytes of it that are here. */
  readonly checksums: Uint32Array;
  readonly data: Buffer;
}
export interface Unmap extends Common, Modifying {
  readonly type: "unmap";
  readonly range: BlockRange;
}
/** SBC-3 5.2, at the primary alone: the new data is written when the range holds the expected data. */
export interface CompareAndWrite extends Common, Modifying {
  readonly type: "compare-and-write";
  readonly key: ExtentKey;
  /** 512-byte sectors inside the extent, at most COMPARE_SECTORS_MAX. */
  readonly firstSector: number;
  readonly sectorCount: number;
  /** As a write's; first those of the expected data, then those of the new. */
  readonly checksums: Uint32Array;
  /** The expected data, then the new, of the same length. */
  readonly data: Buffer;
}
/** As many as the command of SBC-3 can name. */
export const COMPARE_SECTORS_MAX = 255;
/** What a gateway may ask that changes something. */
export type Change = Write | Unmap | CompareAndWrite;
export interface Done extends Common {
  readonly type: "done";
  readonly result: CommandResult;
  /** The primary's clock in milliseconds when it answered (R15). */
  readonly clock: number;
  /** With `miscompare` alone: the first byte of the range that is not as expected. */
  readonly offset?: number;
}
/** R15: every 500 ms, and first of all, from a drive to each gateway that is connected. */
export interface ClockMessage extends Common {
  readonly type: "clock";
  /** The sender's clock in milliseconds. */
  readonly clock: number;
}
/**
 * `not-primary`: ask whoever the cluster map names, later. `unknown-volume`: the primary's map does not have it (yet).
 * `miscompare` changed nothing and is not recorded (R16). `late` (R15), `no-space` (R17), `read-only`, `medium-error` (I7), `deleted` (R21) are final.
 */
export type CommandResult = "done" | "not-primary" | "unknown-volume" | "late" | "no-space" | "read-only" | "medium-error" | "deleted" | "corrupt-frame" | "miscompare";
export const COMMAND_RESULTS: readonly CommandResult[] = ["done", "not-primary", "unknown-volume", "late", "no-space", "read-only", "medium-error", "deleted", "corrupt-frame", "miscompare"];

export type Message =
  | Fence | Tail | Mark | Adopt | Settled | Fetch | Fetched
  | Replicate | Replicated | Gap | CatchUp | Manifest | Differs | Copy | CaughtUp | StaleEpoch
  | Inspect | Inspected | Park
  | Beacon | BeaconOk
  | Read | ReadDone | Write | Unmap | CompareAndWrite | Done | ClockMessage;

/** Order of extents in manifests. */
export function compareExtents(a: ExtentKey, b: ExtentKey): number {
  return a.volume - b.volume || a.extent - b.extent || a.layer - b.layer;
}

/** Who is at the other end of a channel. */
export interface Peer {
  readonly kind: "drive" | "gateway";
  /** Drive id, or the gateway's instance as text. */
  readonly id: DriveId | string;
  readonly instance: Instance;
}

/** One authenticated, ordered connection, across a socket or inside a process. */
export interface Channel {
  readonly peer: Peer;
  /** Bytes not yet taken by the network. */
  readonly queuedBytes: number;
  /** Ignored after close. Buffers of the message must not change until it has left. */
  send(message: Message): void;
  close(reason: string): void;
}
export interface ChannelEvents {
  message(message: Message): void;
  /** Once, whoever closed; no message follows. */
  closed(reason: string): void;
}
