import type { Instance, VolumeId } from "../base/ids.ts";
import type { ClusterMap } from "../cluster/map.ts";
import { keys } from "../cluster/schema.ts";
import type { Clock } from "../platform/platform.ts";
import type { ClusterStore } from "../platform/store.ts";

const AGAIN_MS = 200;

/** R26 at a portal: obeys what came with a fence, lets end what came before, and says so. */
export class FenceObeyer {
  readonly #store: ClusterStore;
  readonly #clock: Clock;
  readonly #map: ClusterMap;
  readonly #instance: Instance;
  /** Resolves when every command that is here at the call has ended. */
  readonly #settled: () => Promise<void>;
  /** R23: ends the sessions of hosts that see one of these volumes. */
  readonly #drop: (volumes: readonly VolumeId[]) => void;
  readonly #answered = new Set<number>();
  #closed = false;

  constructor(world: { store: ClusterStore; clock: Clock; map: ClusterMap }, instance: Instance, settled: () => Promise<void>, drop: (volumes: readonly VolumeId[]) => void = () => {}) {
    this.#store = world.store;
    this.#clock = world.clock;
    this.#map = world.map;
    this.#instance = instance;
    this.#settled = settled;
    this.#drop = drop;
  }

  /** To be called when everything else has taken in the map's change: from then on no new command goes by the state before. */
  changed(): void {
    for (const id of this.#answered) if (!this.#map.fences.has(id)) this.#answered.delete(id);
    for (const [id, { drop }] of this.#map.fences) {
      if (this.#answered.has(id)) continue;
      this.#answered.add(id);
      if (drop) this.#drop(drop);
      void this.#settled().then(() => this.#say(id));
    }
  }

  close(): void {
    this.#closed = true;
  }

  async #say(id: number): Promise<void> {
    while (!this.#closed && this.#map.fences.has(id)) {
      const fence = await this.#store.get(keys.fence(id)).catch(() => null);
      if (fence && !fence.found) return;
      if (fence?.found) {
        const compares = [{ key: keys.fence(id), revision: fence.found.revision }];
        const { outcome } = await this.#store.transact({ compares, puts: [{ key: keys.obeyed(id, this.#instance), value: JSON.stringify(this.#instance) }] });
        if (outcome === "success") return;
      }
      await new Promise<void>((resolve) => void this.#clock.timer(AGAIN_MS, resolve));
    }
  }
}
