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
/** When no other portal could take the hosts, or the store did not say so. */
const AGAIN_MS = 2_000;

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
 *   here --> asking --> away
 *    ^ '-------'         |
 *    '-------------------'
 */
type State = "here" | "asking" | "away";

/**
 * A portal that cannot reach a primary which lives and serves is in the way: its hosts wait, though another portal would answer. It tells the
 * store, makes sure that another one stays, and drops its sessions, so that multipath takes another path. It comes back when it reaches
 * those drives again, or when no other portal is left. Hosts with one path alone wait until then.
 */
export class Away {
  readonly #context: AwayContext;
  #state: State = "here";
  #notBeforeMs = -Infinity;
  #sinceMs = 0;
  #lease: StoreLease | null = null;
  #revision = 0;
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
    if (this.#state === "here" && !silent && nowMs >= this.#notBeforeMs) {
      const unreached = reach.unreached(nowMs);
      if (unreached.length > 0 && this.#otherStays(Infinity)) void this.#ask(unreached);
    }
    if (this.#state !== "away") return;
    const back = this.#whyBack(silent, nowMs);
    if (back === null) door.suspend(SUSPENDED_MS, "drives that serve cannot be reached from here");
    else this.#comeBack(back);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#withdraw();
  }

  /** The word comes first: of portals that ask at the same time, the one whose word came last sees those of all others, and stays. */
  async #ask(unreached: readonly Unreached[]): Promise<void> {
    this.#state = "asking";
    if (!(await this.#mayLeave(unreached))) {
      await this.#withdraw();
      this.#notBeforeMs = this.#context.clock.nowMs() + AGAIN_MS;
      this.#state = "here";
      return;
    }
    this.#state = "away";
    this.#sinceMs = this.#context.clock.nowMs();
    this.#drives.clear();
    for (const { drive, instance } of unreached) this.#drives.set(drive, { instance, heardSinceMs: Infinity });
    const names = unreached.map(({ drive }) => `${drive} of ${this.#context.map.drives.get(drive)?.server ?? "an unknown server"}`);
    this.#context.log.warn("this portal drops its sessions, so that hosts take another path: drives that serve cannot be reached from this server; check the network between the servers", { drives: names });
    this.look(false);
  }

  async #mayLeave(unreached: readonly Unreached[]): Promise<boolean> {
    const { store, instance, server, reach, clock } = this.#context;
    const record: AwayRecord = { instance, server, drives: unreached.map(({ drive }) => drive) };
    try {
      const lease = (this.#lease = await store.lease(LEASE_MS));
      // Without its word others may count on this portal: it takes hosts again.
      lease.onLost(() => {
        if (this.#lease === lease) this.#comeBack("the store has let go of its word");
      });
      const outcome = await store.transact({ compares: [], puts: [{ key: keys.away(instance), value: JSON.stringify(record), lease }] });
      if (outcome.outcome !== "success" || this.#closed) return false;
      this.#revision = outcome.revision;
      const [away, up] = await Promise.all([store.range("away/"), store.range("up/gateway/")]);
      const gone = new Map(away.entries.map(({ key, revision }) => [Number(key.slice("away/".length)), revision]));
      const others = up.entries.map(({ key, value }) => parseValue(gatewayUp, key, value));
      // What was unread in this process for a while is read by now.
      return this.#someStays(others, (id) => gone.get(id), this.#revision) && this.#lease === lease && reach.unreached(clock.nowMs()).length > 0;
    } catch {
      // The store does not answer: hosts are dropped by the rule for that, if it lasts.
      return false;
    }
  }

  #whyBack(silent: boolean, nowMs: number): string | null {
    const { map, reach } = this.#context;
    if (silent) return "the cluster store is silent";
    if (map.mode) return "the cluster is read-only";
    if (!this.#otherStays(this.#revision)) return "no other portal takes hosts";
    let settled = true;
    for (const [drive, known] of this.#drives) {
      const heard = reach.probe(drive, nowMs);
      known.heardSinceMs = heard ? Math.min(known.heardSinceMs, nowMs) : Infinity;
      if (reach.serves(drive, known.instance) && nowMs - known.heardSinceMs < SETTLED_MS) settled = false;
    }
    return settled && nowMs - this.#sinceMs >= AWAY_MS_MIN ? "the drives are reached again, or others serve instead" : null;
  }

  #comeBack(why: string): void {
    if (this.#state === "away") {
      this.#state = "here";
      this.#notBeforeMs = this.#context.clock.nowMs() + AGAIN_MS;
      this.#context.log.info("this portal takes hosts again", { reason: why });
    }
    void this.#withdraw();
  }

  #otherStays(beforeRevision: number): boolean {
    const { map } = this.#context;
    return this.#someStays(map.upGateways.values(), (id) => map.away.get(id)?.revision, beforeRevision);
  }
  /** Whether a portal of another server takes hosts: it has not gone away, or only after `beforeRevision`, and so finds that it must stay if it is the last. */
  #someStays(portals: Iterable<GatewayUp>, awayAt: (id: number) => number | undefined, beforeRevision: number): boolean {
    for (const { instance, server } of portals) if (server !== this.#context.server && (awayAt(instance) ?? Infinity) >= beforeRevision) return true;
    return false;
  }

  async #withdraw(): Promise<void> {
    const lease = this.#lease;
    this.#lease = null;
    await lease?.revoke().catch(() => undefined);
  }
}
