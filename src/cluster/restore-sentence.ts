import type { DriveId } from "../base/ids.ts";
import { missingReports, openRound, restoreWanted, storeReplaced } from "./adoption.ts";
import type { ClusterMap } from "./map.ts";

/** Drives in a sentence: more would drown it. */
const DRIVES_NAMED_MAX = 3;

/**
 * R14: while drives do not obey the cluster store nothing else matters: which, why, and what happens next; null when all obey, or
 * only drives that missed a restore that is over do not (`missedRestore`). Without the state's word. Pure.
 */
export function describeRestore(map: ClusterMap): string | null {
  const { cluster } = map;
  if (!cluster) return null;
  const waiting = "Nothing is lost as long as no drive is wiped or replaced.";
  const round = openRound(cluster);
  if (round !== undefined) {
    const reported = [...map.recovery.values()].filter((report) => report.round === round).length;
    const missing = missingReports(map);
    const why = `the cluster store was restored or went back (${cluster.restore?.why ?? "unknown"}), so drives serve nothing until all have said what they hold`;
    if (missing.length === 0) return `${why}; all have, and the groups are taken over from what they said. This takes seconds; do not power off any server.`;
    return `${why}; ${missing.length} of ${missing.length + reported} have not: bring back ${drivesText(map, missing)}, then it goes on by itself. ${waiting}`;
  }
  const wanted = restoreWanted(map);
  if (wanted === null) return null;
  const objecting = [...map.recovery.values()].filter((report) => report.evidence !== null).map(({ drive }) => drive);
  const who = objecting.length > 0 ? `${drivesText(map, objecting)} ${objecting.length === 1 ? "does" : "do"} not obey the cluster store` : storeReplaced(cluster, map.storeId) ? "no drive obeys the cluster store" : "drives do not obey the cluster store";
  return `${who}: ${wanted.why}. As soon as a monitor leads, all drives are asked what they hold and the newest of it counts. ${waiting}`;
}

/** R14: drives that were away when the store was restored stay out. Sentences for an administrator. Pure. */
export function missedRestore(map: ClusterMap): string[] {
  const { cluster } = map;
  if (!cluster || openRound(cluster) !== undefined || restoreWanted(map) !== null) return [];
  const missed = [...map.recovery.values()].filter((report) => report.incarnation < cluster.incarnation && report.round !== cluster.restore?.round).map(({ drive }) => drive);
  if (missed.length === 0) return [];
  return [`${drivesText(map, missed)} ${missed.length === 1 ? "was" : "were"} away when the cluster store was restored and ${missed.length === 1 ? "serves" : "serve"} nothing: when what ${missed.length === 1 ? "it holds" : "they hold"} is not needed any more, format ${missed.length === 1 ? "it" : "them"} to use ${missed.length === 1 ? "it" : "them"} again.`];
}

function drivesText(map: ClusterMap, drives: readonly DriveId[]): string {
  if (drives.length > DRIVES_NAMED_MAX) return `${drives.length} drives of ${[...new Set(drives.map((id) => serverOf(map, id)))].sort().join(", ")}`;
  return drives.map((id) => `drive ${id} of ${serverOf(map, id)}`).sort().join(" and ");
}
function serverOf(map: ClusterMap, id: DriveId): string {
  return map.drives.get(id)?.server ?? map.recovery.get(id)?.server ?? "an unknown server";
}
