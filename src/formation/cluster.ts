import { clusterRecord, keys, parseValue, type ClusterRecord, type PoolRecord } from "../cluster/schema.ts";
import type { Clock } from "../platform/platform.ts";
import { StoreUnavailable, type ClusterStore } from "../platform/store.ts";

const STORE_RETRY_MS = 200;

/**
 * Puts the cluster's record, and its pool of two copies if there is to be one yet, into the store, unless they are there. Waits for the store until
 * `giveUp` says when; rejects then, and when the store belongs to another cluster.
 */
export async function formCluster(
  world: { store: ClusterStore; clock: Clock },
  wanted: { record: ClusterRecord; pool: PoolRecord | null },
  giveUp: () => boolean,
): Promise<void> {
  const entries = [
    { key: keys.cluster, value: JSON.stringify(wanted.record) },
    ...(wanted.pool === null ? [] : [{ key: keys.pool(wanted.pool.factor), value: JSON.stringify(wanted.pool) }]),
  ];
  let why = "it gives no answer";
  for (;;) {
    try {
      const missing = [];
      for (const entry of entries) {
        const { found, storeId } = await world.store.get(entry.key);
        // R14: a store that is made from a backup later has another id.
        if (found === null) missing.push(entry.key === keys.cluster ? { ...entry, value: JSON.stringify({ ...wanted.record, storeId }) } : entry);
        else if (entry.key === keys.cluster) assertSameCluster(parseValue(clusterRecord, entry.key, found.value), wanted.record);
      }
      if (missing.length === 0) return;
      const outcome = await world.store.transact({ compares: missing.map(({ key }) => ({ key, revision: 0 })), puts: missing });
      // Refused or unknown: what is there now decides.
      if (outcome.outcome === "success") return;
      if (outcome.outcome === "unknown") why = outcome.reason;
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      why = error.message;
    }
    if (giveUp()) throw new Error(`the cluster store cannot be used: ${why}`);
    await new Promise<void>((resolve) => void world.clock.timer(STORE_RETRY_MS, resolve));
  }
}

function assertSameCluster(found: ClusterRecord, wanted: ClusterRecord): void {
  if (found.id !== wanted.id) throw new Error(`the cluster store already belongs to another cluster, ${found.id}`);
}
