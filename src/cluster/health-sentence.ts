import type { HealthFacts, HealthState, LoneFacts } from "./health.ts";
import { utcMinute } from "../base/utc.ts";
import type { MissingData } from "./missing.ts";
import { timeForPeople } from "./progress.ts";

/** One sentence on what is and why, and the next safe step where there is one. */
export function describeHealth(state: HealthState, facts: HealthFacts): string {
  switch (state) {
    case "healthy":
      return `Healthy: ${counted(facts.serverCount, "server")} and ${counted(facts.driveCount, "drive")} are up and all ${facts.groups.total} groups have their ${copiesText(facts)}${movingClause(facts)}.`;
    case "degraded":
      return `Degraded: ${degradedClause(facts)}.${degradedStep(facts)}`;
    case "unavailable":
      return `Unavailable: ${unavailableClause(facts)}`;
    case "read-only":
      return `Read-only: ${readOnlyClause(facts)}`;
  }
}

function copiesText({ copies }: HealthFacts): string {
  return copies === 1 ? "one copy" : copies === null ? "copies" : `${copies} copies`;
}

function movingClause({ groups, secondsLeft }: HealthFacts): string {
  if (groups.moving === 0) return "";
  return `; data moves to other drives: ${counted(groups.moving, "group")}${secondsLeft === null ? "" : `, ${timeForPeople(secondsLeft)}`} left`;
}

function degradedClause(facts: HealthFacts): string {
  const { groups } = facts;
  const cause = causeClause(facts);
  if (groups.short > 0) {
    const lack = groups.shortByMax === 1 ? "one copy short" : `up to ${groups.shortByMax} copies short`;
    return `${groups.short} of ${groups.total} groups are ${lack}${cause === null ? "" : ` since ${cause}`}${recoveryClause(facts)}`;
  }
  if (cause !== null) return `${cause}; no group lacks a copy${recoveryClause(facts)}`;
  const unmade = groups.missing + groups.states.starting;
  if (unmade > 0) return `${unmade} of ${groups.total} groups are being set up`;
  return `${groups.states.settling} of ${groups.total} groups are settling on a new configuration`;
}

function recoveryClause({ groups, secondsLeft }: HealthFacts): string {
  if (groups.recovering > 0 && secondsLeft !== null) return `; recovering, ${timeForPeople(secondsLeft)} left`;
  if (groups.recoveryRemainingBytes > 0) return `; recovering, ${bytesForPeople(groups.recoveryRemainingBytes)} left`;
  if (groups.recovering > 0) return "; recovering";
  return groups.short > 0 ? "; recovery has not started yet" : "";
}

function degradedStep(facts: HealthFacts): string {
  if (facts.lastCopyServers.length > 0) return ` Do not power off ${listed(facts.lastCopyServers, "or")}.`;
  if (facts.serversDown.length > 0) return ` Start ${listed(facts.serversDown, "and")} again, and do not power off another server before that.`;
  if (facts.groups.short > 0) return " Do not power off more than one server.";
  if (facts.drivesDown.length > 0) return ` Do not power off more than one server. If ${facts.drivesDown.length === 1 ? "it does" : "they do"} not come back, remove ${facts.drivesDown.length === 1 ? "it" : "them"} from the cluster.`;
  return " Wait a moment; nothing needs to be done.";
}

/** R24: the portal's own state when nobody else is there; null when there is none. */
export function describeLone({ lost, auto }: LoneFacts, silentMs: number): string | null {
  const AUTO_AFTER_MS = 30_000; // as storage/group/lone.ts has it
  const stale = "reads are stale if one of the others still serves";
  const end = "Writes are refused. It ends by itself when most of the servers are back.";
  if (lost.length > 0) return `Read-only: on an administrator's word that ${listed(lost, "and")} ${lost.length === 1 ? "is" : "are"} lost, this server answers reads of the copies it has; ${stale}. ${end}`;
  if (!auto || silentMs < AUTO_AFTER_MS) return null;
  return `Read-only: loneSurvivor is auto and nobody has answered this server for ${Math.round(silentMs / 1000)} s, so it answers reads of the copies it has; ${stale}. ${end}`;
}

function readOnlyClause(facts: HealthFacts): string {
  const { missing } = facts;
  const refused = "Writes are refused and reads of what survives go on.";
  if (missing === null || missing.groups === 0) return "the groups that had no copy serve again, and writes are taken again in a moment.";
  const what = `${missing.groups} of ${facts.groups.total} groups have no copy that answers since ${missing.cause} (${missingText(missing)}). ${refused}`;
  if (missing.bringBack.length > 0) {
    const named = missing.bringBack.map(({ server, drives, whole }) => (whole ? server : `drive ${listed(drives, "and")} of ${server}`));
    return `${what} Bring back ${listed(named, "and")}: nothing acknowledged is lost as long as no drive is wiped or replaced.`;
  }
  if (missing.noWholeCopy > 0) return `${what} All their drives answer, and none is known to hold everything that was acknowledged; bring back drives that were taken out.`;
  return `${what} Their drives answer and are being brought together; do not power off any server.`;
}

/** "about 1.5 GiB of the 4 GiB provisioned, in volumes db and mail". */
function missingText({ bytes, ofBytes, volumes }: MissingData): string {
  if (volumes.length === 0) return "no volume is touched";
  const VOLUMES_NAMED_MAX = 5; // more would drown the sentence
  const names = volumes.length > VOLUMES_NAMED_MAX ? `${volumes.length} volumes` : `${volumes.length === 1 ? "volume" : "volumes"} ${listed(volumes, "and")}`;
  return `about ${bytesForPeople(bytes)} of the ${bytesForPeople(ofBytes)} provisioned, in ${names}`;
}

function unavailableClause(facts: HealthFacts): string {
  const { states, total } = facts.groups;
  if (!facts.formed) return "this server has not read the cluster's state from the cluster store yet. Check that most of the servers are up.";
  if (facts.serversMissing > 0) return `the cluster has ${facts.serverCount} of at least ${facts.serverCount + facts.serversMissing} servers, so nothing is served yet. Add ${counted(facts.serversMissing, "server")}.`;
  if (total === 0) return "the cluster has no pool yet. Form the cluster again if this stays.";
  const stopped = states.peering + states.waiting + states.unserved;
  const cause = causeClause(facts);
  const what = `${stopped} of ${total} groups have no serving copy`;
  if (cause !== null) {
    const bring = facts.serversDown.length > 0 ? listed(facts.serversDown, "and") : "those drives";
    return `${what} since ${cause}; hosts wait. Bring ${bring} back, and do not wipe or replace any drive.`;
  }
  if (states.waiting > 0 && states.peering === 0) {
    return `${what}: they wait for a change of configuration; hosts wait. Check that most of the servers are up and reach one another.`;
  }
  return `${what} while their copies are being compared; hosts wait. This takes seconds; do not power off any server.`;
}

/** What happened when groups have no serving copy: "server-3 stopped answering". */
export function awayText(facts: HealthFacts): string {
  return causeClause(facts) ?? "their copies cannot be brought together";
}

/** "server-2 and server-3 stopped answering at 14:02 UTC", or the drives; null when all are up. */
function causeClause({ serversDown, drivesDown, downSinceMs }: HealthFacts): string | null {
  const down = drivesDown.map(({ id, server }) => `drive ${id} of ${server}`);
  const DRIVES_NAMED_MAX = 3; // more would drown the sentence; status lists them all
  const drives = down.length > DRIVES_NAMED_MAX ? [`${down.length} drives`] : down;
  const all = [...serversDown, ...drives];
  return all.length === 0 ? null : `${listed(all, "and")} stopped answering${downSinceMs === null ? "" : ` at ${utcMinute(downSinceMs).slice(11)}`}`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** "a", "a and b", "a, b and c". */
function listed(items: readonly string[], conjunction: "and" | "or"): string {
  if (items.length <= 1) return items.join("");
  return `${items.slice(0, -1).join(", ")} ${conjunction} ${items[items.length - 1]}`;
}

/** "1.2 GiB"; units of 1024. */
export function bytesForPeople(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${bytes} bytes` : `${value.toFixed(1)} ${units[unit]}`;
}
