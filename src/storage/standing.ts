import { groupFactor, groupName, keys, type GroupConfig, type PoolFactor, type RecoveryReport } from "../cluster/schema.ts";
import type { GroupId, VolumeId } from "../base/ids.ts";
import { storeReplaced } from "../cluster/adoption.ts";
import { ClusterMap } from "../cluster/map.ts";
import type { Clock, Log } from "../platform/platform.ts";
import { StoreUnavailable, type ClusterStore } from "../platform/store.ts";
import { NO_ENTRY } from "../wire/entry.ts";
import type { Drive, StoreMemory } from "./drive/drive.ts";

/** Pause before the store is asked or told again. */
const AGAIN_MS = 500;
/** What was given to the journal before the alarm is durable by then, on a drive that has no replica to ask with. */
const QUIET_MS = 1000;

/** Why a drive does not obey the store as it is. */
export interface Objection {
  readonly why: string;
  /** It shows that this store is not, or no longer, the one that the drive knows. */
  readonly evidence: boolean;
  /** The restore is done and this drive's report was part of it: it obeys the store from now on. */
  readonly adopted: boolean;
}

/**
 * R14: what speaks against obeying this store. `map` must have been read after everything that `memory` and `configs` hold was
 * seen; then a store that never went back cannot be below them. Pure.
 */
export function objection(drive: string, memory: StoreMemory, configs: ReadonlyMap<GroupId, GroupConfig>, map: ClusterMap): Objection | null {
  const { cluster } = map;
  if (!cluster) return { why: "the cluster store is empty", evidence: false, adopted: false };
  const proof = (why: string): Objection => ({ why, evidence: true, adopted: false });
  const { incarnation, restore } = cluster;
  if (storeReplaced(cluster, map.storeId)) return proof(`the cluster store has the id ${map.storeId} now, it had ${cluster.storeId}`);
  if (memory.incarnation > incarnation) return proof(`this drive remembers incarnation ${memory.incarnation}, the cluster store is of ${incarnation}`);
  if (memory.incarnation === incarnation && memory.storeId !== "") {
    if (memory.storeId !== map.storeId) return proof(`this drive remembers the store ${memory.storeId}, this one is ${map.storeId}`);
    if (memory.revision > map.revision) return proof(`this drive remembers revision ${memory.revision}, the cluster store is at ${map.revision}`);
  }
  if (memory.incarnation === incarnation)
    for (const [group, config] of configs) {
      // A group not seen since the last restore is judged by the one that adopted it.
      if (config.incarnation !== incarnation) continue;
      const stored = map.groups.get(group)?.config;
      if (!stored) return proof(`the cluster store does not know group ${groupName(group)}, which this drive has`);
      if (config.epoch > stored.epoch) return proof(`this drive remembers epoch ${config.epoch} of group ${groupName(group)}, the cluster store has ${stored.epoch}`);
      // X29: one epoch, two configurations.
      if (config.epoch === stored.epoch && config.nonce !== stored.nonce) return proof(`the cluster store has another configuration for epoch ${config.epoch} of group ${groupName(group)} than this drive`);
    }
  if (restore && !restore.done) return { why: "the cluster store was restored and the drives have not all reported yet", evidence: false, adopted: false };
  // A drive that was never in any cluster's service has nothing to compare.
  if (memory.incarnation === incarnation || (memory.storeId === "" && configs.size === 0)) return null;
  const adopted = restore !== undefined && map.recovery.get(drive as never)?.round === restore.round;
  return { why: adopted ? "the restore is done" : `this drive is of incarnation ${memory.incarnation} and was not there when the cluster store was restored`, evidence: false, adopted };
}

export interface StandingEvents {
  /** Everything is to stop at once: no message is answered, nothing is proposed. */
  alarm(): void;
  /** As after a start. */
  good(): void;
}

/**
 * R14: whether this drive obeys the cluster store.
 *
 *            an objection, confirmed by a fresh read
 *     good -----------------------------------------> alarm: reports to recovery/<drive>
 *       ^                                               |
 *       +-----------------------------------------------+
 *            none any more, confirmed; or the restore is done and this drive took part
 */
export class Standing {
  readonly #drive: Drive;
  readonly #map: ClusterMap;
  readonly #store: ClusterStore;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #server: string;
  readonly #events: StandingEvents;
  #good: boolean;
  #asking = false;
  #working = false;
  #closed = false;
  /** Counts alarms: what was begun before one has no effect after it. */
  #generation = 0;
  #reported = "";
  /** Counts the times that the store was found without a report of this drive. */
  #forgotten = 0;
  /** R22: until it is registered this may be a copied disk, that must not report in the name of the drive whose copy it is. */
  #registered = false;

  constructor(world: { drive: Drive; map: ClusterMap; store: ClusterStore; clock: Clock; log: Log; server: string }, events: StandingEvents) {
    this.#drive = world.drive;
    this.#map = world.map;
    this.#store = world.store;
    this.#clock = world.clock;
    this.#log = world.log;
    this.#server = world.server;
    this.#events = events;
    // Until the first look nothing is obeyed: `begin` says.
    this.#good = false;
  }

  get good(): boolean {
    return this.#good;
  }
  get generation(): number {
    return this.#generation;
  }
  /** R14: a drive of this cluster has proof that the store went back: until that is settled nobody changes a configuration. */
  get doubted(): boolean {
    const incarnation = this.#map.cluster?.incarnation ?? 0;
    for (const report of this.#map.recovery.values()) if (report.evidence !== null && report.incarnation >= incarnation) return true;
    return false;
  }

  /** Resolves when it is known once whether the store is obeyed; `map` holds what was read from it at the start. */
  async begin(): Promise<void> {
    if (this.#object(this.#drive.memory, this.#map) === null) return this.#obey();
    while (!this.#closed && !(await this.#confirm())) await this.#pause();
  }

  /** The watch begins after this, and with it whatever is to be reported. */
  registered(): void {
    this.#registered = true;
  }
  close(): void {
    this.#closed = true;
  }

  /** The map has changed; `all`: by a snapshot, so that the store may be another one. */
  changed(keysChanged: readonly string[], all: boolean): void {
    if (this.#closed) return;
    const own = keys.recovery(this.#drive.id);
    // Taken back once more, the store may have forgotten what it was told.
    if (all && !this.#map.recovery.has(this.#drive.id)) {
      this.#reported = "";
      this.#forgotten += 1;
    }
    if (all || keysChanged.some((key) => key === keys.cluster || key === own)) this.#look();
    else if (this.#good) this.#drive.remember(this.#map.revision);
  }

  #look(): void {
    const found = this.#object(this.#drive.memory, this.#map);
    if (found === null && this.#good) {
      this.#drive.remember(this.#map.revision);
      if (this.#map.recovery.has(this.#drive.id)) void this.#withdraw();
      return;
    }
    if (found !== null && !this.#good) return void this.#work();
    void this.#settle();
  }

  /** A change is believed only when a read that began after all that is remembered says so too: the watch may lag. */
  async #settle(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    while (!this.#closed && !(await this.#confirm())) await this.#pause();
    this.#asking = false;
    // The watch has yet to show what the read has shown, or the reverse.
    if ((this.#object(this.#drive.memory, this.#map) === null) !== this.#good) this.#lookLater();
  }

  /** True: the store has answered. */
  async #confirm(): Promise<boolean> {
    const { memory } = this.#drive;
    const configs = this.#configs();
    const fresh = new ClusterMap();
    try {
      const { entries, revision, storeId } = await this.#store.range("");
      fresh.snapshot(entries, revision, storeId);
    } catch (error) {
      if (error instanceof StoreUnavailable) return false;
      throw error;
    }
    if (this.#closed) return true;
    const found = objection(this.#drive.id, memory, configs, fresh);
    if (found === null && !this.#good) await this.#obey(fresh);
    else if (found !== null && this.#good) this.#alarm();
    if (found !== null) void this.#work();
    return true;
  }

  async #obey(map = this.#map): Promise<void> {
    const { storeId, incarnation } = this.#drive.memory;
    const now: StoreMemory = { storeId: map.storeId, revision: map.revision, incarnation: map.cluster?.incarnation ?? incarnation };
    // The first store that a drive obeys is remembered before anything is done under it.
    if (storeId !== now.storeId || incarnation !== now.incarnation) await this.#drive.obeyStore(now);
    if (this.#closed) return;
    this.#reported = "";
    this.#good = true;
    this.#events.good();
  }

  #alarm(): void {
    this.#good = false;
    this.#generation += 1;
    this.#events.alarm();
  }

  /** While in alarm: reports for each round, and takes part again when the restore is done. */
  async #work(): Promise<void> {
    if (this.#working || !this.#registered) return;
    this.#working = true;
    try {
      for (let found = this.#object(this.#drive.memory, this.#map); !this.#good && !this.#closed && found !== null; found = this.#object(this.#drive.memory, this.#map)) {
        if (found.adopted) {
          const { cluster, storeId, revision } = this.#map;
          await this.#drive.obeyStore({ storeId, revision, incarnation: cluster?.incarnation ?? 0 });
          this.#log.info("R14: the restore is done; this drive obeys the cluster store again", { incarnation: cluster?.incarnation });
          continue;
        }
        if (!this.#map.cluster || this.#reported === this.#reportName(found)) return;
        const name = this.#reportName(found);
        await this.#quiet();
        const forgotten = this.#forgotten;
        if (!(await this.#report(found))) await this.#pause();
        else if (forgotten === this.#forgotten) this.#reported = name;
      }
    } finally {
      this.#working = false;
    }
    if (this.#object(this.#drive.memory, this.#map) === null) void this.#settle();
  }

  #reportName({ why }: Objection): string {
    const { storeId, cluster } = this.#map;
    return `${storeId} ${cluster?.incarnation} ${cluster?.restore?.round} ${cluster?.restore?.done} ${why}`;
  }

  async #report({ why, evidence }: Objection): Promise<boolean> {
    const { cluster, clusterRevision } = this.#map;
    this.#log.error("this drive does not obey the cluster store as it is and serves nothing; it reports what it holds", { why, ...this.#drive.memory });
    const drive = this.#drive;
    const purged = new Map<VolumeId, PoolFactor>();
    for (const image of drive.images.values()) for (const id of image.purged) purged.set(id, groupFactor(image.group));
    const report: RecoveryReport = {
      drive: drive.id,
      server: this.#server as RecoveryReport["server"],
      instance: drive.instance,
      round: cluster?.restore && !cluster.restore.done ? cluster.restore.round : null,
      evidence: evidence ? why : null,
      ...drive.memory,
      groups: [...drive.images.values()].map(({ group, config, log, committed, incomplete, damaged }) => ({ group, config, last: log.last, committed, incomplete, damaged })),
      purged: [...purged].map(([id, factor]) => ({ id, factor })),
      volumes: [...new Set(drive.extents().map(({ volume }) => volume))],
    };
    const { outcome } = await this.#store.transact({
      // A report is for the round that it was made in.
      compares: [{ key: keys.cluster, revision: clusterRevision }],
      puts: [{ key: keys.recovery(drive.id), value: JSON.stringify(report) }],
    });
    return outcome === "success";
  }

  /** Resolves when everything that was given to the journal before the alarm is durable: nothing changes what is reported. */
  #quiet(): Promise<void> {
    const [image] = this.#drive.images.values();
    return new Promise((resolve) => {
      if (image) this.#drive.append({ type: "committed", group: image.group, id: image.committed, settled: NO_ENTRY }, resolve);
      else this.#clock.timer(QUIET_MS, resolve);
    });
  }

  async #withdraw(): Promise<void> {
    await this.#store.transact({ compares: [{ key: keys.cluster, revision: this.#map.clusterRevision }], deletes: [keys.recovery(this.#drive.id)] });
  }

  #object(memory: StoreMemory, map: ClusterMap): Objection | null {
    return objection(this.#drive.id, memory, this.#configs(), map);
  }
  #configs(): Map<GroupId, GroupConfig> {
    const configs = new Map<GroupId, GroupConfig>();
    for (const image of this.#drive.images.values()) if (image.config) configs.set(image.group, image.config);
    return configs;
  }
  #lookLater(): void {
    this.#clock.timer(AGAIN_MS, () => this.#closed || this.#look());
  }
  #pause(): Promise<void> {
    return new Promise((resolve) => void this.#clock.timer(AGAIN_MS, resolve));
  }
}
