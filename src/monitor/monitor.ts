import type { DriveId, Epoch, Instance } from "../base/ids.ts";
import { assert } from "../base/assert.ts";
import { awayText } from "../cluster/health-sentence.ts";
import { gatherFacts } from "../cluster/health.ts";
import { ClusterMap } from "../cluster/map.ts";
import { isDraining } from "../cluster/progress.ts";
import { DRIVE_FAILED, keys, RECREATE_MAX_MS, RECREATE_MIN_MS, serversMin } from "../cluster/schema.ts";
import type { ClusterMode, GroupConfig, GroupPlan, PoolRecord } from "../cluster/schema.ts";
import type { Platform, Timer } from "../platform/platform.ts";
import type { ClusterStore, Transaction, Watch } from "../platform/store.ts";
import { Leadership } from "./leader.ts";
import { Liveness } from "./liveness.ts";
import { nextMode, Unserved } from "./mode.ts";
import { initialPlacement } from "./placement.ts";
import type { PlacedGroup } from "./placement.ts";
import { plan, PLAN_SETTINGS } from "./plan.ts";
import type { PlanChange, PlanDrive, PlanInput, PlanSettings } from "./plan.ts";
import { restoreStep } from "./restore.ts";
import { Forming, GROUPS_PER_TRANSACTION, poolState, upDrives } from "./pools.ts";

/** Time-outs run out between changes, so the plan is looked at this often even when nothing changes. */
const LOOK_INTERVAL_MS = 1_000;
/** Changes come in swarms (a server with twelve drives goes): one look for all of them. */
const DEBOUNCE_MS = 100;
/** Wishes written by one transaction: within what every store accepts. */
const WISHES_PER_TRANSACTION = 63;
/** Changes worth an early look. Others, such as what drives observe of themselves all the time, wait for the next tick. */
const PROMPT_KEYS = /^(cluster$|recovery\/|server\/|drive\/|up\/|death\/|pool\/|pg\/|pg-plan\/|drain\/|removed\/|settings$)/;

/** One server's monitor: watches the cluster, and while it leads creates wanted pools and writes wishes. */
export class Monitor {
  readonly map = new ClusterMap();
  readonly #platform: Platform;
  readonly #store: ClusterStore;
  readonly #settings: Partial<PlanSettings>;
  readonly #leadership: Leadership;
  readonly #liveness = new Liveness();
  readonly #forming = new Forming();
  readonly #unserved: Unserved;
  #watch: Watch | null = null;
  #tick: Timer | null = null;
  #soon: Timer | null = null;
  #looking: Promise<void> | null = null;
  #stopped = false;
  /** Revision of the newest own write: a map older than that would have it written again. */
  #writtenRevision = 0;
  /** The last sentence said on each subject, so that a lasting state is told once. */
  readonly #said = new Map<string, string>();

  constructor(platform: Platform, store: ClusterStore, server: string, settings: Partial<PlanSettings> = {}) {
    this.#platform = platform;
    this.#store = store;
    this.#settings = settings;
    this.#unserved = new Unserved(platform.clock.nowMs());
    this.#leadership = new Leadership(platform, store, server, () => {
      this.#said.clear();
      this.#forming.reset();
      this.#lookSoon();
    });
  }

  get leading(): boolean {
    return this.#leadership.leading;
  }

  start(): void {
    assert(this.#watch === null, "a monitor is started once");
    this.#watch = this.#store.watch("", {
      snapshot: (entries, origin) => {
        this.map.snapshot(entries, origin.revision, origin.storeId);
        // After a restore the store's revision may be lower than what was written to the one before.
        this.#writtenRevision = 0;
        this.#observe();
      },
      changed: (changes, origin) => {
        const changed = this.map.changed(changes, origin.revision);
        if (changed.some((key) => PROMPT_KEYS.test(key))) this.#observe();
      },
    });
    this.#leadership.start();
    this.#tickLater();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#watch?.close();
    this.#tick?.cancel();
    this.#soon?.cancel();
    await this.#leadership.stop();
    await this.#looking;
  }

  #observe(): void {
    const nowMs = this.#platform.clock.nowMs();
    for (const { level, text } of this.#liveness.observe(this.map, nowMs)) this.#platform.log[level](text);
    this.#forming.observe(this.map, nowMs);
    this.#lookSoon();
  }

  #tickLater(): void {
    this.#tick = this.#platform.clock.timer(LOOK_INTERVAL_MS, () => {
      this.#look();
      this.#tickLater();
    });
  }

  #lookSoon(): void {
    if (this.#stopped || this.#soon !== null) return;
    this.#soon = this.#platform.clock.timer(DEBOUNCE_MS, () => {
      this.#soon = null;
      this.#look();
    });
  }

  /** One look at a time; what a look misses because another is under way, the next tick sees. */
  #look(): void {
    if (this.#stopped || this.#looking !== null || this.map.revision === 0) return;
    // Also while another leads: who takes over must not begin to count anew.
    this.#unserved.observe(this.map, this.#platform.clock.nowMs());
    if (!this.leading) return;
    if (this.map.revision < this.#writtenRevision) return;
    this.#looking = this.#act().finally(() => {
      this.#looking = null;
    });
  }

  async #act(): Promise<void> {
    const { random, clock } = this.#platform;
    const step = restoreStep(this.map, { nonce: () => random.id(), wallMs: () => clock.wallMs() });
    // R14: until every drive obeys this store again there is nothing to plan by.
    if (step !== null) {
      this.#say("restore", step.level, step.sentence);
      await this.#write(step.transactions);
      return;
    }
    const mode = nextMode(this.map, this.#unserved, clock.wallMs(), () => awayText(gatherFacts(this.map, null)));
    // The next look does the rest: after an await this may lead no more.
    if (mode !== "keep") return this.#setMode(mode);
    const changes = this.#planned();
    let poolWanted = false;
    // All decisions of a look are made on one map, before the first await.
    const creations = [...this.map.pools.values()].flatMap((pool) => {
      const groups = this.#missingGroups(pool);
      poolWanted ||= groups !== null;
      return groups === null || groups.length === 0 ? [] : [{ pool, transactions: this.#creation(groups), groups }];
    });
    if (!poolWanted) this.#forming.reset();
    for (const { pool, transactions, groups } of creations) {
      const driveCount = new Set(groups.flatMap((group) => group.wanted)).size;
      if (!(await this.#write(transactions))) return;
      this.#platform.log.info(`Pool ${pool.factor} has got ${groups.length} placement groups with ${pool.factor + 1} copies each, on ${driveCount} drives.`);
    }
    if (await this.#write(this.#wishes(changes))) this.#tellMoves(changes);
  }

  // ---- pools ----

  /** Groups to create now; empty: it waits for servers or drives; null: none is wanted. */
  #missingGroups(pool: PoolRecord): readonly PlacedGroup[] | null {
    const subject = `pool ${pool.factor}`;
    if (this.map.cluster === null) return null;
    const state = poolState(this.map, pool);
    if (state.state === "complete") return null;
    if (state.state === "blocked") {
      this.#say(subject, "error", `Pool ${pool.factor} is not complete and is left as it is: ${state.reason}.`);
      return null;
    }
    const tooFew = serversMin(this.map.cluster) - this.map.servers.size;
    if (tooFew > 0) {
      this.#say(subject, "warn", `Pool ${pool.factor} waits: the cluster has ${this.map.servers.size} of at least ${serversMin(this.map.cluster)} servers. Add ${tooFew} more.`);
      return null;
    }
    const drives = upDrives(this.map).flatMap((id) => (isDraining(this.map, id) ? [] : (this.map.drives.get(id) ?? [])));
    // Cheap, and says whether there are enough servers, before anything is decided on them.
    const enough = initialPlacement(pool, drives, 0);
    if (enough.outcome === "not enough servers") {
      const { neededCount, serverCount } = enough;
      this.#say(subject, "warn", `Pool ${pool.factor} waits: its ${neededCount} copies need drives on ${neededCount} servers, and ${serverCount} of them answer.`);
      return null;
    }
    const waiting = this.#forming.waitReason(this.map, this.#platform.clock.nowMs());
    if (waiting !== null) {
      this.#say(subject, "info", `Pool ${pool.factor} waits: ${waiting}.`);
      return [];
    }
    const placement = initialPlacement(pool, drives, pool.groupCount, state.already);
    assert(placement.outcome === "placed", "enough servers do not become too few between two lines");
    return placement.groups;
  }

  /** Each group's configuration and wish together, and only where there is neither: safe to repeat, safe to be cut short. */
  #creation(groups: readonly PlacedGroup[]): Transaction[] {
    const incarnation = this.map.cluster?.incarnation;
    assert(incarnation !== undefined, "a pool is created in a cluster that has a record");
    return batches(groups, GROUPS_PER_TRANSACTION).map((batch) => ({
      compares: batch.flatMap(({ group }) => [
        { key: keys.group(group), revision: 0 },
        { key: keys.groupPlan(group), revision: 0 },
      ]),
      puts: batch.flatMap(({ group, wanted }) => {
        const config: GroupConfig = {
          incarnation,
          epoch: 1 as Epoch,
          primary: wanted[0] as DriveId,
          primaryInstance: 0 as Instance,
          members: [...wanted],
          learners: [],
          nonce: this.#platform.random.id(),
        };
        return [
          { key: keys.group(group), value: JSON.stringify(config) },
          { key: keys.groupPlan(group), value: wishText(wanted) },
        ];
      }),
    }));
  }

  // ---- wishes ----

  #planned(): readonly PlanChange[] {
    const { changes, stuckCount, drainStuckCount } = plan(this.#planInput());
    if (drainStuckCount === 0) this.#said.delete("drain");
    else this.#say("drain", "warn", `${drainStuckCount} placement groups cannot leave the drives that are drained: no other drive can take them.`);
    if (stuckCount === 0) this.#said.delete("stuck");
    else this.#say("stuck", "warn", `${stuckCount} placement groups stay short of copies: no drive on another server can take them.`);
    return changes;
  }

  #planInput(): PlanInput {
    const { map } = this;
    const drives = new Map<DriveId, PlanDrive>();
    const listed = new Set([...map.failedDrives.values()].flat().map(({ id }) => id));
    const lostInstances = new Map([...map.groups.values()].flatMap(({ config }) => config.loss?.drives.map(({ drive, instance }) => [drive, instance] as const) ?? []));
    for (const [id, { server, capacityBytes, instance }] of map.drives) {
      const { up, sinceMs } = this.#liveness.drives.get(id) ?? { up: false, sinceMs: Infinity };
      const death = map.deaths.get(id);
      // R23: an administrator has said so of this very run of it.
      const lost = !up && lostInstances.get(id) === instance;
      const failed = lost || (!up && (listed.has(id) || (death?.instance === instance && death.reason.startsWith(DRIVE_FAILED))));
      drives.set(id, { id, server, capacityBytes, up, sinceMs, failed, draining: isDraining(map, id) });
    }
    return {
      groups: new Map([...map.groups].map(([id, { config }]) => [id, config])),
      plans: new Map([...map.plans].map(([id, { plan: wish }]) => [id, wish])),
      drives,
      servers: this.#liveness.servers,
      removed: map.drivesRemoved,
      observed: map.observed,
      leadingSinceMs: this.#leadership.sinceMs,
      nowMs: this.#platform.clock.nowMs(),
      settings: this.#planSettings(),
    };
  }

  /** What the administrator has set, unless whoever made this monitor knows better. */
  #planSettings(): PlanSettings {
    const clamped = (ms: number): number => Math.min(Math.max(ms, RECREATE_MIN_MS), RECREATE_MAX_MS);
    const { recreateDriveAfterMs, recreateServerAfterMs } = this.map.settings;
    return { ...PLAN_SETTINGS, driveTimeoutMs: clamped(recreateDriveAfterMs), serverTimeoutMs: clamped(recreateServerAfterMs), ...this.#settings };
  }

  #wishes(changes: readonly PlanChange[]): Transaction[] {
    return batches(changes, WISHES_PER_TRANSACTION).map((batch) => ({
      compares: batch.map(({ group }) => ({ key: keys.groupPlan(group), revision: this.map.plans.get(group)?.revision ?? 0 })),
      puts: batch.map(({ group, wanted }) => ({ key: keys.groupPlan(group), value: wishText(wanted) })),
    }));
  }

  #tellMoves(changes: readonly PlanChange[]): void {
    const counts = new Map<DriveId, number>();
    for (const id of changes.flatMap((change) => change.left)) counts.set(id, (counts.get(id) ?? 0) + 1);
    for (const [id, count] of counts) {
      const server = this.map.drives.get(id)?.server ?? "a server that is not known";
      if (this.#liveness.drives.get(id)?.up) {
        this.#platform.log.info(`Copies of ${count} placement groups move from drive ${id} of ${server} to other drives.`);
        continue;
      }
      this.#platform.log.warn(`Drive ${id} of ${server} is not waited for any longer: its copies of ${count} placement groups are made on other drives.`);
    }
  }

  // ---- read-only ----

  async #setMode(mode: ClusterMode | null): Promise<void> {
    const { map } = this;
    const compares = [{ key: keys.mode, revision: map.modeRevision }];
    if (!(await this.#write([mode === null ? { compares, deletes: [keys.mode] } : { compares, puts: [{ key: keys.mode, value: JSON.stringify(mode) }] }]))) return;
    if (mode === null) this.#platform.log.info("The cluster takes writes again: every group serves.");
    else if (map.mode === null) this.#platform.log.error(`The cluster is read-only: ${mode.groups.length} placement groups have no copy that answers since ${mode.cause}.`);
  }

  // ---- writing ----

  /** Writes in order; false at the first that did not succeed, which the next look makes anew from what the store then holds. */
  async #write(transactions: readonly Transaction[]): Promise<boolean> {
    for (const transaction of transactions) {
      const outcome = await this.#leadership.transact(transaction);
      if (outcome.outcome !== "success") {
        const why = outcome.outcome === "unknown" ? outcome.reason : "something changed meanwhile";
        this.#platform.log.info(`A write of the monitor was not confirmed and is looked at again: ${why}.`);
        return false;
      }
      this.#writtenRevision = outcome.revision;
    }
    return true;
  }

  #say(subject: string, level: "info" | "warn" | "error", text: string): void {
    if (this.#said.get(subject) === text) return;
    this.#said.set(subject, text);
    this.#platform.log[level](text);
  }
}

function wishText(wanted: readonly DriveId[]): string {
  const wish: GroupPlan = { wanted: [...wanted] };
  return JSON.stringify(wish);
}

function batches<T>(items: readonly T[], size: number): T[][] {
  const result: T[][] = [];
  for (let start = 0; start < items.length; start += size) result.push(items.slice(start, start + size));
  return result;
}
