import { assert } from "../../base/assert.ts";
import type { Platform } from "../platform.ts";
import { StoreUnavailable } from "../store.ts";
import type { ClusterStore, Origin, Outcome, Range, Read, StoreLease, Transaction, Versioned, Watch, WatchEvents } from "../store.ts";
import { EtcdUnanswered } from "./etcd-endpoint.ts";
import type { EtcdAddress } from "./etcd-endpoint.ts";
import { EtcdFollower } from "./etcd-follower.ts";
import { EtcdMembers, EtcdRefusal } from "./etcd-members.ts";
import * as message from "./etcd-messages.ts";
import { EtcdWatch } from "./etcd-watch.ts";
import { KeptLease } from "./kept-lease.ts";
import { checkKey, checkLeaseTtl, checkPrefix, checkTransaction, REQUEST_DEADLINE_MS } from "./limits.ts";
import type { TlsIdentity } from "./tls-socket.ts";

export interface EtcdStoreOptions {
  readonly platform: Platform;
  /** Client addresses of the members, the nearest first. */
  readonly endpoints: readonly EtcdAddress[];
  readonly tls?: TlsIdentity;
  /** Whether members that join the store later are asked, too, and those that leave it no more. */
  readonly follow?: boolean;
  /** For one request; default REQUEST_DEADLINE_MS. */
  readonly deadlineMs?: number;
}

/** Keys in one answer of a range, so that a long one does not block the event loop in one piece. */
const PAGE_KEYS = 1_000;

/** The cluster store on etcd. */
export function etcdStore(options: EtcdStoreOptions): ClusterStore {
  return new EtcdStore(options);
}

class EtcdStore implements ClusterStore {
  readonly #platform: Platform;
  readonly #members: EtcdMembers;
  readonly #watches = new Set<EtcdWatch>();
  readonly #leases = new Set<KeptLease>();
  readonly #follower: EtcdFollower | null = null;
  #closed = false;

  constructor({ platform, endpoints, tls, follow, deadlineMs }: EtcdStoreOptions) {
    assert(endpoints.length > 0, "etcd has at least one endpoint");
    this.#platform = platform;
    this.#members = new EtcdMembers(platform, endpoints, tls, deadlineMs ?? REQUEST_DEADLINE_MS);
    if (follow === true) this.#follower = new EtcdFollower(platform, this.#members);
  }

  async get(key: string): Promise<Read> {
    checkKey(key);
    try {
      const { header, kvs } = await this.#members.read("/v3/kv/range", message.getRequest(key), message.rangeAnswer);
      return { ...message.origin(header), found: kvs[0] === undefined ? null : message.versioned(kvs[0]) };
    } catch (error) {
      throw unavailable(error);
    }
  }

  async range(prefix: string): Promise<Range> {
    checkPrefix(prefix);
    const entries: Versioned[] = [];
    let at: Origin | null = null;
    let from = prefix;
    try {
      for (;;) {
        // Later pages are read at the first one's revision, so that all are of one moment.
        const request = message.rangeRequest(prefix, from, PAGE_KEYS, at?.revision ?? 0);
        const { header, kvs, more } = await this.#members.read("/v3/kv/range", request, message.rangeAnswer);
        at ??= message.origin(header);
        for (const found of kvs) entries.push(message.versioned(found));
        const last = entries[entries.length - 1];
        if (!more || last === undefined) return { ...at, entries };
        from = `${last.key}\0`;
      }
    } catch (error) {
      throw unavailable(error);
    }
  }

  async transact(transaction: Transaction): Promise<Outcome> {
    checkTransaction(transaction);
    try {
      const { header, succeeded } = await this.#members.once("/v3/kv/txn", message.transactRequest(transaction), message.transactAnswer);
      return succeeded ? { outcome: "success", revision: Number(header.revision) } : { outcome: "refused" };
    } catch (error) {
      // etcd looks for the leases of all puts before it applies any of them, so nothing has happened.
      if (error instanceof EtcdRefusal && error.code === message.NOT_FOUND) return { outcome: "refused" };
      if (error instanceof EtcdRefusal || error instanceof EtcdUnanswered) return { outcome: "unknown", reason: error.message };
      throw error;
    }
  }

  watch(prefix: string, events: WatchEvents): Watch {
    checkPrefix(prefix);
    if (this.#closed) return { close: () => undefined };
    const watch = new EtcdWatch(this.#platform, this.#members, (of) => this.range(of), prefix, events);
    this.#watches.add(watch);
    return {
      close: () => {
        watch.close();
        this.#watches.delete(watch);
      },
    };
  }

  async lease(ttlMs: number): Promise<StoreLease> {
    checkLeaseTtl(ttlMs);
    const sentMs = this.#platform.clock.nowMs();
    // etcd counts in seconds; it may keep the keys a little longer than asked, never shorter.
    const request = { TTL: String(Math.ceil(ttlMs / 1000)) };
    const { ID } = await this.#members.once("/v3/lease/grant", request, message.grantAnswer).catch((error: unknown) => {
      throw unavailable(error);
    });
    const lease: KeptLease = new KeptLease(
      ID,
      ttlMs,
      sentMs,
      this.#platform.clock,
      { keepAlive: (id, deadlineMs) => this.#keepAlive(id, deadlineMs), revoke: (id) => this.#revoke(id) },
      () => this.#leases.delete(lease),
    );
    if (this.#closed) lease.abandon();
    else this.#leases.add(lease);
    return lease;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#follower?.close();
    for (const watch of this.#watches) watch.close();
    this.#watches.clear();
    for (const lease of [...this.#leases]) lease.abandon();
    this.#members.close();
  }

  async #keepAlive(id: string, deadlineMs: number): Promise<boolean> {
    const { result } = await this.#members.read("/v3/lease/keepalive", { ID: id }, message.keepAliveAnswer, deadlineMs);
    return result.TTL !== "0";
  }

  async #revoke(id: string): Promise<void> {
    try {
      await this.#members.read("/v3/lease/revoke", { ID: id }, message.anyAnswer);
    } catch (error) {
      if (error instanceof EtcdRefusal && error.code === message.NOT_FOUND) return;
      throw unavailable(error);
    }
  }
}

/** Turns what the members can throw into what the interface promises; bugs stay as they are. */
function unavailable(error: unknown): unknown {
  if (!(error instanceof EtcdRefusal || error instanceof EtcdUnanswered)) return error;
  return new StoreUnavailable(`the cluster store does not answer: ${error.message}`, { cause: error });
}
