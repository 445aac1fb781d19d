import type { DriveId, Instance, ServerName } from "../base/ids.ts";
import type { ClusterMap } from "../cluster/map.ts";
import { gatewayUp, keys, parseValue, type AwayRecord, type GatewayUp } from "../cluster/schema.ts";
import type { Clock, Log } from "../platform/platform.ts";
import type { ClusterStore, StoreLease } from "../platform/store.ts";
import type { Reach, Unreached } from "../volume/reach.ts";

/** As `up/gateway`: a portal that stopped is soon nobody on whom others would have to count. */
const LEASE_MS = 5_000;
/** A host that is sent away too often has no path to settle on. */
export const AWAY_MS_MIN = 20_000;
/** A drive is reached again when it was heard all through this: a link that flaps is no way. */
const SETTLED_MS = 5_000;
/** Each look, twice a second, asks for so much more: hosts come back soon after the last one. */
const SUSPENDED_MS = 2_000;
/** Between two looks for a portal that could take the hosts. */
const AGAIN_MS = 2_000;
/** A portal that had to come back, since no other one did better, stays for so long. */
const STAYS_MS = 60_000;

/** What drops the sessions of a portal: each call closes those that are there and takes none for `ms`. */
export interface Door {
  suspend(ms: number, reason: string): void;
}
export interface AwayContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly store: ClusterStore;
  readonly map: ClusterMap;
  readonly reach: Reach;
  readonly door: Door;
  readonly instance: Instance;
  readonly server: ServerName;
}

/**
 *   here --> asking --> complaining   stays, since no other portal would do better
 *    ^         ^ |        |    ^
 *    |         | '--> away ----'
 *    '---------+--------'
 */
type State = "here" | "asking" | "complaining" | "away";

/**
 * A portal that cannot reach a primary which lives and serves is in the way: its hosts wait, though another portal would answer. It tells the
 * store, and as long as a portal of a third server has no such complaint it drops its sessions, so that multipath takes another path. A portal
 * on the server of that drive does not count: whom it does not reach is most likely this server. It comes back when it reaches those drives
 * again, or when nobody does better. Hosts with one path alone wait until then.
 */
export class Away {
  readonly #context: AwayContext;
  #state: State = "here";
  #notBeforeMs = -Infinity;
  #sinceMs = 0;
  #lease: StoreLease | null = null;
  /** Whom it did not reach, with since when each has been heard without a pause. */
  readonly #drives = new Map<DriveId, { readonly instance: Instance; heardSinceMs: number }>();
  #closed = false;

  constructor(context: AwayContext) {
    this.#context = context;
  }
  get away(): boolean {
    return this.#state === "away";
  }

  /** To be called twice a second. `silent`: the cluster store does not answer this process. */
  look(silent: boolean): void {
    const { clock, reach, door } = this.#context;
    const nowMs = clock.nowMs();
    if (this.#state === "here" || this.#state === "complaining") {
      const unreached = silent ? [] : reach.unreached(nowMs);
      if (unreached.length === 0) return this.#withdrawn();
      if (nowMs >= this.#notBeforeMs) void this.#ask(unreached);
    }
    if (this.#state !== "away") return;
    const better = this.#better(this.#context.map.upGateways.values(), (id) => this.#context.map.away.has(id));
    const back = this.#whyBack(silent, nowMs);
    if (back !== null) {
      this.#comeBack(back);
      return this.#withdrawn();
    }
    if (better) return door.suspend(SUSPENDED_MS, "drives that serve cannot be reached from here");
    this.#comeBack("no other portal does better");
    this.#notBeforeMs = nowMs + STAYS_MS;
    this.#state = "complaining";
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#withdraw();
  }

  /** The word comes first: of portals that ask at the same time each sees the others' complaints, so that none relies on one that leaves too. */
  async #ask(unreached: readonly Unreached[]): Promise<void> {
    const { clock, map, log } = this.#context;
    this.#state = "asking";
    this.#drives.clear();
    for (const { drive, instance } of unreached) this.#drives.set(drive, { instance, heardSinceMs: Infinity });
    const leaves = await this.#mayLeave(unreached);
    this.#notBeforeMs = clock.nowMs() + AGAIN_MS;
    if (this.#closed) return void this.#withdraw();
    if (!leaves) {
      this.#state = this.#lease === null ? "here" : "complaining";
      return;
    }
    this.#state = "away";
    this.#sinceMs = clock.nowMs();
    const names = unreached.map(({ drive }) => `${drive} of ${map.drives.get(drive)?.server ?? "an unknown server"}`);
    log.warn("this portal drops its sessions, so that hosts take another path: drives that serve cannot be reached from this server; check the network between the servers", { drives: names });
    this.look(false);
  }

  async #mayLeave(unreached: readonly Unreached[]): Promise<boolean> {
    const { store, instance, reach, clock } = this.#context;
    try {
      if (this.#lease === null && !(await this.#complain(unreached))) return false;
      const lease = this.#lease;
      const [away, up] = await Promise.all([store.range("away/"), store.range("up/gateway/")]);
      const complaints = new Set(away.entries.map(({ key }) => key));
      const others = up.entries.map(({ key, value }) => parseValue(gatewayUp, key, value));
      // What was unread in this process for a while is read by now.
      return this.#better(others, (id) => complaints.has(keys.away(id))) && complaints.has(keys.away(instance)) && this.#lease === lease && reach.unreached(clock.nowMs()).length > 0;
    } catch {
      // The store does not answer: hosts are dropped by the rule for that, if it lasts.
      return false;
    }
  }

  async #complain(unreached: readonly Unreached[]): Promise<boolean> {
    const { store, instance, server } = this.#context;
    const record: AwayRecord = { instance, server, drives: unreached.map(({ drive }) => drive) };
    const lease = (this.#lease = await store.lease(LEASE_MS));
    // Without its word others may rely on this portal: it takes hosts again.
    lease.onLost(() => {
      if (this.#lease !== lease) return;
      this.#lease = null;
      this.#comeBack("the store has let go of its word");
    });
    const { outcome } = await store.transact({ compares: [], puts: [{ key: keys.away(instance), value: JSON.stringify(record), lease }] });
    if (outcome === "success") return true;
    await this.#withdraw();
    return false;
  }

  /** Whether a portal of another server than this one and those of the drives reaches everything, as far as it has said. */
  #better(portals: Iterable<GatewayUp>, complains: (id: number) => boolean): boolean {
    const servers = new Set<ServerName | undefined>([this.#context.server, ...[...this.#drives.keys()].map((drive) => this.#context.map.drives.get(drive)?.server)]);
    for (const { instance, server } of portals) if (!servers.has(server) && !complains(instance)) return true;
    return false;
  }

  #whyBack(silent: boolean, nowMs: number): string | null {
    const { map, reach } = this.#context;
    if (silent) return "the cluster store is silent";
    if (map.mode) return "the cluster is read-only";
    let settled = true;
    for (const [drive, known] of this.#drives) {
      const heard = reach.probe(drive, nowMs);
      known.heardSinceMs = heard ? Math.min(known.heardSinceMs, nowMs) : Infinity;
      if (reach.serves(drive, known.instance) && !(nowMs - known.heardSinceMs >= SETTLED_MS)) settled = false;
    }
    return settled && nowMs - this.#sinceMs >= AWAY_MS_MIN ? "the drives are reached again, or others serve instead" : null;
  }

  #comeBack(why: string): void {
    if (this.#state === "away") this.#context.log.info("this portal takes hosts again", { reason: why });
    if (this.#state !== "asking") this.#state = "here";
  }
  #withdrawn(): void {
    this.#state = "here";
    if (this.#lease !== null) void this.#withdraw();
  }

  async #withdraw(): Promise<void> {
    const lease = this.#lease;
    this.#lease = null;
    await lease?.revoke().catch(() => undefined);
  }
}
