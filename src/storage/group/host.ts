import type { DriveId, GroupId, Instance, VolumeId } from "../../base/ids.ts";
import type { GroupConfig, GroupPlan } from "../../cluster/schema.ts";
import type { Clock, Log, Random } from "../../platform/platform.ts";
import type { Channel, Message } from "../../wire/messages.ts";
import type { ExtentKey } from "../../wire/entry.ts";
import type { Drive } from "../drive/drive.ts";
import type { Space } from "../space.ts";
import type { Damage } from "./damage.ts";
import type { Acknowledgements } from "./late.ts";

/** What a group needs of the process that it lives in. All calls return at once; answers come as events or callbacks. */
export interface GroupHost {
  readonly driveId: DriveId;
  readonly instance: Instance;
  /** R14: of the cluster as this drive obeys it; configurations of any other are not acted on. */
  incarnation(): number;
  readonly drive: Drive;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** R25: what was found bad, for the administrator. */
  readonly damage: Damage;
  /** R15: what this process has acknowledged of late, in whatever group. */
  readonly acknowledgements: Acknowledgements;
  /** R17: credits granted and spent, of all groups. */
  readonly space: Space;
  /** Reads are answered only after a round trip to all members (A1). */
  strictReads(): boolean;
  /** Number of the last beacon that this process has sent to anybody. */
  lastBeacon(): number;
  /** A beacon is sent to all in a moment. */
  beaconDue(): void;
  nextTag(): number;
  /** The channel that this process dialled to another drive, if it is up; asking makes the host dial. */
  channelTo(drive: DriveId): Channel | null;
  /** Linearizable read of the group's config. Resolves null when the store has no quorum or no such key. */
  readConfig(group: GroupId): Promise<StoredConfig | null>;
  /** R8: resolves only when settled; until then the change may or may not have happened. */
  writeConfig(group: GroupId, expectedRevision: number, config: GroupConfig): Promise<{ won: boolean; current: StoredConfig | null }>;
  /** What the watch has shown last: a hint. */
  hint(group: GroupId): StoredConfig | null;
  plan(group: GroupId): GroupPlan | null;
  driveIsUp(drive: DriveId): boolean;
  /** R24: whether all of these are taken for lost, without proof. */
  takenForLost(drives: readonly DriveId[]): boolean;
  volume(id: VolumeId): "known" | "unknown" | "deleted";
  /** Volumes of the group's pool that were deleted. */
  tombstones(group: GroupId): readonly { id: VolumeId; lineage: VolumeId }[];
  /** Extents of the group on this drive, in the order of manifests. */
  extentsOf(group: GroupId): ExtentKey[];
  /** R26: nothing of this gateway is taken any more. */
  banned(gateway: Instance): boolean;
  /** Revision up to which the watch has shown the store. */
  storeSeen(): number;
  /** R18: newest instance of the drive that a supervisor has published as dead; 0 = none. */
  deadInstance(drive: DriveId): Instance;
  /** R18: from now on frames of this drive's instances up to `instance` are refused. */
  refuseInstance(drive: DriveId, instance: Instance): void;
  /** Drives and the newest instances refused so far. */
  refused(): ReadonlyMap<DriveId, Instance>;
  /** True = now: hand-overs of one drive are spread in time, so that a return does not move everything at once. */
  handOverSlot(): boolean;
  /** The group's state or progress has changed: for `observed`. */
  changed(): void;
  /** Replies and acknowledgements of this turn. */
  send(channel: Channel, message: Message): void;
}

export interface StoredConfig {
  readonly config: GroupConfig;
  readonly revision: number;
}
