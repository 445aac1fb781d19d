import type { DriveId, ServerName } from "../base/ids.ts";
import { bytesForPeople } from "./health-sentence.ts";
import { driveIsUp } from "./health.ts";
import type { ClusterMap } from "./map.ts";
import { isDraining, namedGroups } from "./progress.ts";
import { serversMin, type DriveRecord } from "./schema.ts";

/** Beyond this share of its size a drive gets no copies (monitor/plan.ts). */
const FULL_SHARE = 0.85;

/** Why these drives cannot be drained: the rest could not hold what they have. null: it can. Pure; the last word has the monitor, move by move. */
export function whyNotDrain(map: ClusterMap, leaving: ReadonlySet<DriveId>, what: string): string | null {
  const leaves = (id: DriveId): boolean => leaving.has(id) || isDraining(map, id);
  const rest = [...map.drives.values()].filter(({ id }) => !leaves(id) && mayHold(map, id));
  const servers = new Set(rest.map(({ server }) => server)).size;
  for (const { factor } of map.pools.values()) {
    if (servers > factor) continue;
    const where = `drives on ${factor + 1} ${factor === 0 ? "server" : "servers"}`;
    return `${what} cannot be drained: ${factor + 1} ${factor === 0 ? "copy needs" : "copies need"} ${where}, and without it ${servers === 0 ? "no server has" : servers === 1 ? "only 1 server has" : `only ${servers} servers have`} drives that answer and are not drained. Add ${factor === 0 ? "a drive" : "a server"} first.`;
  }
  return whyNoRoom(map, leaves, rest, what);
}

/** Every copy is laid on the drive with the most room on a server that has none of the group: as the monitor does, roughly. */
function whyNoRoom(map: ClusterMap, leaves: (id: DriveId) => boolean, rest: readonly DriveRecord[], what: string): string | null {
  const room = new Map(rest.map(({ id, capacityBytes }) => [id, capacityBytes * FULL_SHARE - (map.observed.get(id)?.usedBytes ?? 0)]));
  const roomBefore = [...room.values()].reduce((sum, bytes) => sum + Math.max(0, bytes), 0);
  const bytesOf = (id: DriveId): number => (map.observed.get(id)?.usedBytes ?? 0) / Math.max(1, namedGroups(map, id));
  const perCopy = new Map([...map.drives.keys()].filter(leaves).map((id) => [id, bytesOf(id)]));
  let moving = 0;
  let fits = true;
  for (const { config } of map.groups.values()) {
    for (const id of config.members.filter(leaves)) {
      const bytes = perCopy.get(id) ?? 0;
      const taken = new Set(config.members.filter((one) => one !== id).map((one) => map.drives.get(one)?.server));
      const target = rest.filter(({ server }) => !taken.has(server)).reduce<DriveRecord | null>((best, drive) => (best === null || (room.get(drive.id) ?? 0) > (room.get(best.id) ?? 0) ? drive : best), null);
      moving += bytes;
      // All its other copies are on these very servers; moves of others make room, so that is for the monitor to solve.
      if (target === null) continue;
      const left = (room.get(target.id) ?? 0) - bytes;
      room.set(target.id, left);
      if (left < 0) fits = false;
    }
  }
  if (fits) return null;
  return `${what} cannot be drained: ${bytesForPeople(Math.round(moving))} would have to move, and the other drives can take ${bytesForPeople(Math.round(roomBefore))} before they are 85 % full, on the servers where they may lie. Add drives first.`;
}

function mayHold(map: ClusterMap, id: DriveId): boolean {
  const failed = [...map.failedDrives.values()].some((list) => list.some((one) => one.id === id));
  return driveIsUp(map, id) && !failed && !map.drivesRemoved.has(id);
}

/**
 * Why a drive cannot be taken out of the cluster; null: it can. Nothing is given up by it: no group's configuration names it any more, so
 * each has all that was acknowledged on other drives. `lost`: the administrator says that it does not come back. Pure.
 */
export function whyNotRemoveDrive(map: ClusterMap, id: DriveId, lost: boolean): string | null {
  const drive = map.drives.get(id);
  const what = `Drive ${id}${drive ? ` of ${drive.server}` : ""}`;
  const up = driveIsUp(map, id);
  if (lost && up) return `${what} is registered and answers, so it is not lost. Drain it, then remove it.`;
  // A learner that is away has nothing that anybody needs; its primary lets go of it when the plan does.
  const named = [...map.groups.values()].filter(({ config }) => config.members.includes(id) || (up && config.learners.includes(id)));
  if (named.length > 0) {
    const last = named.filter(({ config }) => !config.members.some((member) => member !== id && driveIsUp(map, member))).length;
    if (last > 0) return `${what} holds the last copy that is known of ${last} ${last === 1 ? "group" : "groups"}: bring it, or the other copies, back. If they are gone for good, accept the loss first (virtustor accept-loss).`;
    if (up) return `${what} still holds copies of ${named.length} ${named.length === 1 ? "group" : "groups"}. ${isDraining(map, id) ? "It is being drained: wait until it holds nothing." : "Drain it first."}`;
    return `${what} still belongs to ${named.length} ${named.length === 1 ? "group" : "groups"}, which go on without it within seconds if their other copies serve. Try again.`;
  }
  if (up && !isDraining(map, id)) return `${what} holds nothing, and new copies may be placed on it at any moment. Drain it first.`;
  if (!up && !lost && !isDraining(map, id)) return `${what} does not answer. If it is gone for good, say so (lost): its copies are made anew on other drives. Otherwise bring it back.`;
  return null;
}

/** Likewise of a server, with all its drives. */
export function whyNotRemoveServer(map: ClusterMap, name: ServerName, lost: boolean): string | null {
  const up = map.upServers.has(name);
  if (lost && up) return `${name} answers, so it is not lost. Drain it, then remove it.`;
  const needed = serversMin(map.cluster);
  if (map.servers.size - 1 < needed) return `${name} cannot be removed: the cluster would have ${map.servers.size - 1} ${map.servers.size === 2 ? "server" : "servers"} and needs at least ${needed}. Add another server first; it can take this one's place.`;
  if (!lost && !map.serversDraining.has(name)) return up ? `${name} is not drained. Drain it first.` : `${name} does not answer. If it is gone for good, say so (lost): its copies are made anew on other servers. Otherwise bring it back.`;
  for (const { id, server } of map.drives.values()) {
    if (server !== name) continue;
    const why = whyNotRemoveDrive(map, id, lost && !driveIsUp(map, id));
    if (why !== null) return `${name} cannot be removed yet. ${why}`;
  }
  return null;
}
