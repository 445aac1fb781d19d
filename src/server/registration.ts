import type { Instance, ServerName } from "../base/ids.ts";
import { keys, type ServerRecord, type Up } from "../cluster/schema.ts";
import type { Platform } from "../platform/platform.ts";
import type { ClusterStore, StoreLease } from "../platform/store.ts";
import type { ServerConfig } from "../role/config.ts";

/** A server whose supervisor is gone vanishes from up/ after this time. */
const LEASE_MS = 5_000;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2_000;

/** Keeps server/<name> and, as long as this process lives, up/server/<name> in the store; tries again after every failure. */
export class Registration {
  readonly #platform: Platform;
  readonly #store: ClusterStore;
  readonly #config: ServerConfig;
  readonly #up: Up;
  #lease: StoreLease | null = null;
  #retryMs = RETRY_MIN_MS;
  #closed = false;
  #working = false;

  constructor(platform: Platform, store: ClusterStore, config: ServerConfig) {
    this.#platform = platform;
    this.#store = store;
    this.#config = config;
    this.#up = { instance: platform.random.id() as Instance, sinceMs: platform.clock.wallMs() };
  }

  /** Returns at once; the store may be away for as long as it likes. */
  start(): void {
    if (!this.#working) void this.#work();
  }

  /** The configuration says something else of this server by now; without an answer of the store the next registration tells it. */
  async changed(): Promise<void> {
    if (this.#lease === null || this.#closed) return;
    await this.#store.transact({ compares: [], puts: [this.#recordPut()] });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const lease = this.#lease;
    this.#lease = null;
    await lease?.revoke().catch(() => undefined);
  }

  async #work(): Promise<void> {
    this.#working = true;
    while (!this.#closed && this.#lease === null) {
      if (await this.#register()) continue;
      await new Promise<void>((resolve) => void this.#platform.clock.timer(this.#retryMs, resolve));
      this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    }
    this.#working = false;
    this.#retryMs = RETRY_MIN_MS;
  }

  async #register(): Promise<boolean> {
    let lease: StoreLease;
    try {
      lease = await this.#store.lease(LEASE_MS);
    } catch (error) {
      this.#platform.log.debug("The store gives no lease yet", { error: (error as Error).message });
      return false;
    }
    const { outcome } = await this.#store.transact({
      compares: [],
      puts: [
        this.#recordPut(),
        { key: keys.upServer(this.#config.name), value: JSON.stringify(this.#up), lease },
      ],
    });
    if (outcome !== "success" || this.#closed) {
      await lease.revoke().catch(() => undefined);
      return this.#closed;
    }
    this.#lease = lease;
    lease.onLost(() => {
      if (this.#lease !== lease) return;
      this.#lease = null;
      this.#platform.log.warn("The store has let go of this server's registration; it registers again");
      this.start();
    });
    this.#platform.log.info("This server is registered in the cluster store", { server: this.#config.name });
    return true;
  }

  #recordPut(): { key: string; value: string } {
    const { name, address, portalPort, apiPort, portalGroupTag, store: place } = this.#config;
    const record: ServerRecord = { name: name as ServerName, address, portalPort, apiPort, portalGroupTag, storeMember: place.kind === "etcd" && place.member !== null };
    return { key: keys.server(name), value: JSON.stringify(record) };
  }
}
