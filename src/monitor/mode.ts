import type { GroupId } from "../base/ids.ts";
import { groupState, observedGroups } from "../cluster/health.ts";
import type { ClusterMap } from "../cluster/map.ts";
import { groupId, type ClusterMode } from "../cluster/schema.ts";

/** Hosts give up on a command after about 30 s: a refusal must reach them well before, a failover must not cause one. */
export const READ_ONLY_AFTER_MS = 10_000;
/**
 * Nothing counts as unserved in the first so many milliseconds of a monitor, nor of its machine: at a cold start everybody is on
 * the way, and members wait as long for one another (R19).
 */
export const COLD_START_MS = 15_000;
/** Looks are a second apart. Over a longer gap this process stood still or its store was silent, and it has seen nothing. */
const GAP_MS_MAX = 2_000;
/** A drive's word lives on in the store for its lease after the drive has died: at least so long it has not served by then. */
const LEASE_CREDIT_MS = 3_000;

/**
 * How long each group has been without a serving member, as far as this monitor has seen. Kept by every monitor, so that a new
 * leader need not begin anew. Pure.
 */
export class Unserved {
  readonly #startedMs: number;
  #lookedMs: number;
  readonly #forMs = new Map<GroupId, number>();

  /** `nowMs` counts from the machine's boot. */
  constructor(nowMs: number) {
    this.#startedMs = nowMs;
    this.#lookedMs = nowMs;
  }

  observe(map: ClusterMap, nowMs: number): void {
    const passedMs = Math.min(nowMs - this.#lookedMs, GAP_MS_MAX);
    this.#lookedMs = nowMs;
    const cold = nowMs - this.#startedMs < COLD_START_MS || nowMs < COLD_START_MS;
    const told = observedGroups(map);
    for (const id of [...this.#forMs.keys()]) if (!map.groups.has(id)) this.#forMs.delete(id);
    for (const [id, { config }] of map.groups) {
      const state = groupState(map, config, told.get(config.primary)?.get(id));
      // A group that has never held data has nothing to lose and nobody to refuse.
      const fresh = config.epoch === 1 && config.primaryInstance === 0;
      if (state === "serving" || fresh) this.#forMs.delete(id);
      else if (cold) this.#forMs.set(id, 0);
      else {
        const beforeMs = this.#forMs.get(id);
        // The primary's key has just gone, and its death was not published: its lease had run out.
        const credit = beforeMs === undefined && state === "unserved" && !map.upDrives.has(config.primary) ? LEASE_CREDIT_MS : 0;
        this.#forMs.set(id, (beforeMs ?? credit) + (beforeMs === undefined ? 0 : passedMs));
      }
    }
  }

  /** Groups that do not serve now, whatever the time. */
  get count(): number {
    return this.#forMs.size;
  }

  /** Groups that have had no serving member for long, in order; of those that an earlier leader `named`, all that still have none. */
  long(named: ReadonlySet<number>): GroupId[] {
    return [...this.#forMs].filter(([id, ms]) => ms >= READ_ONLY_AFTER_MS || named.has(id)).map(([id]) => id).sort((a, b) => a - b);
  }
}

/**
 * The mode that the cluster should be in: "keep", null for reads and writes, or read-only with the groups that do not serve. It
 * begins when a group has had no serving member for long, and ends only when every group that the pools want serves.
 */
export function nextMode(map: ClusterMap, unserved: Unserved, wallMs: number, cause: () => string): ClusterMode | null | "keep" {
  const groups = unserved.long(map.unservedGroups);
  const now = map.mode;
  if (now === null) return groups.length === 0 ? "keep" : { mode: "read-only", sinceMs: wallMs, groups, cause: cause() };
  if (unserved.count === 0 && allThere(map)) return null;
  const same = groups.length === now.groups.length && groups.every((id, i) => id === now.groups[i]);
  return same ? "keep" : { ...now, groups };
}

function allThere(map: ClusterMap): boolean {
  for (const pool of map.pools.values()) for (let index = 0; index < pool.groupCount; index += 1) if (!map.groups.has(groupId(pool.factor, index))) return false;
  return true;
}
