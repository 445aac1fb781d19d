import type { GroupConfig } from "../cluster/schema.ts";
import { keys, type ClusterRecord, type Tombstone } from "../cluster/schema.ts";
import { adoption, missingReports, openRound, restoreWanted } from "../cluster/adoption.ts";
import type { ClusterMap } from "../cluster/map.ts";
import type { Transaction } from "../platform/store.ts";

/** Groups, and deleted volumes with up to three keys each, in one transaction: within what every store accepts. */
const STEPS_PER_TRANSACTION = 31;

/** What the leader writes next for a restore of the store, and what it tells. */
export interface RestoreStep {
  /** In order; each is refused when anything that it was decided by has changed. Empty: nothing now. */
  readonly transactions: readonly Transaction[];
  /** For an administrator. */
  readonly sentence: string;
  readonly level: "info" | "warn" | "error";
}

/**
 * R14: the leader's part of a restore, one step at a time, each decided by the map alone, so that it may be cut short and
 * repeated by another leader: begin (a new incarnation), wait for reports, adopt groups, end. The one case in which the
 * monitor writes a group's configuration that exists: no drive acts on any of them until the end. Null: no restore is on.
 */
export function restoreStep(map: ClusterMap, world: { nonce(): number; wallMs(): number }): RestoreStep | null {
  const { cluster } = map;
  if (!cluster) return null;
  const wanted = restoreWanted(map);
  if (wanted) return { transactions: [beginRestore(map, wanted, world.nonce())], sentence: `The cluster store went back: ${wanted.why}. All drives are asked what they hold; incarnation ${wanted.incarnation} begins.`, level: "error" };
  if (openRound(cluster) === undefined) return null;
  const missing = missingReports(map);
  if (missing.length > 0) {
    const named = missing.map((drive) => `${drive}${map.drives.get(drive) ? ` of ${map.drives.get(drive)?.server}` : ""}`).join(", ");
    return { transactions: [], sentence: `The cluster store was restored: nothing is served until these drives have told what they hold: ${named}. Bring them back.`, level: "error" };
  }
  const { groups, tombstones, undecided } = adoption(map);
  const guard = { key: keys.cluster, revision: map.clusterRevision };
  const transactions: Transaction[] = [];
  for (const batch of batches(groups)) {
    transactions.push({
      compares: [guard, ...batch.map(({ group }) => ({ key: keys.group(group), revision: map.groups.get(group)?.revision ?? 0 }))],
      puts: batch.map(({ group, config }) => ({ key: keys.group(group), value: JSON.stringify({ ...config, nonce: world.nonce() } satisfies GroupConfig) })),
    });
  }
  for (const batch of batches(tombstones)) transactions.push(deletion(map, batch, world.wallMs()));
  const trouble = undecided.length > 0 ? ` Not served, since nobody can choose for them: ${undecided.join("; ")}.` : "";
  if (transactions.length > 0) return { transactions, sentence: `Every drive has reported: ${groups.length} placement groups are adopted in incarnation ${cluster.incarnation}.${trouble}`, level: undecided.length > 0 ? "error" : "warn" };
  return { transactions: [{ compares: [guard], puts: [{ key: keys.cluster, value: JSON.stringify(ended(cluster)) }] }], sentence: `The restore of the cluster store is done; the drives serve again in incarnation ${cluster.incarnation}.`, level: "warn" };
}

/** A new incarnation, above all that any drive knows; all drives stop and report. */
export function beginRestore(map: ClusterMap, { incarnation, why }: { incarnation: number; why: string }, round: number): Transaction {
  const record: ClusterRecord = { ...(map.cluster as ClusterRecord), incarnation, storeId: map.storeId, restore: { round, done: false, why } };
  return { compares: [{ key: keys.cluster, revision: map.clusterRevision }], puts: [{ key: keys.cluster, value: JSON.stringify(record) }] };
}

function ended(cluster: ClusterRecord): ClusterRecord {
  return { ...cluster, restore: { round: cluster.restore?.round ?? 0, done: true, why: cluster.restore?.why ?? "" } };
}

/** R21: the tombstones come back; records, names and mappings of these volumes go. */
function deletion(map: ClusterMap, tombstones: readonly Omit<Tombstone, "deletedAtMs">[], atMs: number): Transaction {
  const ids = new Set(tombstones.map(({ id }) => id));
  const deletes: string[] = [];
  for (const { id, name } of tombstones) {
    if (map.volumes.has(id)) deletes.push(keys.volume(id));
    if (name !== "" && map.volumeIds.get(name) === id) deletes.push(keys.volumeName(name));
  }
  const mapped = [...map.mappings].filter(([, { volume }]) => ids.has(volume)).map(([rest]) => `mapping/${rest}`);
  return {
    compares: [{ key: keys.cluster, revision: map.clusterRevision }],
    puts: tombstones.map((tombstone) => ({ key: keys.tombstone(tombstone.id), value: JSON.stringify({ ...tombstone, deletedAtMs: atMs } satisfies Tombstone) })),
    deletes: [...deletes, ...mapped.slice(0, STEPS_PER_TRANSACTION)],
  };
}

function batches<T>(items: readonly T[]): T[][] {
  const result: T[][] = [];
  for (let start = 0; start < items.length; start += STEPS_PER_TRANSACTION) result.push(items.slice(start, start + STEPS_PER_TRANSACTION));
  return result;
}
