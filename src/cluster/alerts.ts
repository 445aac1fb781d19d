import type { DriveId, VolumeId } from "../base/ids.ts";
import { utcMinute } from "../base/utc.ts";
import type { ClusterMap } from "./map.ts";
import { missedRestore } from "./restore-sentence.ts";

/** Shares of a drive: an alert, and no new allocations any more (R17). */
const ALERT_SHARE = 0.85;
/** Credits end a little below 95 %: what was granted and not spent yet is kept free. */
const FULL_SHARE = 0.94;

/** What does not stop anything yet and needs an administrator: drives that fill up, blocks that were found bad (R17, R25). Pure. */
export function alerts(map: ClusterMap): string[] {
  return [...givenUp(map), ...fullness(map), ...damage(map), ...parked(map), ...unknownVolumes(map), ...missedRestore(map)];
}

/** R23: for as long as some group's configuration remembers it: what is lost stays lost. */
function givenUp(map: ClusterMap): string[] {
  const times = new Map<number, number>();
  for (const { config } of map.groups.values()) if (config.loss) times.set(config.loss.atMs, (times.get(config.loss.atMs) ?? 0) + 1);
  return [...times].sort(([a], [b]) => b - a).map(([atMs, count]) => `${count === 1 ? "1 group" : `${count} groups`} lost data, accepted at ${utcMinute(atMs)}; restore what hosts miss from a backup.`);
}

function fullness(map: ClusterMap): string[] {
  const sentences: string[] = [];
  for (const [id, { usedBytes }] of map.observed) {
    const drive = map.drives.get(id);
    if (!drive || drive.capacityBytes === 0) continue;
    const share = usedBytes / drive.capacityBytes;
    const what = `drive ${id} of ${drive.server} is ${Math.floor(share * 100)} % full`;
    if (share >= FULL_SHARE) sentences.push(`${what}: writes that need new space on it are refused; free space in the volumes or add drives.`);
    else if (share >= ALERT_SHARE) sentences.push(`${what}; from 95 % on, writes that need new space on it are refused: free space in the volumes or add drives.`);
  }
  return sentences.sort();
}

/** Content that lost is for an administrator to look at: what was dropped of it nobody can look at any more. */
function parked(map: ClusterMap): string[] {
  return [...map.observed]
    .filter(([, told]) => (told.parked?.dropped ?? 0) > 0)
    .map(([id, told]) => `${told.parked?.dropped} of the files in parked/ on drive ${id} of ${map.drives.get(id)?.server ?? "an unknown server"} were dropped for want of room; ${told.parked?.files} are left: look at them and move them away.`)
    .sort();
}

/** R21, R14: kept and served to nobody until somebody decides. */
function unknownVolumes(map: ClusterMap): string[] {
  const ids = new Set<number>();
  const drives = new Set<string>();
  const take = (drive: string, volumes: readonly VolumeId[]): void => {
    for (const id of volumes) {
      if (map.volumes.has(id) || map.tombstones.has(id)) continue;
      ids.add(id);
      drives.add(drive);
    }
  };
  for (const [drive, told] of map.observed) take(drive, told.unknownVolumes ?? []);
  for (const [drive, report] of map.recovery) take(drive, report.volumes);
  if (ids.size === 0) return [];
  return [`${drives.size} ${drives.size === 1 ? "drive holds" : "drives hold"} data of ${ids.size} ${ids.size === 1 ? "volume" : "volumes"} that the cluster store does not know (${listedIds(ids)}), as after a restore of the store from an older backup; it is kept and served to nobody.`];
}

function listedIds(ids: ReadonlySet<number>): string {
  const NAMED_MAX = 3; // more would drown the sentence
  const sorted = [...ids].sort((a, b) => a - b);
  return `id ${sorted.slice(0, NAMED_MAX).join(", ")}${sorted.length > NAMED_MAX ? ", ..." : ""}`;
}

function damage(map: ClusterMap): string[] {
  const sums = new Map<DriveId, { repaired: number; lost: number; differs: number }>();
  for (const { damage: counts } of map.observed.values())
    for (const { drive, repaired, lost, differs } of counts ?? []) {
      const sum = sums.get(drive) ?? { repaired: 0, lost: 0, differs: 0 };
      sums.set(drive, { repaired: sum.repaired + repaired, lost: sum.lost + lost, differs: sum.differs + differs });
    }
  const sentences: string[] = [];
  for (const [id, { repaired, lost, differs }] of [...sums].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const drive = `drive ${id} of ${map.drives.get(id)?.server ?? "an unknown server"}`;
    if (lost > 0) sentences.push(`${blocks(lost)} found bad from ${drive} ${lost === 1 ? "is" : "are"} bad on every other copy, too: reads of them fail until they are written anew.`);
    if (differs > 0) sentences.push(`${blocks(differs)} on ${drive} differed from the primary's copy though both verified: the primary's was kept, both versions are in parked/ on their drives.`);
    if (repaired > 0) sentences.push(`repaired ${blocks(repaired)} on ${drive} from other copies; replace it if they multiply.`);
  }
  return sentences;
}

function blocks(count: number): string {
  return count === 1 ? "1 block" : `${count} blocks`;
}
