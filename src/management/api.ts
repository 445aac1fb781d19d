import type { DrainAnswer } from "./api/servers.ts";

/**
 * What the API under /api/v1 takes and answers: types alone, for the CLI and the web UI. Keys may be added, none removed. What is not here
 * lies in api/: users, cluster (settings, audit), monitor (alerts, statistics, notifications), servers (adding, draining), sessions.
 * Sizes are in bytes, times in milliseconds since 1970. Secrets are taken and never given back.
 */
export interface HealthAnswer {
  readonly state: "healthy" | "degraded" | "read-only" | "unavailable";
  readonly sentence: string;
}

export interface StatusAnswer {
  readonly health: HealthAnswer;
  /** null before this server has read the cluster's state. */
  readonly cluster: { readonly id: string; readonly name: string; readonly targetName: string; /** One copy of everything. */ readonly evaluation: boolean } | null;
  readonly servers: readonly ServerAnswer[];
  readonly drives: readonly DriveAnswer[];
  readonly groups: GroupsAnswer;
  readonly capacity: CapacityAnswer;
  /** Whether the cluster store answers this server; when not, all of the above is what it last knew. */
  readonly store: { readonly answering: boolean; readonly silentMs: number };
  /** What does not stop anything yet and needs an administrator. */
  readonly alerts: readonly string[];
  readonly scrub: ScrubAnswer;
  /** Keys of the cluster store that could not be read, with why. Normally none. */
  readonly unreadable: readonly { readonly key: string; readonly reason: string }[];
}

export interface ServerAnswer {
  readonly name: string;
  readonly up: boolean;
  readonly address: string;
  /** "ADDRESS:PORT" of its iSCSI portal. */
  readonly portal: string;
  /** Base URL of its API. */
  readonly api: string;
}

/** The scrub that an administrator asked for last, if any. */
export interface ScrubAnswer {
  /** Milliseconds since 1970; null = none was asked for. */
  readonly askedAtMs: number | null;
  readonly deep: boolean;
  readonly doneGroups: number;
  readonly groups: number;
  /** Drives at work on a scrub of any kind now. */
  readonly runningDrives: number;
}

export interface DriveAnswer {
  readonly id: string;
  readonly server: string;
  readonly up: boolean;
  readonly capacityBytes: number;
  /** null when the drive has not said. */
  readonly usedBytes: number | null;
}

export interface GroupsAnswer {
  readonly total: number;
  readonly missing: number;
  readonly serving: number;
  readonly settling: number;
  readonly starting: number;
  readonly peering: number;
  readonly waiting: number;
  readonly unserved: number;
  readonly short: number;
  readonly recovering: number;
  readonly recoveryCopiedBytes: number;
  readonly recoveryRemainingBytes: number;
}

export interface CapacityAnswer {
  readonly rawBytes: number;
  readonly usableBytes: number;
  readonly usableFactor2Bytes: number;
  readonly provisionedBytes: number;
  readonly provisionedRawBytes: number;
  readonly usedBytes: number;
}

export interface DrivesAnswer {
  readonly drives: readonly DriveDetailAnswer[];
  readonly source: Source;
}
export interface DriveDetailAnswer {
  /** Of a drive that failed before it was ever registered: its directory. */
  readonly id: string;
  readonly server: string;
  /** failed: not started until it is released; not-obeying: it doubts the cluster store and serves nothing. */
  readonly state: "up" | "down" | "failed" | "not-obeying";
  readonly capacityBytes: number;
  /** null when the drive has not said. */
  readonly usedBytes: number | null;
  /** Its newest run. */
  readonly instance: number;
  readonly failed: { readonly atMs: number; readonly why: string } | null;
  /** Of one that does not obey the store: its proof. */
  readonly why: string | null;
  /** Content that lost against another copy, kept for an administrator to look at. */
  readonly parked: { readonly files: number; readonly bytes: number; readonly dropped: number } | null;
  readonly alerts: readonly string[];
  /** null: not being drained. POST and DELETE /drives/:id/drain answer this type, too. */
  readonly drain: DrainAnswer | null;
}
export interface DriveReleaseAnswer {
  readonly id: string;
  readonly server: string;
  /** Else it is started when its server is. */
  readonly serverIsUp: boolean;
}

export interface VolumeCreateBody {
  readonly name: string;
  readonly sizeBytes: number;
  /** Replication factor: copies minus one. Default 1; in an evaluation 0, and nothing else. */
  readonly factor?: 0 | 1 | 2;
}
export interface VolumeAnswer {
  readonly id: number;
  readonly name: string;
  readonly sizeBytes: number;
  readonly factor: 0 | 1 | 2;
  /** factor + 1. */
  readonly copies: number;
  readonly createdAtMs: number;
  readonly mappings: readonly { readonly host: string; readonly lun: number }[];
}
/** POST /volumes/:name: a volume only grows. Answers VolumeCreateAnswer. */
export interface VolumeChangeBody {
  readonly sizeBytes: number;
}
export interface VolumeCreateAnswer extends VolumeAnswer {
  /** Something that the administrator should know although the volume was created. */
  readonly warning?: string;
}
/** Lists say whether they come from the cluster store or, while it does not answer, from this server's copy. */
export interface VolumesAnswer {
  readonly volumes: readonly VolumeAnswer[];
  readonly source: Source;
}
export type Source = "store" | "last-known";

export interface HostCreateBody {
  readonly name: string;
  readonly iqns: readonly string[];
  readonly chap?: { readonly user: string; readonly secret: string };
}
/** POST /hosts/:name: what is not named stays; chap null takes CHAP away. */
export interface HostChangeBody {
  readonly iqns?: readonly string[];
  readonly chap?: { readonly user: string; readonly secret: string } | null;
}
export interface HostAnswer {
  readonly name: string;
  readonly iqns: readonly string[];
  /** null: no CHAP. */
  readonly chapUser: string | null;
  readonly mappings: readonly { readonly volume: string; readonly lun: number }[];
}
export interface HostsAnswer {
  readonly hosts: readonly HostAnswer[];
  readonly source: Source;
}

export interface MappingCreateBody {
  readonly volume: string;
  readonly host: string;
  /** Default: the lowest that the host has free. */
  readonly lun?: number;
}
export interface MappingAnswer {
  readonly volume: string;
  readonly host: string;
  readonly lun: number;
}
export interface MappingCreateAnswer extends MappingAnswer {
  /** One for each portal: iscsi://ADDRESS:PORT/TARGET/LUN. */
  readonly urls: readonly string[];
  readonly chapUser: string | null;
}
export interface MappingsAnswer {
  readonly mappings: readonly MappingAnswer[];
  readonly source: Source;
}

/** Problem details (RFC 9457), application/problem+json. `type` is "about:blank"; `code` tells programs what it was. */
export interface ProblemAnswer {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ProblemCode;
}
/** POST /lone-survivor: on the server that is asked, these others are taken for lost until the cluster store answers again. */
export interface LoneBody {
  readonly servers: readonly string[];
}
export interface LoneAnswer {
  readonly server: string;
  readonly servers: readonly string[];
  /** Servers that were not named: data that they share is not read without them. */
  readonly others: readonly string[];
}
/** POST /accept-loss (R23): what only these drives have is given up. Without `confirm` nothing is changed. */
export interface AcceptLossBody {
  readonly drives: readonly string[];
  /** All drives of these servers. */
  readonly servers: readonly string[];
  /** No drive need be named: groups all of whose copies answer and none is known to be whole. */
  readonly damaged?: boolean;
  /** The cluster's name. */
  readonly confirm?: string;
  /** Servers that are off for certain, though nothing proves it. */
  readonly confirmDown?: readonly string[];
}
export interface AcceptLossAnswer {
  /** False: only told what would be done. */
  readonly done: boolean;
  readonly drives: readonly string[];
  /** Servers of named drives of which nothing proves that they are down. */
  readonly unproved: readonly string[];
  readonly groups: readonly { readonly group: string; /** null: no copy is left. */ readonly copy: { readonly drive: string; readonly server: string } | null; readonly lacks: string }[];
  /** Groups that do not serve and stay as they are. */
  readonly left: readonly { readonly group: string; readonly why: string }[];
  readonly volumes: readonly string[];
  /** Provisioned size of what lies in the groups. */
  readonly bytes: number;
  /** Servers whose portals have not confirmed that the sessions of these volumes have ended. */
  readonly portalsSilent: readonly string[];
}
export type ProblemCode =
  | "bad-request"
  | "unauthorized"
  | "wrong-login"
  | "too-many-attempts"
  | "forbidden"
  | "cross-site"
  | "not-found"
  | "name-taken"
  | "wrong-code"
  | "iqn-taken"
  | "lun-taken"
  | "already-mapped"
  | "in-use"
  | "no-free-lun"
  | "too-few-servers"
  | "limit-reached"
  | "not-possible"
  | "body-too-large"
  | "wrong-type"
  | "busy"
  | "not-ready"
  | "store-unavailable"
  | "portals-silent"
  | "outcome-unknown"
  | "bug";
