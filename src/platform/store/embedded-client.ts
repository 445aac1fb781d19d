import type { Platform, Timer } from "../platform.ts";
import { StoreUnavailable } from "../store.ts";
import type { ClusterStore, Origin, Outcome, Range, Read, StoreLease, Transaction, Versioned, Watch, WatchEvents } from "../store.ts";
import { EmbeddedConnection } from "./embedded-connection.ts";
import type { Answer, Request } from "./embedded-protocol.ts";
import { KeptLease } from "./kept-lease.ts";
import { checkKey, checkLeaseTtl, checkPrefix, checkTransaction, REQUEST_DEADLINE_MS } from "./limits.ts";

export interface EmbeddedClientOptions {
  readonly platform: Platform;
  readonly socketPath: string;
  /** For one request; default REQUEST_DEADLINE_MS. */
  readonly deadlineMs?: number;
}

/** Requests that wait for an answer. A start-up asks for a few hundred; more than this means that nobody waits for them. */
const REQUESTS_MAX = 4096;

type Body = Request extends infer Each ? (Each extends Request ? Omit<Each, "id"> : never) : never;

interface Pending {
  readonly request: Request;
  /** May be asked again on the next connection: it changes nothing, or changing it twice is the same. */
  readonly repeatable: boolean;
  readonly timer: Timer;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: StoreUnavailable) => void;
  readonly entries: Versioned[];
  sent: boolean;
}

interface EmbeddedWatch {
  readonly prefix: string;
  readonly events: WatchEvents;
  /** The connection's first list, until it is complete; then null. */
  snapshot: Versioned[] | null;
  changes: { key: string; value: string | null; revision: number }[];
}

/** A client of the embedded store. It connects, and after a loss reconnects, by itself. */
export function embeddedStore(options: EmbeddedClientOptions): ClusterStore {
  return new EmbeddedClient(options);
}

class EmbeddedClient implements ClusterStore {
  readonly #platform: Platform;
  readonly #deadlineMs: number;
  readonly #connection: EmbeddedConnection;
  readonly #pending = new Map<number, Pending>();
  readonly #watches = new Map<number, EmbeddedWatch>();
  readonly #leases = new Set<KeptLease>();
  #lastId = 0;
  #closed = false;

  constructor({ platform, socketPath, deadlineMs }: EmbeddedClientOptions) {
    this.#platform = platform;
    this.#deadlineMs = deadlineMs ?? REQUEST_DEADLINE_MS;
    this.#connection = new EmbeddedConnection(platform, socketPath, {
      opened: () => this.#opened(),
      answered: (answer) => this.#answered(answer),
      lost: (reason) => this.#lost(reason),
    });
  }

  async get(key: string): Promise<Read> {
    checkKey(key);
    const { entries, origin } = await this.#list({ ask: "get", key });
    return { ...origin, found: entries[0] ?? null };
  }

  async range(prefix: string): Promise<Range> {
    checkPrefix(prefix);
    const { entries, origin } = await this.#list({ ask: "range", prefix });
    return { ...origin, entries };
  }

  async transact(transaction: Transaction): Promise<Outcome> {
    checkTransaction(transaction);
    try {
      const answer = await this.#ask({
        ask: "transact",
        compares: [...transaction.compares],
        puts: (transaction.puts ?? []).map(({ key, value, lease }) => ({ key, value, lease: lease?.id ?? null })),
        deletes: [...(transaction.deletes ?? [])],
      });
      if (answer.kind === "success") return { outcome: "success", revision: answer.revision };
      if (answer.kind === "refused") return { outcome: "refused" };
      return { outcome: "unknown", reason: `the cluster store answered ${answer.kind}` };
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      return { outcome: "unknown", reason: error.message };
    }
  }

  watch(prefix: string, events: WatchEvents): Watch {
    checkPrefix(prefix);
    const id = this.#newId();
    this.#watches.set(id, { prefix, events, snapshot: [], changes: [] });
    this.#connection.send({ id, ask: "watch", prefix });
    return {
      close: () => {
        if (this.#watches.delete(id)) this.#connection.send({ id, ask: "unwatch" });
      },
    };
  }

  async lease(ttlMs: number): Promise<StoreLease> {
    checkLeaseTtl(ttlMs);
    const sentMs = this.#platform.clock.nowMs();
    const answer = await this.#ask({ ask: "grant", ttlMs });
    if (answer.kind !== "lease") throw unexpected(answer);
    const lease: KeptLease = new KeptLease(
      answer.lease,
      ttlMs,
      sentMs,
      this.#platform.clock,
      {
        keepAlive: async (id, deadlineMs) => {
          const kept = await this.#ask({ ask: "keepAlive", lease: id }, deadlineMs);
          if (kept.kind !== "alive") throw unexpected(kept);
          return kept.alive;
        },
        revoke: async (id) => {
          const revoked = await this.#ask({ ask: "revoke", lease: id });
          if (revoked.kind !== "done") throw unexpected(revoked);
        },
      },
      () => this.#leases.delete(lease),
    );
    if (this.#closed) lease.abandon();
    else this.#leases.add(lease);
    return lease;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#watches.clear();
    for (const lease of [...this.#leases]) lease.abandon();
    for (const id of [...this.#pending.keys()]) this.#fail(id, "the cluster store's client is closed");
    this.#connection.close();
  }

  async #list(body: Body & { ask: "get" | "range" }): Promise<{ entries: Versioned[]; origin: Origin }> {
    const answer = await this.#ask(body);
    if (answer.kind !== "entries") throw unexpected(answer);
    return { entries: answer.entries as Versioned[], origin: { storeId: answer.storeId, revision: answer.revision } };
  }

  #ask(body: Body, deadlineMs = this.#deadlineMs): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new StoreUnavailable("the cluster store's client is closed"));
      if (this.#pending.size >= REQUESTS_MAX) {
        return reject(new StoreUnavailable(`${REQUESTS_MAX} requests wait for the cluster store already`));
      }
      const id = this.#newId();
      const timer = this.#platform.clock.timer(deadlineMs, () => {
        this.#fail(id, `the cluster store did not answer within ${deadlineMs} ms`);
      });
      const request = { id, ...body } as Request;
      const repeatable = request.ask !== "transact" && request.ask !== "grant";
      const sent = this.#connection.send(request);
      this.#pending.set(id, { request, repeatable, timer, resolve, reject, entries: [], sent });
    });
  }

  #opened(): void {
    for (const pending of this.#pending.values()) pending.sent = this.#connection.send(pending.request);
    for (const [id, watch] of this.#watches) {
      watch.snapshot = [];
      watch.changes = [];
      this.#connection.send({ id, ask: "watch", prefix: watch.prefix });
    }
  }

  /** What may have taken effect is unknown from now on; the rest is asked again when there is a connection. */
  #lost(reason: string): void {
    for (const [id, pending] of this.#pending) {
      if (pending.sent && !pending.repeatable) this.#fail(id, `the connection to the cluster store was lost: ${reason}`);
      else {
        pending.sent = false;
        pending.entries.length = 0;
      }
    }
  }

  #answered(answer: Answer): void {
    const watch = this.#watches.get(answer.id);
    if (watch !== undefined) return this.#watched(watch, answer);
    const pending = this.#pending.get(answer.id);
    // Late, after its deadline; or a watch's, after its close.
    if (pending === undefined) return;
    if (answer.kind === "failed") return this.#fail(answer.id, answer.reason);
    if (answer.kind === "entries") {
      pending.entries.push(...answer.entries);
      if (answer.more) return;
    }
    pending.timer.cancel();
    this.#pending.delete(answer.id);
    pending.resolve(answer.kind === "entries" ? { ...answer, entries: pending.entries } : answer);
  }

  #watched(watch: EmbeddedWatch, answer: Answer): void {
    const origin: Origin = { storeId: answer.storeId, revision: answer.revision };
    if (answer.kind === "entries" && watch.snapshot !== null) {
      watch.snapshot.push(...answer.entries);
      if (answer.more) return;
      const entries = watch.snapshot;
      watch.snapshot = null;
      watch.events.snapshot(entries, origin);
    } else if (answer.kind === "changes" && watch.snapshot === null) {
      watch.changes.push(...answer.changes);
      if (answer.more) return;
      const { changes } = watch;
      watch.changes = [];
      watch.events.changed(changes, origin);
    } else {
      this.#platform.log.error("The cluster store does not serve a watch", { prefix: watch.prefix, answer: answer.kind });
      this.#connection.reconnect("it answered a watch with what is no list");
    }
  }

  #fail(id: number, reason: string): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    pending.timer.cancel();
    pending.reject(new StoreUnavailable(reason));
  }

  #newId(): number {
    return ++this.#lastId;
  }
}

function unexpected(answer: Answer): StoreUnavailable {
  return new StoreUnavailable(`the cluster store gave an answer of the wrong kind: ${answer.kind}`);
}
