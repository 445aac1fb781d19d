import type { Clock } from "../platform.ts";
import { StoreUnavailable } from "../store.ts";
import type { Change, ClusterStore, Origin, Outcome, Range, Read, StoreLease, Transaction, Versioned, Watch, WatchEvents } from "../store.ts";
import { KeptLease } from "./kept-lease.ts";
import { checkKey, checkLeaseTtl, checkPrefix, checkTransaction, REQUEST_DEADLINE_MS } from "./limits.ts";

/**
 * What becomes of one transaction: `lost` never arrives, `unanswered` takes effect at once but its answer is lost, and
 * `lateMs` takes effect (if its compares then hold) that long after it was sent and is never answered.
 */
export type TransactionFate = "normal" | "lost" | "unanswered" | { readonly lateMs: number };

export interface MemoryStoreOptions {
  readonly clock: Clock;
  readonly storeId?: string;
  /** Time one message takes, asked for each; must be deterministic in a simulation. Default 0. */
  readonly latencyMs?: () => number;
  /** For one request; default REQUEST_DEADLINE_MS. */
  readonly deadlineMs?: number;
  /** Asked for every transaction that a reachable client sends to an available store. */
  readonly fate?: (transaction: Transaction, client: string) => TransactionFate;
}

type Settings = Required<Pick<MemoryStoreOptions, "latencyMs" | "deadlineMs" | "fate">>;

interface Entry extends Versioned {
  readonly lease: string | null;
}

/** What a backup of the store holds. */
export interface MemoryBackup {
  readonly storeId: string;
  readonly revision: number;
  readonly entries: readonly Entry[];
  readonly leases: readonly { readonly id: string; readonly ttlMs: number }[];
}

/** The cluster store as one object in memory. Deterministic: all time comes from `clock`, all chance from the options. */
export class MemoryStore {
  readonly clock: Clock;
  storeId: string;
  revision = 1;
  readonly #entries = new Map<string, Entry>();
  readonly #leases = new Map<string, { readonly ttlMs: number; readonly cancel: () => void }>();
  readonly #clients = new Set<MemoryClient>();
  /** What its clients work with. */
  readonly settings: Settings;
  #available = true;
  #leaseCount = 0;

  constructor(options: MemoryStoreOptions) {
    this.clock = options.clock;
    this.storeId = options.storeId ?? "memory";
    this.settings = {
      latencyMs: options.latencyMs ?? (() => 0),
      deadlineMs: options.deadlineMs ?? REQUEST_DEADLINE_MS,
      fate: options.fate ?? (() => "normal"),
    };
  }

  /** A client of its own, as each process has one. `name` is given to `fate`. */
  client(name = "client", deadlineMs = this.settings.deadlineMs): MemoryClient {
    const client = new MemoryClient(this, name, { ...this.settings, deadlineMs });
    this.#clients.add(client);
    return client;
  }

  get available(): boolean {
    return this.#available;
  }

  /** Without a quorum nothing is answered and nothing changes; leases get a full time to live when it is back, as in etcd. */
  setAvailable(available: boolean): void {
    if (this.#available === available) return;
    this.#available = available;
    for (const [id, lease] of [...this.#leases]) {
      if (available) this.#armLease(id, lease.ttlMs);
      else lease.cancel();
    }
    for (const client of this.#clients) client.connectivityChanged();
  }

  /** Everything as it is now, leases included. */
  backup(): MemoryBackup {
    return { storeId: this.storeId, revision: this.revision, entries: [...this.#entries.values()], leases: [...this.#leases].map(([id, { ttlMs }]) => ({ id, ttlMs })) };
  }

  /** The store is as it was then; `storeId` when it knows that it went back, as etcd does. Watches begin anew, leases get a full time to live. */
  restore(backup: MemoryBackup, storeId = backup.storeId): void {
    for (const lease of this.#leases.values()) lease.cancel();
    this.#leases.clear();
    this.#entries.clear();
    for (const entry of backup.entries) this.#entries.set(entry.key, entry);
    for (const { id, ttlMs } of backup.leases) this.#armLease(id, ttlMs);
    this.revision = backup.revision;
    this.storeId = storeId;
    for (const client of this.#clients) client.connectivityChanged();
  }

  // ---- what clients ask; all synchronous, at one instant ----

  origin(): Origin {
    return { storeId: this.storeId, revision: this.revision };
  }

  find(key: string): Versioned | null {
    const entry = this.#entries.get(key);
    return entry === undefined ? null : { key, value: entry.value, revision: entry.revision };
  }

  list(prefix: string): Versioned[] {
    const found: Versioned[] = [];
    for (const { key, value, revision } of this.#entries.values()) if (key.startsWith(prefix)) found.push({ key, value, revision });
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  apply(transaction: Transaction): Outcome {
    for (const { key, revision } of transaction.compares) {
      if ((this.#entries.get(key)?.revision ?? 0) !== revision) return { outcome: "refused" };
    }
    for (const { lease } of transaction.puts ?? []) if (lease !== undefined && !this.#leases.has(lease.id)) return { outcome: "refused" };
    const next = this.revision + 1;
    const changes: Change[] = [];
    for (const { key, value, lease } of transaction.puts ?? []) {
      this.#entries.set(key, { key, value, revision: next, lease: lease?.id ?? null });
      changes.push({ key, value, revision: next });
    }
    for (const key of transaction.deletes ?? []) {
      if (this.#entries.delete(key)) changes.push({ key, value: null, revision: next });
    }
    this.#publish(changes);
    return { outcome: "success", revision: this.revision };
  }

  grant(ttlMs: number): string {
    const id = `lease-${++this.#leaseCount}`;
    this.#armLease(id, ttlMs);
    return id;
  }

  keepAlive(id: string): boolean {
    const lease = this.#leases.get(id);
    if (lease !== undefined) this.#armLease(id, lease.ttlMs);
    return lease !== undefined;
  }

  revoke(id: string): void {
    this.#leases.get(id)?.cancel();
    if (!this.#leases.delete(id)) return;
    const changes: Change[] = [];
    for (const { key, lease } of [...this.#entries.values()]) {
      if (lease !== id) continue;
      this.#entries.delete(key);
      changes.push({ key, value: null, revision: this.revision + 1 });
    }
    this.#publish(changes);
  }

  forget(client: MemoryClient): void {
    this.#clients.delete(client);
  }

  #armLease(id: string, ttlMs: number): void {
    this.#leases.get(id)?.cancel();
    const timer = this.clock.timer(ttlMs, () => this.revoke(id));
    this.#leases.set(id, { ttlMs, cancel: () => timer.cancel() });
  }

  #publish(changes: readonly Change[]): void {
    if (changes.length === 0) return;
    this.revision++;
    const origin = this.origin();
    for (const client of this.#clients) client.published(changes, origin);
  }
}

interface MemoryWatch {
  readonly prefix: string;
  readonly events: WatchEvents;
  /** What is on its way. Each arrival hands out the oldest, so that a later message never overtakes an earlier one. */
  readonly onItsWay: (() => void)[];
  /** Counts connections: messages of an earlier one are dropped. */
  connection: number;
  closed: boolean;
}

/** One process's way to a `MemoryStore`. */
export class MemoryClient implements ClusterStore {
  readonly name: string;
  readonly #store: MemoryStore;
  readonly #settings: Settings;
  readonly #watches = new Set<MemoryWatch>();
  readonly #leases = new Set<KeptLease>();
  #reachable = true;
  #closed = false;

  constructor(store: MemoryStore, name: string, settings: Settings) {
    this.#store = store;
    this.name = name;
    this.#settings = settings;
  }

  /** Cuts this one client off, or brings it back. */
  setReachable(reachable: boolean): void {
    if (this.#reachable === reachable) return;
    this.#reachable = reachable;
    this.connectivityChanged();
  }

  async get(key: string): Promise<Read> {
    checkKey(key);
    return this.#ask(() => ({ ...this.#store.origin(), found: this.#store.find(key) }));
  }

  async range(prefix: string): Promise<Range> {
    checkPrefix(prefix);
    return this.#ask(() => ({ ...this.#store.origin(), entries: this.#store.list(prefix) }));
  }

  async transact(transaction: Transaction): Promise<Outcome> {
    checkTransaction(transaction);
    const fate = this.#connected() ? this.#settings.fate(transaction, this.name) : "lost";
    if (typeof fate === "object") this.#store.clock.timer(fate.lateMs, () => this.#store.available && this.#store.apply(transaction));
    try {
      return await this.#ask(() => {
        if (fate === "lost" || typeof fate === "object") return null;
        const outcome = this.#store.apply(transaction);
        return fate === "unanswered" ? null : outcome;
      });
    } catch (error) {
      return { outcome: "unknown", reason: (error as Error).message };
    }
  }

  watch(prefix: string, events: WatchEvents): Watch {
    checkPrefix(prefix);
    const watch: MemoryWatch = { prefix, events, onItsWay: [], connection: 0, closed: false };
    this.#watches.add(watch);
    this.#snapshot(watch);
    return {
      close: () => {
        watch.closed = true;
        this.#watches.delete(watch);
      },
    };
  }

  async lease(ttlMs: number): Promise<StoreLease> {
    checkLeaseTtl(ttlMs);
    const sentMs = this.#store.clock.nowMs();
    const id = await this.#ask(() => this.#store.grant(ttlMs));
    const lease: KeptLease = new KeptLease(
      id,
      ttlMs,
      sentMs,
      this.#store.clock,
      {
        keepAlive: (leaseId, deadlineMs) => this.#ask(() => this.#store.keepAlive(leaseId), deadlineMs),
        revoke: (leaseId) => this.#ask(() => this.#store.revoke(leaseId) ?? true).then(() => undefined),
      },
      () => this.#leases.delete(lease),
    );
    if (this.#closed) lease.abandon();
    else this.#leases.add(lease);
    return lease;
  }

  /** Also what the end of the process looks like to the store: leases run out, nothing is called any more. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const watch of this.#watches) watch.closed = true;
    this.#watches.clear();
    for (const lease of [...this.#leases]) lease.abandon();
    this.#store.forget(this);
  }

  /** Called by the store. */
  connectivityChanged(): void {
    for (const watch of this.#watches) {
      watch.connection++;
      if (this.#connected()) this.#snapshot(watch);
    }
  }

  /** Called by the store. */
  published(changes: readonly Change[], origin: Origin): void {
    if (!this.#connected()) return;
    for (const watch of this.#watches) {
      const own = changes.filter(({ key }) => key.startsWith(watch.prefix));
      if (own.length > 0) this.#deliver(watch, () => watch.events.changed(own, origin));
    }
  }

  #connected(): boolean {
    return this.#reachable && this.#store.available && !this.#closed;
  }

  #snapshot(watch: MemoryWatch): void {
    if (!this.#connected()) return;
    const entries = this.#store.list(watch.prefix);
    const origin = this.#store.origin();
    this.#deliver(watch, () => watch.events.snapshot(entries, origin));
  }

  #deliver(watch: MemoryWatch, run: () => void): void {
    const { connection } = watch;
    watch.onItsWay.push(() => {
      if (!watch.closed && watch.connection === connection) run();
    });
    this.#store.clock.timer(this.#settings.latencyMs(), () => watch.onItsWay.shift()?.());
  }

  /** Runs `act` at the store after one latency and gives its result after another; null means that no answer comes. */
  #ask<T>(act: () => T | null, deadlineMs = this.#settings.deadlineMs): Promise<T> {
    const { clock } = this.#store;
    return new Promise<T>((resolve, reject) => {
      if (this.#closed) return reject(new StoreUnavailable("the cluster store's client is closed"));
      const timer = clock.timer(deadlineMs, () => {
        reject(new StoreUnavailable(`the cluster store did not answer within ${deadlineMs} ms`));
      });
      clock.timer(this.#settings.latencyMs(), () => {
        if (!this.#connected()) return;
        const result = act();
        if (result === null) return;
        clock.timer(this.#settings.latencyMs(), () => {
          if (!this.#connected()) return;
          timer.cancel();
          resolve(result);
        });
      });
    });
  }
}
