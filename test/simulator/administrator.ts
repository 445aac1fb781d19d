import type { DriveId, GroupId } from "../../src/base/ids.ts";
import { leavingKeys } from "../../src/cluster/leaving.ts";
import { keys, parseGroupName, type GroupPlan } from "../../src/cluster/schema.ts";
import type { SimulatedCluster } from "./cluster.ts";

/** Puts an empty drive, with an id of its own, in the place of one that failed; the other is kept as `name~N`. */
export function replaceDrive(cluster: SimulatedCluster, name: string): void {
  const old = cluster.host(name);
  cluster.kill(name);
  old.failed = true;
  cluster.hosts.delete(name);
  cluster.hosts.set(`${name}~${cluster.hosts.size}`, old);
  const fresh = cluster.addDrive(name, old.server);
  Object.assign(fresh.medium.tuning, old.medium.tuning);
  cluster.note(`${name} is replaced by an empty drive`);
  for (const group of cluster.groupIds) {
    const { wanted } = JSON.parse(cluster.store.find(keys.groupPlan(group))?.value ?? "null") as { wanted: DriveId[] };
    if (wanted.includes(old.id)) cluster.put(keys.groupPlan(group), { wanted: wanted.map((id) => (id === old.id ? fresh.id : id)) });
  }
  if (!cluster.network.dark.has(fresh.server)) cluster.start(name);
  removeWhenUnnamed(cluster, cluster.nameOf(old.id));
}

const AGAIN_MS = 500;
/** A failed drive is given up for good as soon as no group needs it. */
function removeWhenUnnamed(cluster: SimulatedCluster, name: string): void {
  if (!removeDrive(cluster, name, 0)) cluster.time.timer(AGAIN_MS, () => removeWhenUnnamed(cluster, name));
}

export function namedBy(cluster: SimulatedCluster, group: GroupId): DriveId[] {
  const { members, learners } = cluster.config(group);
  return [...members, ...learners];
}
export function wishOf(cluster: SimulatedCluster, group: GroupId): readonly DriveId[] {
  return (JSON.parse(cluster.store.find(keys.groupPlan(group))?.value ?? '{"wanted":[]}') as GroupPlan).wanted;
}

/**
 * Takes a drive out of the cluster, when no configuration names it; one that works must not be wished for any more, either. Its process
 * lives on for `stopMs`. False: not yet.
 */
export function removeDrive(cluster: SimulatedCluster, name: string, stopMs: number): boolean {
  const host = cluster.host(name);
  const { id } = host;
  if (host.removed) return false;
  for (const { key } of cluster.store.list("pg/")) {
    const group = parseGroupName(key.slice(3));
    if (namedBy(cluster, group).includes(id) || (!host.failed && wishOf(cluster, group).includes(id))) return false;
  }
  cluster.note(`${name} is removed from the cluster`);
  host.removed = true;
  const deletes = [keys.drive(id), leavingKeys.drainDrive(id)];
  const put = (stopped: boolean): void => void cluster.store.apply({ compares: [], puts: [{ key: leavingKeys.removedDrive(id), value: JSON.stringify({ server: host.server, port: 1, atMs: 0, stopped }) }], deletes });
  put(false);
  // Its supervisor stops it, and what it may have registered meanwhile goes.
  cluster.time.timer(stopMs, () => {
    cluster.kill(name);
    put(true);
  });
  return true;
}

/** Puts a drive into another server, with everything that is on it. */
export function moveDrive(cluster: SimulatedCluster, name: string, server: string): void {
  cluster.note(`${name} is put into ${server}`);
  cluster.kill(name);
  cluster.host(name).server = server;
  if (!cluster.network.dark.has(server)) cluster.start(name);
}
