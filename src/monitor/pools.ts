import type { DriveId, ServerName } from "../base/ids.ts";
import type { ClusterMap } from "../cluster/map.ts";
import { groupId, keys } from "../cluster/schema.ts";
import type { PoolRecord } from "../cluster/schema.ts";
import type { PlacedGroup } from "./placement.ts";

/** Groups created by one transaction. Odd, so that an interrupted creation never leaves a power of two (see `poolState`). */
export const GROUPS_PER_TRANSACTION = 31;
/** The drives must have been the same for so long before a pool is spread over them. */
export const SETTLED_MS = 2_000;
/** After so long a pool is placed on the drives that are there, even though a registered server has none. */
export const FORMING_MAX_MS = 15_000;

export type PoolState =
  | { readonly state: "complete" }
  /** The groups after `already` are to be created. */
  | { readonly state: "wanting"; readonly already: readonly PlacedGroup[] }
  | { readonly state: "blocked"; readonly reason: string };

/**
 * What a pool lacks. Groups are created in the order of their numbers, so an interrupted creation leaves the first so many.
 * Anything else is not an interrupted creation, and a new, empty group could hide data that lies elsewhere:
 * a doubled group count is carried out by splitting, and a missing group is never made anew.
 */
export function poolState(map: ClusterMap, pool: PoolRecord): PoolState {
  const already: PlacedGroup[] = [];
  let firstMissing = pool.groupCount;
  for (let index = 0; index < pool.groupCount; index++) {
    const group = groupId(pool.factor, index);
    const exists = map.groups.has(group) || map.invalid.has(keys.group(group));
    if (!exists && map.plans.has(group)) return { state: "blocked", reason: `placement group ${pool.factor}/${index} has a plan but no configuration` };
    if (!exists) firstMissing = Math.min(firstMissing, index);
    else if (firstMissing < index) return { state: "blocked", reason: `placement group ${pool.factor}/${firstMissing} is missing, though later ones exist` };
    else already.push({ group, wanted: map.plans.get(group)?.plan.wanted ?? map.groups.get(group)?.config.members ?? [] });
  }
  if (firstMissing === pool.groupCount) return { state: "complete" };
  if (firstMissing > 0 && Number.isInteger(Math.log2(firstMissing))) {
    return { state: "blocked", reason: `it has ${firstMissing} placement groups and should have ${pool.groupCount}: they have to be split` };
  }
  return { state: "wanting", already };
}

/** Waits until the drives of a forming cluster are all there, so that a pool is spread over them and not over the first two. */
export class Forming {
  #signature = "";
  #changedMs = 0;
  #wantedMs: number | null = null;

  /** Told at every look, whether a pool is wanted or not. */
  observe(map: ClusterMap, nowMs: number): void {
    const signature = upDrives(map).sort().join(" ");
    if (signature !== this.#signature) this.#changedMs = nowMs;
    this.#signature = signature;
  }

  /** Asked by a leader that could place a pool: null when it may, else why it waits. */
  waitReason(map: ClusterMap, nowMs: number): string | null {
    this.#wantedMs ??= nowMs;
    if (nowMs - this.#wantedMs >= FORMING_MAX_MS) return null;
    const withDrive = new Set(upDrives(map).map((id) => map.drives.get(id)?.server));
    const without = [...map.servers.keys()].filter((name: ServerName) => !withDrive.has(name));
    if (without.length > 0) return `no drive of ${without.sort().join(", ")} answers yet`;
    if (nowMs - this.#changedMs < SETTLED_MS) return "drives are still coming";
    return null;
  }

  /** Nothing is wanted, or too few servers are there to begin: the time for others to come starts anew. */
  reset(): void {
    this.#wantedMs = null;
  }
}

/** Drives that are registered and answer. */
export function upDrives(map: ClusterMap): DriveId[] {
  return [...map.drives.keys()].filter((id) => map.upDrives.has(id));
}
