import type { DriveId } from "../../src/base/ids.ts";
import { keys } from "../../src/cluster/schema.ts";
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
}

/** Puts a drive into another server, with everything that is on it. */
export function moveDrive(cluster: SimulatedCluster, name: string, server: string): void {
  cluster.note(`${name} is put into ${server}`);
  cluster.kill(name);
  cluster.host(name).server = server;
  if (!cluster.network.dark.has(server)) cluster.start(name);
}
