import type { Instance } from "../base/ids.ts";
import { death, keys, parseValue, type Death } from "../cluster/schema.ts";
import type { Clock, Log } from "../platform/platform.ts";
import type { ClusterStore } from "../platform/store.ts";
import type { Announced } from "../role/announce.ts";

/** Deaths that the store has not taken yet. A drive keeps only its newest, so this many means a gateway that fails for hours without a store. */
const WAITING_MAX = 256;
const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 2_000;
/** Each gateway process has a key of its own; so many of this supervisor's are kept, the older ones were forgotten by everyone (R16). */
const GATEWAY_DEATHS_KEPT = 16;

/**
 * Publishes the deaths of children in the cluster store (R18), so that nobody waits for a lease of a process that is gone.
 * Only the supervisor that is the parent, and that has reaped the process, may call `publish`.
 */
export class DeathPublisher {
  readonly #store: ClusterStore;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #waiting = new Map<string, Death>();
  readonly #gateways: string[] = [];
  #working = false;
  #closed = false;
  #drained: (() => void)[] = [];

  constructor(store: ClusterStore, clock: Clock, log: Log) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  publish(who: Announced, reason: string): void {
    const known = this.#waiting.get(who.id);
    if (known !== undefined && known.instance >= who.instance) return;
    this.#waiting.delete(who.id);
    this.#waiting.set(who.id, { instance: who.instance as Instance, atMs: this.#clock.wallMs(), reason });
    if (this.#waiting.size > WAITING_MAX) {
      const [oldest] = this.#waiting.keys();
      if (oldest !== undefined) this.#waiting.delete(oldest);
      this.#log.error("The store does not take the deaths of processes: the oldest is dropped", { dropped: oldest });
    }
    if (!this.#working) void this.#work();
  }

  /** Resolves when the store has taken everything, or after `withinMs`. */
  drain(withinMs: number): Promise<void> {
    if (!this.#working) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#clock.timer(withinMs, resolve);
      this.#drained.push(() => (timer.cancel(), resolve()));
    });
  }

  /** Nothing is retried afterwards. */
  close(): void {
    this.#closed = true;
  }

  async #work(): Promise<void> {
    this.#working = true;
    let retryMs = RETRY_MIN_MS;
    for (;;) {
      const [next] = this.#waiting;
      if (next === undefined || this.#closed) break;
      const [id, record] = next;
      if (await this.#put(id, record)) {
        // A newer death of the same drive may have come while the store was asked.
        if (this.#waiting.get(id) === record) this.#waiting.delete(id);
        this.#log.info("A child's death is published", { id, instance: record.instance, reason: record.reason });
        retryMs = RETRY_MIN_MS;
        continue;
      }
      // One that the store does not take must not hold up the others.
      if (this.#waiting.get(id) === record) {
        this.#waiting.delete(id);
        this.#waiting.set(id, record);
      }
      await new Promise<void>((resolve) => void this.#clock.timer(retryMs, resolve));
      retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
    }
    this.#working = false;
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  /** True when the store holds this death or a newer one. */
  async #put(id: string, record: Death): Promise<boolean> {
    const key = keys.death(id);
    try {
      const { found } = await this.#store.get(key);
      if (found !== null && parseValue(death, key, found.value).instance >= record.instance) return true;
      const isGateway = id === String(record.instance);
      const forgotten = isGateway && this.#gateways.length >= GATEWAY_DEATHS_KEPT ? this.#gateways[0] : undefined;
      const { outcome } = await this.#store.transact({
        compares: [{ key, revision: found?.revision ?? 0 }],
        puts: [{ key, value: JSON.stringify(record) }],
        ...(forgotten === undefined ? {} : { deletes: [keys.death(forgotten)] }),
      });
      if (outcome !== "success") return false;
      if (forgotten !== undefined) this.#gateways.shift();
      if (isGateway) this.#gateways.push(id);
      return true;
    } catch (error) {
      this.#log.debug("The store did not take a child's death yet", { id, error: (error as Error).message });
      return false;
    }
  }
}
