/**
 * The cluster store: small, strongly consistent state. One interface, three implementations (etcd, the embedded SQLite
 * process, and one in memory for simulation), one contract suite. Values are JSON text; callers validate them.
 */
export interface ClusterStore {
  /** Linearizable. Rejects with `StoreUnavailable` when no quorum answers in time. */
  get(key: string): Promise<Read>;
  /** Linearizable, all keys that begin with `prefix`, sorted by key. Rejects with `StoreUnavailable`. */
  range(prefix: string): Promise<Range>;
  /**
   * All of `puts` and `deletes` happen at one revision if every compare holds, else nothing does. Never retried inside, so
   * `unknown` (no answer, or an ambiguous one) means that it may yet take effect (R8). Never rejects.
   */
  transact(transaction: Transaction): Promise<Outcome>;
  /**
   * Calls `events.snapshot` with the whole prefix first, and again after any gap (reconnection, compaction), and
   * `events.changed` for what comes between, in revision order. A hint to the rules: acting needs a fresh `get`.
   */
  watch(prefix: string, events: WatchEvents): Watch;
  /** A lease kept alive by itself; its keys vanish `ttlMs` after this process stops. Rejects with `StoreUnavailable`. */
  lease(ttlMs: number): Promise<StoreLease>;
  close(): Promise<void>;
}

export interface Versioned {
  readonly key: string;
  readonly value: string;
  /** Revision of the store at which this key was last written; never 0. */
  readonly revision: number;
}
/** Where an answer came from: the store's cluster id and its revision when it answered (R14). */
export interface Origin {
  readonly storeId: string;
  readonly revision: number;
}
export interface Read extends Origin {
  readonly found: Versioned | null;
}
export interface Range extends Origin {
  readonly entries: readonly Versioned[];
}
export interface Compare {
  readonly key: string;
  /** The key's revision must be this; 0 means that the key must not exist. */
  readonly revision: number;
}
export interface Transaction {
  readonly compares: readonly Compare[];
  readonly puts?: readonly { readonly key: string; readonly value: string; readonly lease?: StoreLease }[];
  readonly deletes?: readonly string[];
}
export type Outcome =
  | { readonly outcome: "success"; readonly revision: number }
  | { readonly outcome: "refused" }
  | { readonly outcome: "unknown"; readonly reason: string };

export interface WatchEvents {
  snapshot(entries: readonly Versioned[], origin: Origin): void;
  /** `value` null: deleted. */
  changed(changes: readonly Change[], origin: Origin): void;
}
export interface Change {
  readonly key: string;
  readonly value: string | null;
  readonly revision: number;
}
export interface Watch {
  /** After it no event is called. Idempotent. */
  close(): void;
}
export interface StoreLease {
  readonly id: string;
  /** Called once when the lease has ended without `revoke`: its keys are gone or will be. */
  onLost(run: () => void): void;
  revoke(): Promise<void>;
}
export class StoreUnavailable extends Error {
  override name = "StoreUnavailable";
}
