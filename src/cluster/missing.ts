import { EXTENT_BYTES } from "../base/geometry.ts";
import type { DriveId, ExtentIndex, GroupId, ServerName, VolumeId } from "../base/ids.ts";
import { driveIsUp, groupState, observedGroups } from "./health.ts";
import type { ClusterMap } from "./map.ts";
import { groupOf } from "./placement.ts";
import { groupFactor } from "./schema.ts";

/** What has no copy that answers while the cluster is read-only. */
export interface MissingData {
  readonly groups: number;
  /** What happened, as the monitor saw it. */
  readonly cause: string;
  /** Provisioned size of what lies in those groups, by their share of the pool: how much was written, only the drives know. */
  readonly bytes: number;
  readonly ofBytes: number;
  /** Names of the volumes that have extents there, sorted. */
  readonly volumes: readonly string[];
  /** The fewest servers, the most helpful first, with whose drives every one of these groups has a member again. */
  readonly bringBack: readonly { readonly server: ServerName; readonly drives: readonly DriveId[]; /** All of its drives are down. */ readonly whole: boolean }[];
  /** Groups whose members all answer, and none of them is known to hold everything acknowledged (R7b). */
  readonly noWholeCopy: number;
}

const NOT_WHOLE: ReadonlySet<string> = new Set(["no-whole-copy", "damaged-copy"]);
/** Extents looked at to tell whether a volume is touched; a larger volume has extents in every group. */
const EXTENTS_LOOKED_AT_MAX = 4096;

/** Groups that the mode names and that still do not serve by this map, with what they hold. Pure. */
export function missingData(map: ClusterMap): MissingData {
  const told = observedGroups(map);
  const lost = new Map<GroupId, readonly DriveId[]>();
  let noWholeCopy = 0;
  for (const id of map.unservedGroups as ReadonlySet<GroupId>) {
    const config = map.groups.get(id)?.config;
    if (!config) continue;
    const word = told.get(config.primary)?.get(id);
    const state = groupState(map, config, word);
    if (state === "serving") continue;
    lost.set(id, config.members);
    const hurt = config.members.filter((drive) => NOT_WHOLE.has(told.get(drive)?.get(id)?.waitingFor ?? ""));
    if (hurt.length > 0 && config.members.every((drive) => driveIsUp(map, drive))) noWholeCopy += 1;
  }
  const { bytes, ofBytes, volumes } = share(map, lost);
  return { groups: lost.size, cause: map.mode?.cause ?? "", bytes, ofBytes, volumes: volumes.map(({ name }) => name).sort(), bringBack: bringBack(map, [...lost.values()]), noWholeCopy };
}

/** What lies in these groups: volumes with extents there, and their provisioned size by the groups' share of the pool. */
export function share(map: ClusterMap, lost: { keys(): Iterable<GroupId>; has(group: GroupId): boolean }): { readonly bytes: number; readonly ofBytes: number; readonly volumes: { readonly id: VolumeId; readonly name: string }[] } {
  const perPool = new Map<number, number>();
  for (const id of lost.keys()) perPool.set(groupFactor(id), (perPool.get(groupFactor(id)) ?? 0) + 1);
  let bytes = 0, ofBytes = 0;
  const volumes: { id: VolumeId; name: string }[] = [];
  for (const volume of map.volumes.values()) {
    const groupCount = map.pools.get(volume.factor)?.groupCount ?? 1;
    ofBytes += volume.sizeBytes;
    const share = perPool.get(volume.factor) ?? 0;
    if (share === 0 || !touches(volume, groupCount, lost)) continue;
    bytes += Math.round((volume.sizeBytes * share) / groupCount);
    volumes.push({ id: volume.id, name: volume.name });
  }
  return { bytes, ofBytes, volumes };
}

function touches(volume: { sizeBytes: number; factor: number; lineage: number }, groupCount: number, lost: { has(group: GroupId): boolean }): boolean {
  const extents = Math.ceil(volume.sizeBytes / EXTENT_BYTES);
  if (extents > EXTENTS_LOOKED_AT_MAX) return true;
  for (let extent = 0; extent < extents; extent += 1) if (lost.has(groupOf(volume.factor, groupCount, volume.lineage as never, extent as ExtentIndex))) return true;
  return false;
}

/** Any member of a group heals it, since members hold everything acknowledged: greedily the server that heals the most. */
function bringBack(map: ClusterMap, groups: readonly (readonly DriveId[])[]): MissingData["bringBack"] {
  // A group with a member that answers needs no drive: it is being brought together.
  let open = groups.filter((members) => !members.some((id) => driveIsUp(map, id)));
  const chosen: { server: ServerName; drives: DriveId[]; whole: boolean }[] = [];
  while (open.length > 0) {
    const heals = new Map<ServerName, number>();
    for (const members of open) for (const server of new Set(members.map((id) => map.drives.get(id)?.server))) if (server) heals.set(server, (heals.get(server) ?? 0) + 1);
    const best = [...heals].sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1))[0]?.[0];
    if (best === undefined) break;
    const on = (id: DriveId): boolean => map.drives.get(id)?.server === best;
    const healed = open.filter((members) => members.some(on));
    const drives = [...new Set(healed.flatMap((members) => members.filter(on)))].sort();
    chosen.push({ server: best, drives, whole: ![...map.drives.values()].some((drive) => drive.server === best && driveIsUp(map, drive.id)) });
    open = open.filter((members) => !members.some(on));
  }
  return chosen;
}
