import type { DriveId, GroupId, ServerName } from "../base/ids.ts";
import type { GroupConfig, GroupPlan, Observed } from "../cluster/schema.ts";
import { groupFactor } from "../cluster/schema.ts";
import { Load } from "./load.ts";
import type { Place } from "./load.ts";
import { planMoves } from "./moves.ts";
import { primaryFirst } from "./placement.ts";

export interface PlanSettings {
  /** How long a drive whose server answers may be away before its copies are made elsewhere. */
  readonly driveTimeoutMs: number;
  /** How long a whole server may be away: long enough for a restart, or for an administrator to plug it in again. */
  readonly serverTimeoutMs: number;
  /** A drive filled beyond this share of its capacity gets no further copies. */
  readonly fullShare: number;
  /** Copies are moved while one drive has more than so many more, above its share by capacity, than another. At least 1: else they move for ever. */
  readonly slackCopies: number;
}
export const PLAN_SETTINGS: PlanSettings = { driveTimeoutMs: 60_000, serverTimeoutMs: 600_000, fullShare: 0.85, slackCopies: 2 };

/** Up or down, and since when this process knows it, in its own clock. */
export interface UpState {
  readonly up: boolean;
  readonly sinceMs: number;
}
export interface PlanDrive extends Place, UpState {
  /** Its supervisor has recorded that it failed: it does not come back by itself, so there is nothing to wait for. */
  readonly failed: boolean;
  /** An administrator wants it, or its server, to hold nothing any more. */
  readonly draining: boolean;
}
export interface PlanInput {
  readonly groups: ReadonlyMap<GroupId, GroupConfig>;
  readonly plans: ReadonlyMap<GroupId, GroupPlan>;
  /** Every registered drive. */
  readonly drives: ReadonlyMap<DriveId, PlanDrive>;
  /** Every registered server. */
  readonly servers: ReadonlyMap<ServerName, UpState>;
  /** Drives that an administrator has removed from the cluster: they do not come back. */
  readonly removed: ReadonlyMap<DriveId, unknown>;
  readonly observed: ReadonlyMap<DriveId, Observed>;
  /** Nothing counts as away since earlier than this: when this process began to lead. */
  readonly leadingSinceMs: number;
  readonly nowMs: number;
  readonly settings: PlanSettings;
}
export interface PlanChange {
  readonly group: GroupId;
  /** On different servers, the wanted primary first. */
  readonly wanted: readonly DriveId[];
  /** Drives of the wish before that are no longer in it. */
  readonly left: readonly DriveId[];
}
export interface PlanResult {
  /** Wishes to write, in the order of their groups. */
  readonly changes: readonly PlanChange[];
  /** Groups that should have another drive, but no suitable one exists. */
  readonly stuckCount: number;
  /** Groups that are to leave a drive which is drained, and have nowhere to go. */
  readonly drainStuckCount: number;
}

/**
 * The wishes that should change: a group whose wanted drive has been away for longer than its time-out gets another drive,
 * when a suitable one exists; drives that are drained are left, and new ones are filled. Everything else is left as it is. Pure and deterministic; with its own result applied it
 * has nothing more to say. It never promotes and never removes a copy: the group's primary enacts a wish (R11, R12).
 * What is short of copies comes first; what may as well stay where it is moves after that, a little at a time (moves.ts).
 */
export function plan(input: PlanInput): PlanResult {
  const load = new Load(input.drives.values());
  const ids = [...input.groups.keys()].sort((a, b) => a - b);
  const changes: PlanChange[] = [];
  const wishes = new Map(ids.map((id) => [id, wish(input, id)]));
  const left = (before: readonly DriveId[], after: readonly DriveId[]): DriveId[] => before.filter((drive) => !after.includes(drive));
  let stuckCount = 0;
  for (const before of wishes.values()) load.add(before);
  for (const [id, before] of wishes) {
    const after = nextWish(input, load, id, before);
    if (after === "stuck") stuckCount++;
    else if (after !== null) {
      load.remove(before);
      load.add(after);
      changes.push({ group: id, wanted: after, left: left(before, after) });
      wishes.set(id, after);
    }
  }
  const { moves, stuckCount: drainStuckCount } = planMoves(input, load, wishes, new Set(changes.map(({ group }) => group)));
  for (const { group, wanted } of moves) changes.push({ group, wanted, left: left(wishes.get(group) ?? [], wanted) });
  return { changes: changes.sort((a, b) => a.group - b.group), stuckCount, drainStuckCount };
}

/** The drives wanted now. A group without a wish (a restored store) is wished where its configuration says that it is. */
function wish(input: PlanInput, id: GroupId): readonly DriveId[] {
  const written = input.plans.get(id);
  if (written !== undefined) return written.wanted;
  const config = input.groups.get(id) as GroupConfig;
  return [...new Set([config.primary, ...config.members, ...config.learners])].slice(0, groupFactor(id) + 1);
}

/** null: the wish stays. */
function nextWish(input: PlanInput, load: Load, id: GroupId, before: readonly DriveId[]): DriveId[] | "stuck" | null {
  const config = input.groups.get(id) as GroupConfig;
  const copyCount = groupFactor(id) + 1;
  const kept = stay(input, config, before);
  if (kept.length === before.length && before.length >= copyCount) return input.plans.has(id) ? null : [...before];
  // With no copy alive there is nothing to copy from, and the return of one is what everybody waits for.
  if (!config.members.some((member) => input.drives.get(member)?.up)) return null;
  const wanted = [...kept];
  const suits = (place: Place) => !before.includes(place.id) && suitable(input, place);
  const holds = (place: Place) => suits(place) && (config.members.includes(place.id) || config.learners.includes(place.id));
  while (wanted.length < copyCount) {
    // A drive that has the group's data already needs the least copying.
    const next = load.choose(id, wanted, holds) ?? load.choose(id, wanted, suits);
    if (next === null) break;
    wanted.push(next);
  }
  // Fewer drives than before would only give up the copy that may still come back.
  if (wanted.length < Math.min(before.length, copyCount)) return "stuck";
  if (wanted.length < copyCount && wanted.length === kept.length) return "stuck";
  const primary = before[0] as DriveId;
  if (kept.includes(primary)) return primaryFirst(wanted, primary);
  load.remove(before);
  const chosen = load.choosePrimary(wanted);
  load.add(before);
  return primaryFirst(wanted, chosen);
}

/** The wanted drives that stay wanted: not given up, and one a server (a drive may have moved into another server, R22). */
function stay(input: PlanInput, config: GroupConfig, before: readonly DriveId[]): DriveId[] {
  const rank = (id: DriveId) => (input.drives.get(id)?.up ? 0 : 2) + (config.members.includes(id) ? 0 : 1);
  const takenServers = new Set<ServerName>();
  const staying = new Set<DriveId>();
  for (const id of [...before].sort((a, b) => rank(a) - rank(b))) {
    const server = input.drives.get(id)?.server;
    if (givenUp(input, id) || (server !== undefined && takenServers.has(server))) continue;
    if (server !== undefined) takenServers.add(server);
    staying.add(id);
  }
  return before.filter((id) => staying.has(id));
}

/** Whether a drive has been away for so long that its copies should be made elsewhere. */
export function givenUp(input: PlanInput, id: DriveId): boolean {
  const { nowMs, leadingSinceMs, settings } = input;
  if (input.removed.has(id)) return true;
  const drive = input.drives.get(id);
  // Not registered, or not readable by this version: no reason to hurry.
  if (drive === undefined) return nowMs - leadingSinceMs >= settings.serverTimeoutMs;
  if (drive.up) return false;
  // One that is to leave need not come back first.
  if (drive.failed || drive.draining) return true;
  const server = input.servers.get(drive.server);
  const downSinceMs = Math.max(drive.sinceMs, leadingSinceMs);
  if (!server?.up) return nowMs - Math.max(downSinceMs, server?.sinceMs ?? 0) >= settings.serverTimeoutMs;
  // A server that has just come back gives its drives the whole time to start.
  return nowMs - Math.max(downSinceMs, server.sinceMs) >= settings.driveTimeoutMs;
}

/** Whether more copies may be placed there. */
export function suitable(input: PlanInput, place: Place): boolean {
  const drive = input.drives.get(place.id);
  if (!drive?.up || drive.failed || drive.draining || input.removed.has(place.id)) return false;
  return (input.observed.get(place.id)?.usedBytes ?? 0) <= place.capacityBytes * input.settings.fullShare;
}
