import * as v from "valibot";
import type { DriveId, Epoch, GroupId, Instance, ServerName, VolumeId } from "../base/ids.ts";

/**
 * Every key of the cluster store, who writes it, and the shape of its value (JSON, validated here at the edge).
 *
 * key                              | writer                                   | value
 * cluster                          | formation; monitor leader and management for a restore (R14) | ClusterRecord
 * counter/volume                   | management                               | number, the last counter issued
 * server/<name>                    | that server's supervisor                 | ServerRecord
 * drive/<drive>                    | that drive's storage process             | DriveRecord (re-registered with each instance)
 * up/drive/<drive>                 | that drive's storage process, leased     | Up
 * up/gateway/<instance>            | that iscsi role, leased                  | GatewayUp
 * away/<instance>                  | that iscsi role, leased                  | Away: drives that it does not reach; it sends its hosts to others if it may
 * gateway/<instance>               | that iscsi role; removed when it is proved gone (R26) | GatewayRecord
 * fence/<id>                       | management, with the change that it fences (R26) | FenceRecord
 * obeyed/<fence>/<gateway>         | that iscsi role                          | its instance
 * banned/<gateway>                 | management, for a silent portal without a lease (R26); removed by its successor | BanRecord
 * up/server/<name>                 | that server's supervisor, leased         | Up
 * observed/<drive>                 | that drive's storage process, leased     | Observed
 * failed/<server>                  | that server's supervisor                 | FailedDrives: not started until they are released
 * release/<drive>                  | management; removed by the server that obeys | ReleaseRecord: the administrator's word
 * death/<drive or gateway>         | the parent supervisor (R18)              | Death, the newest instance known dead
 * pool/<factor>                    | formation, management                    | PoolRecord: the pool is wanted
 * pg/<group>                       | monitor leader (creation, adoption R14), management (R23); else its primary or a member proposing itself | GroupConfig
 * pg-plan/<group>                  | monitor leader                           | GroupPlan
 * volume/<volume>                  | management                               | VolumeRecord
 * volume-name/<name>               | management                               | the volume's id
 * tombstone/<volume>               | management                               | Tombstone (R21)
 * scrub/<group>                    | its primary                              | ScrubRecord: when it was last looked at (R25)
 * scrub-wanted                     | management                               | ScrubRecord: whatever was looked at before is due
 * host/<name>                      | management                               | HostRecord
 * iqn/<initiator name>             | management                               | the host's name
 * mapping/<host>/<lun>             | management                               | MappingRecord
 * recovery/<drive>                 | that drive's storage process             | RecoveryReport, while it does not obey this store (R14)
 * monitor/leader                   | monitor, leased                          | the server's name
 * audit/<number>                   | management, the newest AUDIT_MAX         | AuditRecord: data given up (R23)
 * settings                         | management                               | ClusterSettings; no key: the defaults
 * drain/*, removed/*               | management                               | see leaving.ts
 * mode                             | monitor leader                           | ClusterMode while the cluster is read-only; no key: reads and writes
 */
const driveId = v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/), v.transform((text) => text as DriveId));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const instance = v.pipe(count, v.transform((n) => n as Instance));
const epoch = v.pipe(count, v.transform((n) => n as Epoch));
const volumeId = v.pipe(count, v.transform((n) => n as VolumeId));
export const serverName = v.pipe(v.string(), v.regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/), v.transform((text) => text as ServerName));
/** Replication factor: copies minus one. 0: one copy, in an evaluation. */
const poolFactor = v.picklist([0, 1, 2]);
export type PoolFactor = v.InferOutput<typeof poolFactor>;
export const port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65535));

export const clusterRecord = v.object({
  id: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)),
  name: v.string(),
  /** Raised by a restore of the store (R14); part of every volume id. Begins with 1. */
  incarnation: v.pipe(count, v.minValue(1)),
  targetName: v.string(),
  formedAtMs: v.number(),
  /** R14: the store in which this record was written; a restored store has another id. */
  storeId: v.optional(v.string()),
  /**
   * R14: the newest restore of the store. Until `done` no drive serves: each reports what it holds for this round. Set and
   * ended by compare-and-set; each step of the adoption in between compares this record's revision.
   */
  restore: v.optional(v.object({ round: count, done: v.boolean(), why: v.string() })),
  /** One copy of everything, to look at the product on a single server: its pool has factor 0. Decided when the cluster is formed, for ever. */
  evaluation: v.optional(v.boolean()),
  /** No pool is made before so many servers are registered; default SERVERS_MIN. Only a trial says otherwise. */
  serversMin: v.optional(v.pipe(count, v.minValue(1))),
});
/** With fewer the store has no majority after the loss of one, and the cluster could not go on alone. */
export const SERVERS_MIN = 3;
/** Servers that must be registered before the first pool is made, and that no removal goes below. */
export function serversMin(cluster: ClusterRecord | null): number {
  return cluster?.evaluation === true ? 1 : (cluster?.serversMin ?? SERVERS_MIN);
}
export type ClusterRecord = v.InferOutput<typeof clusterRecord>;

export const serverRecord = v.object({
  name: serverName,
  address: v.string(),
  portalPort: port,
  apiPort: port,
  /** iSCSI target portal group tag, 1 to 65535, unique in the cluster. */
  portalGroupTag: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65535)),
  /** It runs a member of the cluster store. */
  storeMember: v.optional(v.boolean()),
});
export type ServerRecord = v.InferOutput<typeof serverRecord>;

export const driveRecord = v.object({
  id: driveId,
  server: serverName,
  address: v.string(),
  port,
  instance,
  /** Nominal size: what the drive offers for extents. */
  capacityBytes: count,
});
export type DriveRecord = v.InferOutput<typeof driveRecord>;

export const up = v.object({ instance, sinceMs: v.number() });
export type Up = v.InferOutput<typeof up>;
export const gatewayUp = v.object({ instance, server: serverName, sinceMs: v.number() });
export type GatewayUp = v.InferOutput<typeof gatewayUp>;

/** A portal that does not reach these drives, though they serve: no other portal that leaves relies on it. */
export const away = v.object({ instance, server: serverName, drives: v.array(driveId) });
export type AwayRecord = v.InferOutput<typeof away>;

/** R26: a portal that may serve hosts; not leased, since it serves without the store too. */
export const gatewayRecord = v.object({
  instance,
  server: serverName,
  /** Its port is open: whoever had it before on that server has ended. */
  serving: v.boolean(),
  /** Portals that had the port before it, found when it had it: they have ended. None until it serves. */
  replaces: v.optional(v.array(instance)),
});
export type GatewayRecord = v.InferOutput<typeof gatewayRecord>;
/** R26: a portal of which nothing is taken any more; it may still live, and begins anew under another instance then. */
export const banRecord = v.object({ instance, server: serverName, atMs: v.number() });
export type BanRecord = v.InferOutput<typeof banRecord>;
export const fenceRecord = v.object({
  /** What the fence is for, to find it again: "unmap <volume> <host>", "delete <volume>". */
  what: v.string(),
  atMs: v.number(),
  /** R23: sessions of hosts that see one of these volumes end. */
  drop: v.optional(v.array(volumeId)),
});
export type FenceRecord = v.InferOutput<typeof fenceRecord>;

/** Drives that failed under their process; `id` is "" of one that was never registered. */
export const failedDrives = v.array(v.object({ id: v.string(), directory: v.string(), instance: count, atMs: v.number(), why: v.string() }));
export type FailedDrives = v.InferOutput<typeof failedDrives>;
/** `failedAtMs`: the failure that it speaks of, as in FailedDrives. */
export const releaseRecord = v.object({ failedAtMs: v.number(), atMs: v.number() });
/** How the reason of a death begins when the drive's medium failed: it does not come back by itself. */
export const DRIVE_FAILED = "drive-failed";
export const death = v.object({ instance, atMs: v.number(), reason: v.string() });
export type Death = v.InferOutput<typeof death>;

/**
 * Why a primary waits: no member is known to hold everything acknowledged (R7b), content that reconcile needs cannot be
 * read, or its own journal has hung for over 1.5 s (R3f). Why a member does not lead: its copy is damaged (R5).
 */
const waitReason = v.picklist(["no-whole-copy", "unreadable-copy", "hung-journal", "damaged-copy"]);
export type WaitReason = v.InferOutput<typeof waitReason>;

const entryId = v.object({ epoch: count, seq: count });
const copyWord = v.object({ group: count, epoch: count, last: entryId, committed: entryId, completeThrough: entryId, incomplete: v.boolean(), damaged: v.boolean() });
/** A replica on some drive, as that drive told of it. */
export type CopyWord = v.InferOutput<typeof copyWord>;

/** What a storage process sees of the groups whose primary it is, or must not become; a hint for health and progress, never for the rules. */
export const observed = v.object({
  instance,
  usedBytes: count,
  /** Content that lost a reconcile or a scrub, kept on the drive; `dropped` for want of room since the process started. */
  parked: v.optional(v.object({ files: count, bytes: count, dropped: count })),
  /** R21: volumes that the store does not know and of which extents lie here; kept, and served to nobody. */
  unknownVolumes: v.optional(v.array(volumeId)),
  /** R26: banned gateways of which this process takes nothing any more. */
  bans: v.optional(v.array(instance)),
  /** The pass that is under way: its group, and extents looked at. */
  scrub: v.optional(v.object({ group: count, kind: v.picklist(["light", "deep"]), checkedExtents: count })),
  /** R25: blocks that this process, as primary, has found bad on the drives of its groups since it started. */
  damage: v.optional(v.array(v.object({ drive: driveId, repaired: count, lost: count, differs: count }))),
  groups: v.array(
    v.object({
      group: count,
      epoch,
      state: v.picklist(["peering", "serving", "waiting"]),
      /** Of a group that waits, where it is known. */
      waitingFor: v.optional(waitReason),
      /** Recovery of its learners: bytes copied so far and bytes still known to be copied. */
      copiedBytes: count,
      remainingBytes: count,
    }),
  ),
  /** R23: what this drive holds of groups that do not serve, whether the configuration names it or not. */
  copies: v.optional(v.array(copyWord)),
});
export type Observed = v.InferOutput<typeof observed>;
export type ObservedGroup = Observed["groups"][number];

export const clusterSettings = v.object({
  /** R24: whether a server that hears nobody else, nor the store, serves reads by an administrator's word only, or by itself after 30 s. */
  loneSurvivor: v.picklist(["confirm", "auto"]),
  /** A1: reads wait for a round trip to all copies, for servers whose clocks can stop (paused virtual machines). */
  strictReads: v.optional(v.boolean(), false),
  /** How long a drive whose server answers may be silent before its copies are made elsewhere; one that is proved to have failed is not waited for. */
  recreateDriveAfterMs: v.optional(count, 60_000),
  /** How long a whole server may be away: long enough for a restart, or for an administrator to plug it in again. */
  recreateServerAfterMs: v.optional(count, 600_000),
});
export type ClusterSettings = v.InferOutput<typeof clusterSettings>;
export const DEFAULT_SETTINGS: ClusterSettings = v.parse(clusterSettings, { loneSurvivor: "confirm" });
/** Shorter than these a restart would be taken for a loss; longer than a week nobody means. */
export const RECREATE_MIN_MS = 10_000;
export const RECREATE_MAX_MS = 7 * 24 * 3_600_000;

/** The whole cluster refuses writes, since groups have no serving member; it ends when the leader deletes the key. */
export const clusterMode = v.object({
  mode: v.literal("read-only"),
  sinceMs: v.number(),
  /** Groups without a serving member: reads of their ranges are refused at once. */
  groups: v.array(count),
  /** For people: what happened, as the leader saw it. */
  cause: v.string(),
});
export type ClusterMode = v.InferOutput<typeof clusterMode>;

export const poolRecord = v.object({ factor: poolFactor, groupCount: v.pipe(count, v.minValue(1), v.maxValue(65536)) });
export type PoolRecord = v.InferOutput<typeof poolRecord>;

/** R23: that an administrator has given up what only lost drives held of a group. Kept in every later configuration. */
const acceptedLoss = v.object({
  /** Of the configuration that it began with: a replica that has not obeyed that epoch holds another history, and counts for nothing. */
  epoch,
  atMs: v.number(),
  /** Members that were named as lost, with the newest run of each that was known. */
  drives: v.array(v.object({ drive: driveId, instance })),
  /**
   * No copy was left: of volumes up to this id, blocks that nobody has written or released since are not known and answer medium
   * error. null: a copy was left.
   */
  unknownThrough: v.nullable(volumeId),
});
export type AcceptedLoss = v.InferOutput<typeof acceptedLoss>;

/** protocol: Config. Every change raises `epoch` by 1 and carries a fresh `nonce`. */
export const groupConfig = v.object({
  incarnation: count,
  epoch,
  primary: driveId,
  /** 0: named but not yet started (R6 sets it). */
  primaryInstance: instance,
  members: v.pipe(v.array(driveId), v.minLength(1)),
  learners: v.array(driveId),
  nonce: count,
  loss: v.optional(acceptedLoss),
});
export type GroupConfig = v.InferOutput<typeof groupConfig>;

/**
 * R14: what a drive holds that does not obey the store as it is. It has stopped everything before it reports, and does nothing
 * until the round is done, so what it says stays true without a lease.
 */
export const recoveryReport = v.object({
  drive: driveId,
  server: serverName,
  instance,
  /** The restore that it answers; null: none has begun. */
  round: v.nullable(count),
  /** Why this store cannot be the one that the drive knows; null: it only waits for the restore to end. */
  evidence: v.nullable(v.string()),
  /** The incarnation, the store and its revision as the drive remembers them. */
  incarnation: count,
  storeId: v.string(),
  revision: count,
  groups: v.array(
    v.object({
      group: count,
      config: v.nullable(groupConfig),
      last: v.object({ epoch: count, seq: count }),
      committed: v.object({ epoch: count, seq: count }),
      incomplete: v.boolean(),
      damaged: v.boolean(),
    }),
  ),
  /** Volumes whose purge it holds (R21), with the factor of their groups. */
  purged: v.array(v.object({ id: volumeId, factor: poolFactor })),
  /** Volumes of which it holds extents. */
  volumes: v.array(volumeId),
});
export type RecoveryReport = v.InferOutput<typeof recoveryReport>;

/** The monitor's wish: the drives that should hold the group, the wanted primary first. The primary enacts it. */
export const groupPlan = v.object({ wanted: v.pipe(v.array(driveId), v.minLength(1)) });
export type GroupPlan = v.InferOutput<typeof groupPlan>;

export const volumeRecord = v.object({
  id: volumeId,
  name: v.string(),
  sizeBytes: v.pipe(count, v.minValue(1)),
  factor: poolFactor,
  /** Shared by a volume and its clones; for others the volume's own id. */
  lineage: volumeId,
  createdAtMs: v.number(),
});
export type VolumeRecord = v.InferOutput<typeof volumeRecord>;

export const tombstone = v.object({ id: volumeId, name: v.string(), factor: poolFactor, lineage: volumeId, deletedAtMs: v.number() });
export type Tombstone = v.InferOutput<typeof tombstone>;

/** Wall-clock times, milliseconds since 1970; 0 = never. A deep scrub is a light one, too. */
export const scrubRecord = v.object({ lightAtMs: count, deepAtMs: count });
export type ScrubRecord = v.InferOutput<typeof scrubRecord>;

/** More than any administrator accepts losses; the oldest goes when a newer one comes. */
export const AUDIT_MAX = 100;
export const auditRecord = v.object({ number: count, atMs: v.number(), /** The client's address, as its server saw it. */ from: v.string(), what: v.string() });
export type AuditRecord = v.InferOutput<typeof auditRecord>;

export const hostRecord = v.object({
  name: v.string(),
  iqns: v.array(v.string()),
  chap: v.nullable(v.object({ user: v.string(), secret: v.string() })),
});
export type HostRecord = v.InferOutput<typeof hostRecord>;

export const mappingRecord = v.object({ volume: volumeId, host: v.string(), lun: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(255)), readOnly: v.boolean() });
export type MappingRecord = v.InferOutput<typeof mappingRecord>;

/** Parses a store value; throws an Error that names the key when it is not what the schema says. */
export function parseValue<S extends v.GenericSchema>(schema: S, key: string, text: string): v.InferOutput<S> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Error(`the cluster store's key ${key} does not hold JSON`);
  }
  const result = v.safeParse(schema, json);
  if (!result.success) throw new Error(`the cluster store's key ${key} is not valid: ${v.summarize(result.issues)}`);
  return result.output;
}

export const keys = {
  cluster: "cluster",
  volumeCounter: "counter/volume",
  server: (name: string) => `server/${name}`,
  drive: (id: DriveId) => `drive/${id}`,
  upDrive: (id: DriveId) => `up/drive/${id}`,
  upGateway: (id: number) => `up/gateway/${id}`,
  upServer: (name: string) => `up/server/${name}`,
  observed: (id: DriveId) => `observed/${id}`,
  death: (id: string) => `death/${id}`,
  pool: (factor: number) => `pool/${factor}`,
  group: (id: GroupId) => `pg/${groupName(id)}`,
  groupPlan: (id: GroupId) => `pg-plan/${groupName(id)}`,
  volume: (id: VolumeId) => `volume/${id}`,
  volumeName: (name: string) => `volume-name/${name}`,
  tombstone: (id: VolumeId) => `tombstone/${id}`,
  scrub: (id: GroupId) => `scrub/${groupName(id)}`,
  scrubWanted: "scrub-wanted",
  host: (name: string) => `host/${name}`,
  iqn: (iqn: string) => `iqn/${iqn}`,
  mapping: (host: string, lun: number) => `mapping/${host}/${lun}`,
  away: (id: number) => `away/${id}`,
  gateway: (id: number) => `gateway/${id}`,
  banned: (gateway: number) => `banned/${gateway}`,
  failed: (server: string) => `failed/${server}`,
  release: (id: DriveId) => `release/${id}`,
  fence: (id: number) => `fence/${id}`,
  obeyed: (fence: number, gateway: number) => `obeyed/${fence}/${gateway}`,
  recovery: (id: DriveId) => `recovery/${id}`,
  audit: (number: number) => `audit/${number}`,
  leader: "monitor/leader",
  mode: "mode",
  settings: "settings",
} as const;

const POOL_STRIDE = 2 ** 20;
/** Where factor 0 has its groups: group 0 means "no group". */
const EVALUATION_SLOT = 3;
export function groupId(factor: number, index: number): GroupId {
  return ((factor || EVALUATION_SLOT) * POOL_STRIDE + index) as GroupId;
}
export function groupFactor(id: GroupId): PoolFactor {
  return (Math.floor(id / POOL_STRIDE) % EVALUATION_SLOT) as PoolFactor;
}
export function groupIndex(id: GroupId): number {
  return id % POOL_STRIDE;
}
/** "1/17": pool of factor 1, group 17. */
export function groupName(id: GroupId): string {
  return `${groupFactor(id)}/${groupIndex(id)}`;
}
export function parseGroupName(name: string): GroupId {
  const [factor, index] = name.split("/").map(Number);
  return groupId(factor ?? 0, index ?? 0);
}
