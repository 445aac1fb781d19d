import type { DriveDetailAnswer, GroupsAnswer, ScrubAnswer, StatusAnswer } from "../management/api.ts";
import { drainText } from "./growth.ts";
import { formatSize } from "./sizes.ts";
import { table } from "./table.ts";

/** The cluster's status for people: the sentence first, then what it is made of. */
export function statusText(status: StatusAnswer): string {
  const { health, cluster, servers, drives, capacity, unreadable } = status;
  const serverRows = servers.map((server) => [server.name, upText(server.up), server.portal, server.api]);
  const driveRows = drives.map((drive) => [drive.id, drive.server, upText(drive.up), formatSize(drive.capacityBytes), drive.usedBytes === null ? "-" : formatSize(drive.usedBytes)]);
  return [
    `${health.sentence}\n`,
    cluster === null ? "" : `Cluster ${cluster.name}, target ${cluster.targetName}\n`,
    "\n",
    table(["server", "state", "portal", "API"], serverRows, "no servers"),
    "\n",
    table(["drive", "server", "state", "size", "used"], driveRows, "no drives"),
    "\n",
    `Groups: ${groupsText(status.groups)}\n`,
    `Capacity: ${formatSize(capacity.rawBytes)} raw, ` +
      (cluster?.evaluation === true
        ? `${formatSize(capacity.usableBytes)} usable with one copy\n`
        : `${formatSize(capacity.usableBytes)} usable with factor 1 (2 copies), ${formatSize(capacity.usableFactor2Bytes)} with factor 2 (3 copies)\n`),
    `Volumes: ${formatSize(capacity.provisionedBytes)} provisioned; ${formatSize(capacity.usedBytes)} used on the drives, all copies counted\n`,
    scrubText(status.scrub),
    ...status.alerts.map((alert) => `Alert: ${alert}\n`),
    ...unreadable.map(({ key, reason }) => `Not readable: ${key}: ${reason}\n`),
  ].join("");
}

/** One line a drive, and below what needs more words. */
export function drivesText(drives: readonly DriveDetailAnswer[]): string {
  const rows = drives.map((drive) => [
    drive.id,
    drive.server,
    STATE_TEXT[drive.state],
    drive.capacityBytes === 0 ? "-" : formatSize(drive.capacityBytes),
    drive.usedBytes === null ? "-" : formatSize(drive.usedBytes),
    String(drive.instance),
    drive.parked === null ? "-" : String(drive.parked.files),
    drainText(drive.drain),
  ]);
  const words = drives.flatMap(({ id, server, failed, why, alerts }) => [
    ...(failed ? [`Failed: ${id} of ${server} at ${new Date(failed.atMs).toISOString()}: ${failed.why || "its log has the reason"}\n`] : []),
    ...(why === null ? [] : [`Does not obey the cluster store: ${id} of ${server}: ${why}\n`]),
    ...alerts.map((alert) => `Alert: ${alert}\n`),
  ]);
  return [table(["drive", "server", "state", "size", "used", "run", "parked", "drain"], rows, "no drives"), ...new Set(words)].join("");
}
const STATE_TEXT: Record<DriveDetailAnswer["state"], string> = { up: "up", down: "DOWN", failed: "FAILED", "not-obeying": "NOT OBEYING" };

function scrubText({ askedAtMs, deep, doneGroups, groups, runningDrives }: ScrubAnswer): string {
  if (askedAtMs === null) return "";
  return `Scrub: ${deep ? "deep" : "light"}, ${doneGroups} of ${groups} groups done${runningDrives > 0 ? `, ${runningDrives} drives at work` : ""}\n`;
}

function upText(up: boolean): string {
  return up ? "up" : "DOWN";
}

function groupsText(groups: GroupsAnswer): string {
  const named: [number, string][] = [
    [groups.missing + groups.starting, "being set up"],
    [groups.settling, "settling"],
    [groups.peering, "comparing copies"],
    [groups.waiting, "waiting"],
    [groups.unserved, "without a server"],
    [groups.short, "short of a copy"],
    [groups.recovering, `recovering (${formatSize(groups.recoveryRemainingBytes)} left)`],
  ];
  const others = named.filter(([count]) => count > 0).map(([count, what]) => `, ${count} ${what}`);
  return `${groups.total}, ${groups.serving} serving${others.join("")}`;
}
