import type { Platform, Timer } from "../platform/platform.ts";
import type { ClusterStore, StoreLease } from "../platform/store.ts";

/** What is published vanishes so long after this process has stopped. */
const LEASE_MS = 5_000;
const RETRY_MS = 2_000;

/**
 * Keys that only this process writes and that live as long as it does: what it tells of itself, for people and for checks. The newest
 * value of a key is written; older ones that waited for the store are forgotten. Losing the store ends nothing.
 */
export class LeasedRecords {
  readonly #platform: Platform;
  readonly #store: ClusterStore;
  /** All that is published. */
  readonly #values = new Map<string, string>();
  /** Of it, what the store does not have yet. */
  readonly #waiting = new Set<string>();
  #lease: StoreLease | null = null;
  #working = false;
  #closed = false;
  #retry: Timer | null = null;

  constructor(platform: Platform, store: ClusterStore) {
    this.#platform = platform;
    this.#store = store;
  }

  publish(key: string, value: object): void {
    const text = JSON.stringify(value);
    if (this.#values.get(key) === text) return;
    this.#values.set(key, text);
    this.#waiting.add(key);
    this.#work();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#retry?.cancel();
    const lease = this.#lease;
    this.#lease = null;
    await lease?.revoke().catch(() => undefined);
  }

  #work(): void {
    if (this.#working || this.#closed || this.#waiting.size === 0) return;
    this.#working = true;
    void this.#write().then((written) => {
      this.#working = false;
      if (written) return this.#work();
      this.#retry?.cancel();
      this.#retry = this.#platform.clock.timer(RETRY_MS, () => this.#work());
    });
  }

  async #write(): Promise<boolean> {
    const lease = await this.#leased();
    if (lease === null || this.#closed) return false;
    const keys = [...this.#waiting];
    this.#waiting.clear();
    const { outcome } = await this.#store.transact({ compares: [], puts: keys.map((key) => ({ key, value: this.#values.get(key) ?? "", lease })) });
    if (outcome === "success") return true;
    for (const key of keys) this.#waiting.add(key);
    return false;
  }

  async #leased(): Promise<StoreLease | null> {
    if (this.#lease !== null) return this.#lease;
    let lease: StoreLease;
    try {
      lease = await this.#store.lease(LEASE_MS);
    } catch {
      return null;
    }
    if (this.#closed) {
      await lease.revoke().catch(() => undefined);
      return null;
    }
    this.#lease = lease;
    lease.onLost(() => {
      if (this.#lease !== lease) return;
      this.#lease = null;
      for (const key of this.#values.keys()) this.#waiting.add(key);
      this.#work();
    });
    return lease;
  }
}
