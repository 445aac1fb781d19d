import type { Clock } from "../platform/platform.ts";
import { StoreUnavailable, type ClusterStore } from "../platform/store.ts";

const RETRY_MS = 200;

/** Puts each entry whose key is not there yet. Waits for the store for as long as it takes. */
export async function putUnlessThere(world: { readonly store: ClusterStore; readonly clock: Clock }, entries: readonly { readonly key: string; readonly value: string }[]): Promise<void> {
  for (const entry of entries) {
    await repeatedly(world.clock, async () => {
      if ((await world.store.get(entry.key)).found !== null) return true;
      // Refused or unknown: what is there then decides.
      return (await world.store.transact({ compares: [{ key: entry.key, revision: 0 }], puts: [entry] })).outcome === "success";
    });
  }
}

/** Until `done` says so; a store that does not answer is asked again. */
export async function repeatedly(clock: Clock, done: () => Promise<boolean>, everyMs: number = RETRY_MS): Promise<void> {
  for (;;) {
    try {
      if (await done()) return;
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
    }
    await new Promise<void>((resolve) => void clock.timer(everyMs, resolve));
  }
}
