import type { Instance } from "../base/ids.ts";
import { LEFT_BEHIND_MS } from "../cluster/fence.ts";
import { banRecord, gatewayRecord, keys, parseValue, type GatewayRecord } from "../cluster/schema.ts";
import type { Clock } from "../platform/platform.ts";
import type { ClusterStore } from "../platform/store.ts";

/**
 * R26: `instance` holds the port of its server, so whoever had it before has ended, and after LEFT_BEHIND_MS nothing it left behind is
 * taken any more: then its bans and records are of no use. When the store does not answer they stay for the next one.
 */
export function forgetPredecessors(store: ClusterStore, clock: Clock, server: string, instance: Instance): { cancel(): void } {
  return clock.timer(LEFT_BEHIND_MS, () => void forget(store, server, instance).catch(() => undefined));
}

/** Portals that had the port before `instance`, which has it now. One that never had it may be the next one, which is about to. */
export async function predecessors(store: ClusterStore, server: string, instance: Instance): Promise<GatewayRecord[]> {
  const records = (await store.range("gateway/")).entries.map(({ key, value }) => parseValue(gatewayRecord, key, value));
  return records.filter((record) => record.serving && isPredecessor(record, server, instance));
}

async function forget(store: ClusterStore, server: string, instance: Instance): Promise<void> {
  const bans = (await store.range("banned/")).entries.filter(({ key, value }) => isPredecessor(parseValue(banRecord, key, value), server, instance));
  const records = await predecessors(store, server, instance);
  const deletes = [...bans.map(({ key }) => key), ...records.map((record) => keys.gateway(record.instance))].slice(0, FORGOTTEN_MAX);
  // Only while this one is registered itself: it must not be a predecessor of somebody else by now.
  const own = await store.get(keys.gateway(instance));
  if (deletes.length > 0 && own.found) await store.transact({ compares: [{ key: own.found.key, revision: own.found.revision }], deletes });
}

/** Each was left by one process that did not end in order; within one transaction. */
const FORGOTTEN_MAX = 60;

function isPredecessor(record: { server: string; instance: Instance }, server: string, instance: Instance): boolean {
  return record.server === server && record.instance !== instance;
}
