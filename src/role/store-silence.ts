import { keys } from "../cluster/schema.ts";
import type { Platform, Timer } from "../platform/platform.ts";
import type { ClusterStore } from "../platform/store.ts";

const ASK_EVERY_MS = 2000;
/** Longer than an election of the store and one failed question. */
const SILENT_AFTER_MS = 6000;
const LOOK_EVERY_MS = 500;

/** Whether the cluster store answers this process; a watch does not tell when it falls silent. */
export class StoreSilence {
  readonly #platform: Platform;
  readonly #store: ClusterStore;
  readonly #look: (silent: boolean) => void;
  #answeredMs: number;
  #askTimer: Timer | null = null;
  #lookTimer: Timer | null = null;
  #closed = false;

  /** `look` is called twice a second, whatever the store does. */
  constructor(platform: Platform, store: ClusterStore, look: (silent: boolean) => void) {
    this.#platform = platform;
    this.#store = store;
    this.#look = look;
    this.#answeredMs = platform.clock.nowMs();
    this.#ask();
    this.#tick();
  }
  close(): void {
    this.#closed = true;
    this.#askTimer?.cancel();
    this.#lookTimer?.cancel();
  }
  #ask(): void {
    if (this.#closed) return;
    void this.#store
      .get(keys.cluster)
      .then(() => void (this.#answeredMs = this.#platform.clock.nowMs()))
      .catch(() => undefined)
      .finally(() => (this.#askTimer = this.#platform.clock.timer(ASK_EVERY_MS, () => this.#ask())));
  }
  #tick(): void {
    if (this.#closed) return;
    this.#look(this.#platform.clock.nowMs() - this.#answeredMs > SILENT_AFTER_MS);
    this.#lookTimer = this.#platform.clock.timer(LOOK_EVERY_MS, () => this.#tick());
  }
}
