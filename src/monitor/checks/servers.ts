import type { ServerName } from "../../base/ids.ts";
import { serverIsUp } from "../../cluster/health.ts";
import { RESTART_MS, STEADY_MS, type Finding, type Sight } from "./finding.ts";

/** On top of its lease, so that a store that was silent for a moment, where all register anew, alarms nobody. */
const DOWN_MS = 4_000;
/** So often within ten minutes a process may be started again (an update, a drive that was released) before it means something. */
const RESTARTS_MAX = 3;
/** Servers of one version are updated one after the other. */
const MIXED_MS = 30 * 60_000;

/** Servers that do not answer, and roles that do not run on those that do. */
export function serverFindings({ map, checked }: Sight): Finding[] {
  const findings: Finding[] = [];
  const portals = new Set([...map.upGateways.values()].map(({ server }) => String(server)));
  for (const name of map.servers.keys()) {
    if (!serverIsUp(map, name)) {
      findings.push({
        kind: "server-down",
        subject: name,
        severity: "critical",
        sentence: `${name} does not answer: it has no power, no network, or VirtuStor on it has ended.`,
        step: "Look at its console and its power and network; do not power off another server before it is back.",
        source: null,
        afterMs: DOWN_MS,
      });
      continue;
    }
    if (!portals.has(name)) {
      findings.push({
        kind: "portal-down",
        subject: name,
        severity: "warning",
        sentence: `The iSCSI portal of ${name} is not open: hosts have one path less.`,
        step: `Look into the log of ${name}; the other servers' portals serve every volume meanwhile.`,
        source: null,
        afterMs: RESTART_MS,
      });
    }
    if (!checked.has(name)) {
      findings.push({
        kind: "monitor-silent",
        subject: name,
        severity: "warning",
        sentence: `${name} is up, but its monitor does not tell how it is: failing drives, links or a full system partition there would not be noticed.`,
        step: `Look into the log of ${name}; if the monitor does not come back, restart the server's service.`,
        source: null,
        afterMs: 2 * RESTART_MS,
      });
    }
  }
  for (const { server, roles } of checked.values()) if (serverIsUp(map, server as ServerName)) findings.push(...roleFindings(server, roles));
  return [...findings, ...versionFindings(checked)];
}

/** Told by other findings: a drive that is down, a portal that is not open, a store's member. */
const TOLD_ELSEWHERE = /^(storage-|iscsi$|shared$|etcd$|monitor$|server$)/;

function roleFindings(server: string, roles: readonly { role: string; running: boolean; restarts: number }[]): Finding[] {
  const findings: Finding[] = [];
  for (const { role, running, restarts } of roles) {
    if (restarts >= RESTARTS_MAX) {
      findings.push({
        kind: "role-restarts",
        subject: `${server}/${role}`,
        severity: "warning",
        sentence: `The process ${role} of ${server} ends again and again: it was started ${restarts} times within ten minutes.`,
        step: `The log of ${server} says why it ends; keep it for support.`,
        source: server,
        afterMs: 0,
      });
    } else if (!running && !TOLD_ELSEWHERE.test(role)) {
      findings.push({
        kind: "role-down",
        subject: `${server}/${role}`,
        severity: "warning",
        sentence: `The process ${role} of ${server} does not run.`,
        step: `The log of ${server} says why; restart the server's service if it stays so.`,
        source: server,
        afterMs: STEADY_MS,
      });
    }
  }
  return findings;
}

function versionFindings(checked: Sight["checked"]): Finding[] {
  const servers = new Map<string, string[]>();
  for (const { server, version } of checked.values()) servers.set(version, [...(servers.get(version) ?? []), server]);
  if (servers.size < 2) return [];
  const listed = [...servers].sort(([a], [b]) => (a < b ? -1 : 1)).map(([version, names]) => `${names.sort().join(", ")} with ${version}`);
  return [
    {
      kind: "version-mismatch",
      subject: "cluster",
      severity: "warning",
      sentence: `The servers do not run the same version: ${listed.join("; ")}.`,
      step: "Update the servers with the older version.",
      source: null,
      afterMs: MIXED_MS,
    },
  ];
}
