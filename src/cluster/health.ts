import type { DriveId, GroupId, ServerName } from "../base/ids.ts";
import type { ClusterMap } from "./map.ts";
import type { GroupConfig, ObservedGroup } from "./schema.ts";
import { movingGroups, type Seen } from "./progress.ts";
import { groupId, serversMin } from "./schema.ts";
import { describeHealth, describeLone } from "./health-sentence.ts";
import { alerts } from "./alerts.ts";
import { describeRestore } from "./restore-sentence.ts";
import { missingData, type MissingData } from "./missing.ts";

export type HealthState = "healthy" | "degraded" | "read-only" | "unavailable";

/**
 * How one group serves, in the order of trouble:
 *   serving   its primary says so for the current epoch
 *   settling  its primary served the epoch before and lives; its word on the newest configuration is still on its way
 *   starting  named by the monitor, not started by its primary yet: it has never held data
 *   peering   its primary lives but does not serve yet: hosts wait
 *   waiting   its primary lives but needs a change of configuration that it cannot get: hosts wait
 *   unserved  its primary is not up: hosts wait
 */
export type GroupState = "serving" | "settling" | "starting" | "peering" | "waiting" | "unserved";

export interface GroupCounts {
  /** Groups that the pools want. */
  readonly total: number;
  /** Wanted, and not made by the monitor yet. */
  readonly missing: number;
  readonly states: Readonly<Record<GroupState, number>>;
  /** Groups with fewer living members than copies wanted. */
  readonly short: number;
  /** The most copies that any group lacks. */
  readonly shortByMax: number;
  /** Groups with a learner. */
  readonly recovering: number;
  /** Groups that have all their copies and move to other drives: no degradation. */
  readonly moving: number;
  readonly recoveryCopiedBytes: number;
  readonly recoveryRemainingBytes: number;
}

export interface HealthFacts {
  readonly formed: boolean;
  readonly serverCount: number;
  readonly driveCount: number;
  readonly serversDown: readonly ServerName[];
  /** Drives that are down though their server is up. */
  readonly drivesDown: readonly { readonly id: DriveId; readonly server: ServerName }[];
  readonly groups: GroupCounts;
  /** Servers that hold the only living copy of some group. */
  readonly lastCopyServers: readonly ServerName[];
  /** Copies that every group should have, when all pools agree; else null. */
  readonly copies: number | null;
  /** While the cluster is read-only: what has no copy that answers, and who would bring it back. */
  readonly missing: MissingData | null;
  /** One copy of everything, by the administrator's wish when the cluster was formed. */
  readonly evaluation: boolean;
  /** Servers that lack before anything is served at all; 0: something is. */
  readonly serversMissing: number;
  /** Wall-clock time at which the first of those that are down stopped answering; null: nobody saw it. */
  readonly downSinceMs: number | null;
  /** Until the copies under way are made; null: not known. */
  readonly secondsLeft: number | null;
}

export interface Health {
  readonly state: HealthState;
  /** For an administrator: what is, why, and the next safe step. */
  readonly sentence: string;
  readonly details: HealthFacts & {
    /** Wall-clock time of the judgement, milliseconds since 1970. */
    readonly atMs: number;
  };
}

/** Alerts in the sentence: more would drown it; the status shows all. */
const ALERTS_NAMED_MAX = 2;

/**
 * The cluster's health as this copy of the map shows it. Pure. Whether it is read-only is the monitor leader's word.
 * `nowMs` is wall-clock time, milliseconds since 1970. With `pauses`, a group that has paused only just now is settling;
 * with `seen` it says since when and for how long.
 */
export function health(map: ClusterMap, nowMs: number, pauses: Pauses | null = null, seen: Seen | null = null): Health {
  const facts = gatherFacts(map, pauses, seen);
  // R14: groups that still serve will stop; it is no time to call the cluster healthy.
  const restore = describeRestore(map);
  const judged = judge(facts);
  const state = restore !== null && judged === "healthy" ? "degraded" : judged;
  const attention = alerts(map).slice(0, ALERTS_NAMED_MAX);
  const sentence = [restore === null ? describeHealth(state, facts) : `${capitalized(state)}: ${restore}`, ...(facts.evaluation ? [EVALUATION] : []), ...attention.map((alert) => `Attention: ${alert}`)].join(" ");
  return { state, sentence, details: { ...facts, atMs: nowMs } };
}

const EVALUATION = "This cluster is an evaluation with one copy of everything: a drive that fails takes its data with it.";

/** How a server that the store does not answer may serve reads all the same (R24). */
export interface LoneFacts {
  /** Servers that an administrator has confirmed as lost. */
  readonly lost: readonly string[];
  readonly auto: boolean;
}

/**
 * The same health as told by a server that the cluster store has not answered for `silentMs`: what it shows are the last
 * things it heard, and nothing it shows is known to be healthy now.
 */
export function withSilentStore(known: Health, silentMs: number, lone: LoneFacts = { lost: [], auto: false }): Health {
  const seconds = Math.max(1, Math.round(silentMs / 1000));
  const state = known.state === "healthy" ? "degraded" : known.state;
  const sentence =
    `${capitalized(state)}: the cluster store has not answered this server for ${seconds} s, so what it shows may be out of date; ` +
    `check that most of the servers are up and reach one another. Last known: ${known.sentence}`;
  const word = describeLone(lone, silentMs);
  if (word !== null) return { ...known, state: "read-only", sentence: word };
  return { ...known, state, sentence };
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A hand-over or a restarted primary pauses a group for less than this; hosts wait through it and nobody need be told. */
const SHORT_PAUSE_MS = 2000;

/** Remembers when each group last served, for a viewer that looks at health at least every second. */
export class Pauses {
  readonly #servedMs = new Map<GroupId, number>();
  /** Since an arbitrary moment; never jumps. */
  readonly #nowMs: () => number;
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }
  isShort(group: GroupId, state: GroupState): boolean {
    const now = this.#nowMs();
    if (state === "serving" || state === "settling") {
      this.#servedMs.set(group, now);
      return false;
    }
    return now - (this.#servedMs.get(group) ?? -Infinity) < SHORT_PAUSE_MS;
  }
}

function judge(facts: HealthFacts): HealthState {
  const { groups } = facts;
  if (!facts.formed || groups.total === 0 || facts.serversMissing > 0) return "unavailable";
  if (facts.missing !== null) return "read-only";
  if (groups.states.peering + groups.states.waiting + groups.states.unserved > 0) return "unavailable";
  // A group that moves changes its configuration again and again, and serves all the time.
  const settling = groups.moving > 0 ? groups.states.settling : 0;
  const whole = groups.states.serving + settling === groups.total && groups.short === 0;
  return whole && facts.serversDown.length === 0 && facts.drivesDown.length === 0 ? "healthy" : "degraded";
}

export function gatherFacts(map: ClusterMap, pauses: Pauses | null, seen: Seen | null = null): HealthFacts {
  const serversDown = [...map.servers.keys()].filter((name) => !serverIsUp(map, name)).sort();
  const drives = [...map.drives.values()].filter(({ id }) => !map.drivesRemoved.has(id));
  const drivesDown = drives
    .filter((drive) => !driveIsUp(map, drive.id) && !serversDown.includes(drive.server))
    .map(({ id, server }) => ({ id, server }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  const lastCopyServers = new Set<ServerName>();
  const groups = countGroups(map, lastCopyServers, pauses);
  const sinceMs = [...serversDown, ...drivesDown.map(({ id }) => id)].flatMap((subject) => seen?.downSinceMs(subject) ?? []);
  const factors = [...map.pools.values()].map((pool) => pool.factor);
  return {
    formed: map.cluster !== null,
    serverCount: map.servers.size,
    driveCount: drives.length,
    serversDown,
    drivesDown,
    groups,
    lastCopyServers: [...lastCopyServers].sort(),
    missing: map.mode === null ? null : missingData(map),
    evaluation: map.cluster?.evaluation === true,
    serversMissing: map.groups.size > 0 ? 0 : Math.max(0, serversMin(map.cluster) - map.servers.size),
    downSinceMs: sinceMs.length === 0 ? null : Math.min(...sinceMs),
    secondsLeft: seen?.secondsLeft("recovery") ?? null,
    copies: factors.length === 1 && factors[0] !== undefined ? factors[0] + 1 : null,
  };
}

function countGroups(map: ClusterMap, lastCopyServers: Set<ServerName>, pauses: Pauses | null): GroupCounts {
  const states: Record<GroupState, number> = { serving: 0, settling: 0, starting: 0, peering: 0, waiting: 0, unserved: 0 };
  const told = observedGroups(map);
  let total = 0, missing = 0, short = 0, shortByMax = 0, recovering = 0, recoveryCopiedBytes = 0, recoveryRemainingBytes = 0;
  for (const pool of map.pools.values()) {
    total += pool.groupCount;
    for (let index = 0; index < pool.groupCount; index++) {
      const id = groupId(pool.factor, index);
      const config = map.groups.get(id)?.config;
      if (config === undefined) {
        missing++;
        continue;
      }
      const word = told.get(config.primary)?.get(id);
      const state = groupState(map, config, word);
      states[pauses?.isShort(id, state) ? "settling" : state]++;
      const living = config.members.filter((drive) => driveIsUp(map, drive));
      const lacking = pool.factor + 1 - living.length;
      if (lacking > 0) {
        short++;
        shortByMax = Math.max(shortByMax, lacking);
      }
      const holder = living.length === 1 && living[0] !== undefined ? map.drives.get(living[0]) : undefined;
      if (holder !== undefined) lastCopyServers.add(holder.server);
      if (config.learners.some((drive) => driveIsUp(map, drive))) {
        recovering++;
        recoveryCopiedBytes += word?.copiedBytes ?? 0;
        recoveryRemainingBytes += word?.remainingBytes ?? 0;
      }
    }
  }
  return { total, missing, states, short, shortByMax, recovering, moving: movingGroups(map), recoveryCopiedBytes, recoveryRemainingBytes };
}

export function observedGroups(map: ClusterMap): Map<DriveId, Map<GroupId, ObservedGroup>> {
  const told = new Map<DriveId, Map<GroupId, ObservedGroup>>();
  for (const [drive, { groups }] of map.observed) {
    told.set(drive, new Map(groups.map((entry) => [entry.group as GroupId, entry])));
  }
  return told;
}

/** `word`: what the configuration's primary says of the group. */
export function groupState(map: ClusterMap, config: GroupConfig, word: ObservedGroup | undefined): GroupState {
  if (!driveIsUp(map, config.primary)) return "unserved";
  if (config.primaryInstance === 0) return "starting";
  // What another run of the process said says nothing about this one.
  const said = map.observed.get(config.primary)?.instance === config.primaryInstance ? word : undefined;
  if (said === undefined || said.epoch > config.epoch) return "peering";
  if (said.epoch === config.epoch) return said.state;
  // A serving primary changes its own members without a pause; only its report is late.
  return said.state === "serving" ? "settling" : "peering";
}

/** Whether the drive's storage process holds its lease and is not known to have died. */
export function driveIsUp(map: ClusterMap, drive: DriveId): boolean {
  const up = map.upDrives.get(drive);
  if (up === undefined || !map.drives.has(drive)) return false;
  const death = map.deaths.get(drive);
  return death === undefined || death.instance < up.instance;
}

export function serverIsUp(map: ClusterMap, server: ServerName): boolean {
  return map.upServers.has(server);
}
