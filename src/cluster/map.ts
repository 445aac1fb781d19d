import type { DriveId, GroupId, ServerName, VolumeId } from "../base/ids.ts";
import * as leaving from "./leaving.ts";
import * as schema from "./schema.ts";
import type { Change, Versioned } from "../platform/store.ts";

/**
 * The cluster map: a typed copy of the store's keys, kept by a watch. It may lag behind the store; rules that need the
 * present read the store itself. Pure: events in, typed maps out.
 */
export class ClusterMap {
  cluster: schema.ClusterRecord | null = null;
  leader: string | null = null;
  settings: schema.ClusterSettings = schema.DEFAULT_SETTINGS;
  /** null: reads and writes. */
  mode: schema.ClusterMode | null = null;
  /** 0: the key is not there. */
  modeRevision = 0;
  /** Groups that `mode` says have no serving member. */
  unservedGroups: ReadonlySet<number> = new Set();
  readonly servers = new Map<ServerName, schema.ServerRecord>();
  readonly drives = new Map<DriveId, schema.DriveRecord>();
  readonly upDrives = new Map<DriveId, schema.Up>();
  readonly upServers = new Map<ServerName, schema.Up>();
  readonly upGateways = new Map<number, schema.GatewayUp>();
  /** Portals that do not reach drives which serve. */
  readonly away = new Map<number, schema.AwayRecord>();
  readonly observed = new Map<DriveId, schema.Observed>();
  readonly deaths = new Map<string, schema.Death>();
  readonly pools = new Map<number, schema.PoolRecord>();
  readonly groups = new Map<GroupId, { config: schema.GroupConfig; revision: number }>();
  readonly plans = new Map<GroupId, { plan: schema.GroupPlan; revision: number }>();
  readonly volumes = new Map<VolumeId, schema.VolumeRecord>();
  readonly volumeIds = new Map<string, VolumeId>();
  readonly tombstones = new Map<VolumeId, schema.Tombstone>();
  readonly scrubs = new Map<GroupId, schema.ScrubRecord>();
  scrubWanted: schema.ScrubRecord | null = null;
  readonly hosts = new Map<string, schema.HostRecord>();
  readonly mappings = new Map<string, schema.MappingRecord>();
  /** R26: changes that every portal is to confirm. */
  readonly fences = new Map<number, schema.FenceRecord>();
  /** Drives that are not started until they are released, by server. */
  readonly failedDrives = new Map<ServerName, schema.FailedDrives>();
  /** R26: gateways that are shut out. */
  readonly bans = new Map<number, schema.BanRecord>();
  /** Drives and servers that are to hold nothing any more. */
  readonly drivesDraining = new Map<DriveId, leaving.DrainRecord>();
  readonly serversDraining = new Map<ServerName, leaving.DrainRecord>();
  readonly drivesRemoved = new Map<DriveId, leaving.RemovedDrive>();
  /** R14: what drives say that do not obey this store. */
  readonly recovery = new Map<DriveId, schema.RecoveryReport>();
  /** Of the record `cluster`; 0 before it is there. */
  clusterRevision = 0;
  /** The store that the last snapshot came from; "" when it was not said. */
  storeId = "";
  /** Keys that did not parse, with why; shown by status, never fatal. */
  readonly invalid = new Map<string, string>();
  /** Revision of the last event applied; 0 before the first snapshot. */
  revision = 0;
  readonly #known = new Set<string>();

  /** Replaces everything. Returns the keys that were added, changed or removed (all of them, without comparing values). */
  snapshot(entries: readonly Versioned[], revision: number, storeId = ""): string[] {
    // After a restore of the store its revision may be lower than before.
    this.revision = 0;
    this.storeId = storeId;
    const present = new Set(entries.map((entry) => entry.key));
    const gone = [...this.#known].filter((key) => !present.has(key));
    return [
      ...this.changed(gone.map((key) => ({ key, value: null, revision })), revision),
      ...this.changed(entries, revision),
    ];
  }

  /** Applies changes in order and returns their keys. */
  changed(changes: readonly Change[], revision: number): string[] {
    for (const change of changes) this.#apply(change);
    this.revision = Math.max(this.revision, revision);
    return changes.map((change) => change.key);
  }

  #apply({ key, value, revision }: Change): void {
    if (value === null) this.#known.delete(key);
    else this.#known.add(key);
    this.invalid.delete(key);
    try {
      this.#route(key, value, revision);
    } catch (error) {
      this.invalid.set(key, error instanceof Error ? error.message : String(error));
    }
  }

  #route(key: string, value: string | null, revision: number): void {
    const slash = key.indexOf("/");
    const kind = slash < 0 ? key : key.slice(0, slash);
    const rest = slash < 0 ? "" : key.slice(slash + 1);
    switch (kind) {
      case "cluster":
        this.cluster = value === null ? null : schema.parseValue(schema.clusterRecord, key, value);
        this.clusterRevision = value === null ? 0 : revision;
        return;
      case "monitor":
        this.leader = value === null ? null : String(JSON.parse(value));
        return;
      case "mode":
        this.modeRevision = value === null ? 0 : revision;
        this.mode = value === null ? null : schema.parseValue(schema.clusterMode, key, value);
        this.unservedGroups = new Set(this.mode?.groups);
        return;
      case "settings":
        this.settings = value === null ? schema.DEFAULT_SETTINGS : schema.parseValue(schema.clusterSettings, key, value);
        return;
      case "server":
        return put(this.servers, rest as ServerName, value && schema.parseValue(schema.serverRecord, key, value));
      case "drive":
        return put(this.drives, rest as DriveId, value && schema.parseValue(schema.driveRecord, key, value));
      case "up":
        return this.#routeUp(key, rest, value);
      case "away":
        return put(this.away, Number(rest), value && schema.parseValue(schema.away, key, value));
      case "fence":
        return put(this.fences, Number(rest), value && schema.parseValue(schema.fenceRecord, key, value));
      case "failed":
        return put(this.failedDrives, rest as ServerName, value && schema.parseValue(schema.failedDrives, key, value));
      case "banned":
        return put(this.bans, Number(rest), value && schema.parseValue(schema.banRecord, key, value));
      case "drain":
        return this.#routeDrain(key, rest, value);
      case "removed":
        if (rest.startsWith("drive/")) put(this.drivesRemoved, rest.slice(6) as DriveId, value && schema.parseValue(leaving.removedDrive, key, value));
        return;
      case "recovery":
        return put(this.recovery, rest as DriveId, value && schema.parseValue(schema.recoveryReport, key, value));
      case "observed":
        return put(this.observed, rest as DriveId, value && schema.parseValue(schema.observed, key, value));
      case "death":
        return put(this.deaths, rest, value && schema.parseValue(schema.death, key, value));
      case "pool":
        return put(this.pools, Number(rest), value && schema.parseValue(schema.poolRecord, key, value));
      case "pg":
        return put(this.groups, schema.parseGroupName(rest), value && { config: schema.parseValue(schema.groupConfig, key, value), revision });
      case "pg-plan":
        return put(this.plans, schema.parseGroupName(rest), value && { plan: schema.parseValue(schema.groupPlan, key, value), revision });
      case "volume":
        return put(this.volumes, Number(rest) as VolumeId, value && schema.parseValue(schema.volumeRecord, key, value));
      case "volume-name":
        return put(this.volumeIds, rest, value && (Number(JSON.parse(value)) as VolumeId));
      case "tombstone":
        return put(this.tombstones, Number(rest) as VolumeId, value && schema.parseValue(schema.tombstone, key, value));
      case "scrub":
        return put(this.scrubs, schema.parseGroupName(rest), value && schema.parseValue(schema.scrubRecord, key, value));
      case "scrub-wanted":
        this.scrubWanted = value === null ? null : schema.parseValue(schema.scrubRecord, key, value);
        return;
      case "host":
        return put(this.hosts, rest, value && schema.parseValue(schema.hostRecord, key, value));
      case "mapping":
        return put(this.mappings, rest, value && schema.parseValue(schema.mappingRecord, key, value));
      default:
        return;
    }
  }

  #routeDrain(key: string, rest: string, value: string | null): void {
    const [kind, id = ""] = rest.split("/");
    if (kind === "drive") put(this.drivesDraining, id as DriveId, value && schema.parseValue(leaving.drainRecord, key, value));
    else if (kind === "server") put(this.serversDraining, id as ServerName, value && schema.parseValue(leaving.drainRecord, key, value));
  }

  #routeUp(key: string, rest: string, value: string | null): void {
    const [kind, id = ""] = rest.split("/");
    if (kind === "drive") put(this.upDrives, id as DriveId, value && schema.parseValue(schema.up, key, value));
    else if (kind === "server") put(this.upServers, id as ServerName, value && schema.parseValue(schema.up, key, value));
    else if (kind === "gateway") put(this.upGateways, Number(id), value && schema.parseValue(schema.gatewayUp, key, value));
  }
}

function put<K, V>(map: Map<K, V>, key: K, value: V | null | "" | 0): void {
  if (value === null || value === "" || value === 0) map.delete(key);
  else map.set(key, value);
}
