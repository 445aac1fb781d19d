import { keys } from "../cluster/schema.ts";
import { assert } from "../base/assert.ts";
import type { Platform, Timer } from "../platform/platform.ts";
import type { ClusterStore, Outcome, StoreLease, Transaction, Watch } from "../platform/store.ts";

/** How long the cluster is without a leader after its server is lost. Nothing urgent waits for the monitor. */
export const LEADER_TTL_MS = 5_000;
/** Pause before another attempt: to stand again, or after the store did not answer. */
export const LEADER_RETRY_MS = 1_000;

/**
 * Leadership by lease on `monitor/leader`, one state after the other:
 *
 *                 the key is gone
 *     following -----------------> standing --- success ---> leading
 *         ^                            |                        |
 *         +----------------------------+------------------------+
 *              refused, unknown            lease lost, key changed
 *
 * Two may believe that they lead for a moment; only one of them can write, since every write compares the revision at
 * which the leader took the key.
 */
type State =
  | { readonly name: "following" }
  | { readonly name: "standing" }
  | { readonly name: "leading"; readonly lease: StoreLease; readonly revision: number; readonly sinceMs: number };

export class Leadership {
  readonly #platform: Platform;
  readonly #store: ClusterStore;
  readonly #server: string;
  readonly #changed: () => void;
  #state: State = { name: "following" };
  #watch: Watch | null = null;
  #retry: Timer | null = null;
  /** Revision of the key as last seen by the watch; 0: it is not there. */
  #seenRevision = 0;
  #stopped = false;
  /** The attempt under way, which `stop` waits for. */
  #standing: Promise<void> = Promise.resolve();

  /** `changed` is called when this server begins or ceases to lead. */
  constructor(platform: Platform, store: ClusterStore, server: string, changed: () => void) {
    this.#platform = platform;
    this.#store = store;
    this.#server = server;
    this.#changed = changed;
  }

  get leading(): boolean {
    return this.#state.name === "leading";
  }
  /** Since when this server leads, in the platform's clock. Only while leading. */
  get sinceMs(): number {
    assert(this.#state.name === "leading", "only a leader knows since when it leads");
    return this.#state.sinceMs;
  }

  start(): void {
    assert(this.#watch === null, "leadership is started once");
    this.#watch = this.#store.watch(keys.leader, {
      snapshot: (entries, origin) => this.#seen(entries.find((entry) => entry.key === keys.leader)?.revision ?? 0, origin.revision),
      changed: (changes) => {
        for (const { key, value, revision } of changes) if (key === keys.leader) this.#seen(value === null ? 0 : revision, revision);
      },
    });
  }

  /** Gives the key back at once, so that another server need not wait for the lease to end. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#watch?.close();
    this.#retry?.cancel();
    await this.#standing;
    if (this.#state.name !== "leading") return;
    const { lease } = this.#state;
    this.#state = { name: "following" };
    await giveBack(lease);
  }

  /** A write of the leader: refused when another has led since. */
  async transact(transaction: Transaction): Promise<Outcome> {
    if (this.#state.name !== "leading") return { outcome: "refused" };
    const compares = [{ key: keys.leader, revision: this.#state.revision }, ...transaction.compares];
    return this.#store.transact({ ...transaction, compares });
  }

  /** `revision` 0: the key is not there. `atRevision`: the store's when that was so. */
  #seen(revision: number, atRevision: number): void {
    if (this.#stopped) return;
    this.#seenRevision = revision;
    if (this.#state.name === "leading") {
      // The watch may still be telling of what was before this server took the key.
      const old = atRevision < this.#state.revision;
      if (!old && revision !== this.#state.revision) this.#depose("the cluster store names another leader or none");
    } else if (revision === 0) this.#stand();
  }

  #stand(): void {
    if (this.#stopped || this.#state.name !== "following") return;
    this.#retry?.cancel();
    this.#state = { name: "standing" };
    this.#standing = this.#take();
  }

  async #take(): Promise<void> {
    let lease: StoreLease;
    try {
      lease = await this.#store.lease(LEADER_TTL_MS);
    } catch {
      // No quorum: nobody leads, and nobody needs to.
      return this.#follow();
    }
    let lost = false;
    lease.onLost(() => {
      lost = true;
      if (this.#state.name === "leading" && this.#state.lease === lease) this.#depose("its lease has ended");
    });
    const outcome = await this.#store.transact({
      compares: [{ key: keys.leader, revision: 0 }],
      puts: [{ key: keys.leader, value: JSON.stringify(this.#server), lease }],
    });
    if (outcome.outcome !== "success" || lost || this.#stopped) {
      // Also settles an unknown outcome: without its lease the key goes, or is never put.
      await giveBack(lease);
      return this.#follow();
    }
    this.#state = { name: "leading", lease, revision: outcome.revision, sinceMs: this.#platform.clock.nowMs() };
    this.#platform.log.info(`The monitor of ${this.#server} leads the cluster from now on.`);
    this.#changed();
  }

  #follow(): void {
    this.#state = { name: "following" };
    this.#retry?.cancel();
    // The watch tells when the key goes; this is for an attempt that failed while there was none.
    if (!this.#stopped) this.#retry = this.#platform.clock.timer(LEADER_RETRY_MS, () => this.#retryNow());
  }

  #retryNow(): void {
    if (this.#seenRevision === 0) this.#stand();
  }

  #depose(why: string): void {
    assert(this.#state.name === "leading", "only a leader is deposed");
    const { lease } = this.#state;
    this.#platform.log.warn(`The monitor of ${this.#server} no longer leads the cluster: ${why}.`);
    this.#follow();
    void giveBack(lease);
    this.#changed();
  }
}

/** A lease that cannot be given back ends by itself. */
async function giveBack(lease: StoreLease): Promise<void> {
  try {
    await lease.revoke();
  } catch {
    // The store does not answer; nothing keeps the lease alive any more.
  }
}
