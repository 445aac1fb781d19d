import type { DriveId, ServerName } from "../base/ids.ts";
import type { ClusterMap } from "./map.ts";
import { groupFactor } from "./schema.ts";

/** What is still to be copied, and what has been. */
export interface Left {
  readonly groups: number;
  /** As far as it is known; of copies that have not begun yet it is estimated. */
  readonly bytes: number;
  /** Of the copies under way. */
  readonly copiedBytes: number;
}

/** Copies that are being made or wished, for whatever reason. Pure. */
export function recoveryLeft(map: ClusterMap): Left {
  const average = bytesOfCopy(map);
  let groups = 0, bytes = 0, copiedBytes = 0;
  for (const [id, { config }] of map.groups) {
    const wanted = map.plans.get(id)?.plan.wanted ?? [];
    const waiting = wanted.filter((drive) => !config.members.includes(drive) && !config.learners.includes(drive) && map.upDrives.has(drive));
    const learning = config.learners.filter((drive) => map.upDrives.has(drive));
    if (waiting.length + learning.length === 0) continue;
    groups += 1;
    const told = map.observed.get(config.primary)?.groups.find((word) => word.group === id && word.epoch === config.epoch);
    copiedBytes += told?.copiedBytes ?? 0;
    bytes += waiting.length * average + (learning.length > 0 ? (told ? told.remainingBytes : learning.length * average) : 0);
  }
  return { groups, bytes: Math.round(bytes), copiedBytes };
}

/** What a drive that is drained still holds: groups that name it, or are wished onto it. Pure. */
export function drainLeft(map: ClusterMap, drive: DriveId): Left {
  const groups = namedGroups(map, drive);
  const used = map.observed.get(drive)?.usedBytes;
  const estimate = groups * bytesOfCopy(map);
  return { groups, bytes: groups === 0 ? 0 : Math.round(used === undefined ? estimate : Math.min(used, estimate)), copiedBytes: 0 };
}

/** How many groups name the drive in their configuration or their wish. */
export function namedGroups(map: ClusterMap, drive: DriveId): number {
  let count = 0;
  for (const [id, { config }] of map.groups)
    if (config.members.includes(drive) || config.learners.includes(drive) || map.plans.get(id)?.plan.wanted.includes(drive)) count += 1;
  return count;
}

/** Whether copies of a drive are to be made elsewhere, because of itself or of its server. */
export function isDraining(map: ClusterMap, id: DriveId): boolean {
  const server = map.drives.get(id)?.server;
  return map.drivesDraining.has(id) || (server !== undefined && map.serversDraining.has(server));
}

/** Groups that have all their copies and are on their way to other drives all the same. Pure. */
export function movingGroups(map: ClusterMap): number {
  const draining = new Set([...map.drives.keys()].filter((id) => isDraining(map, id)));
  let moving = 0;
  for (const [id, { config }] of map.groups) {
    const wanted = map.plans.get(id)?.plan.wanted ?? config.members;
    const whole = config.members.filter((drive) => map.upDrives.has(drive)).length > groupFactor(id);
    const elsewhere = wanted.some((drive) => !config.members.includes(drive)) || config.members.some((drive) => !wanted.includes(drive) || draining.has(drive));
    if (whole && elsewhere) moving += 1;
  }
  return moving;
}

/** Average of all copies, in bytes. */
function bytesOfCopy(map: ClusterMap): number {
  let used = 0, copies = 0;
  for (const { usedBytes } of map.observed.values()) used += usedBytes;
  for (const { config } of map.groups.values()) copies += config.members.length;
  return copies === 0 ? 0 : used / copies;
}

/** What a group costs besides its bytes: fencing, manifests and changes of its configuration take as long as copying about so much. */
const GROUP_COST_BYTES = 16 * 2 ** 20;
/** The rate is an average that forgets with this time constant. */
const SMOOTHING_MS = 20_000;
/** An estimate from less is worth nothing. */
const WATCHED_MS_MIN = 3_000;

interface Watched {
  readonly sinceMs: number;
  atMs: number;
  work: number;
  /** Work in a millisecond. */
  rate: number;
}

/** How long what is left will take, by how fast it went so far; and since when who is away is away. For a viewer that looks about every second. */
export class Seen {
  readonly #watched = new Map<string, Watched>();
  readonly #downSinceMs = new Map<string, number | null>();
  #first = true;

  /** `nowMs`: of a clock that never jumps. `wallMs`: milliseconds since 1970. */
  observe(map: ClusterMap, nowMs: number, wallMs: number): void {
    const left = new Map<string, Left>([["recovery", recoveryLeft(map)]]);
    for (const id of map.drives.keys()) if (isDraining(map, id)) left.set(id, drainLeft(map, id));
    for (const server of map.serversDraining.keys()) left.set(server, serverLeft(map, server));
    for (const subject of [...this.#watched.keys()]) if ((left.get(subject)?.groups ?? 0) === 0) this.#watched.delete(subject);
    for (const [subject, { groups, bytes }] of left) if (groups > 0) this.#watch(subject, groups * GROUP_COST_BYTES + bytes, nowMs);
    this.#look([...map.servers.keys()], (name) => map.upServers.has(name as ServerName), wallMs);
    this.#look([...map.drives.keys()], (id) => map.upDrives.has(id as DriveId), wallMs);
    this.#first = false;
  }

  /** "recovery", a drive that is drained, or a server. null: not known yet. */
  secondsLeft(subject: string): number | null {
    const watched = this.#watched.get(subject);
    if (watched === undefined || watched.atMs - watched.sinceMs < WATCHED_MS_MIN || watched.rate <= 0) return null;
    return Math.ceil(watched.work / watched.rate / 1000);
  }

  /** Wall-clock time at which a server or drive stopped answering, when that was seen; null else. */
  downSinceMs(subject: string): number | null {
    return this.#downSinceMs.get(subject) ?? null;
  }

  #watch(subject: string, work: number, nowMs: number): void {
    const before = this.#watched.get(subject);
    if (before === undefined) return void this.#watched.set(subject, { sinceMs: nowMs, atMs: nowMs, work, rate: 0 });
    const passedMs = nowMs - before.atMs;
    if (passedMs <= 0) return;
    // What comes to it meanwhile is no progress, and no step back either.
    const done = Math.max(0, before.work - work);
    // At first the whole time counts, later the newest part of it.
    const weight = Math.max(1 - Math.exp(-passedMs / SMOOTHING_MS), passedMs / (nowMs - before.sinceMs));
    before.rate += (done / passedMs - before.rate) * weight;
    before.atMs = nowMs;
    before.work = work;
  }

  #look(subjects: readonly string[], isUp: (subject: string) => boolean, wallMs: number): void {
    for (const subject of subjects) {
      if (isUp(subject)) this.#downSinceMs.delete(subject);
      // What was away before the first look has been so for nobody knows how long.
      else if (!this.#downSinceMs.has(subject)) this.#downSinceMs.set(subject, this.#first ? null : wallMs);
    }
  }
}

/** All drives of a server. */
export function serverLeft(map: ClusterMap, server: ServerName): Left {
  let groups = 0, bytes = 0;
  for (const { id, server: own } of map.drives.values()) {
    if (own !== server) continue;
    const left = drainLeft(map, id);
    groups += left.groups;
    bytes += left.bytes;
  }
  return { groups, bytes, copiedBytes: 0 };
}

/** "40 s", "6 min", "2 h 5 min". */
export function timeForPeople(seconds: number): string {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h${minutes % 60 === 0 ? "" : ` ${minutes % 60} min`}`;
}
