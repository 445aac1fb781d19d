import { VERSION } from "../base/version.ts";
import { capacity } from "../cluster/capacity.ts";
import { driveIsUp, serverIsUp } from "../cluster/health.ts";
import type { KindCounters, PortalStatistics } from "../cluster/statistics.ts";
import { Exposition, type Labels } from "./exposition.ts";
import type { ClusterView } from "./view.ts";

/** Below 32 us no command ends, above 16 s hosts have given up. */
const FIRST_BUCKET = 5;
const LAST_BUCKET = 24;

/** Everything that is worth a chart, of the whole cluster: any one server is enough to be asked. */
export function metricsText(view: ClusterView): string {
  const out = new Exposition();
  clusterMetrics(out, view);
  serverMetrics(out, view);
  driveMetrics(out, view);
  portalMetrics(out, view);
  return out.text();
}

function clusterMetrics(out: Exposition, view: ClusterView): void {
  const { map, alerting } = view;
  const { state, details } = view.health();
  const { groups } = details;
  const bytes = capacity(map);
  out.gauge("virtustor_info", "The software that answers, and the cluster.", [[{ version: VERSION, cluster: map.cluster?.name ?? "", id: map.cluster?.id ?? "" }, 1]]);
  out.gauge("virtustor_health", "1 for the state that the cluster is in.", ["healthy", "degraded", "read-only", "unavailable"].map((one) => [{ state: one }, one === state ? 1 : 0]));
  out.gauge("virtustor_store_answering", "Whether the cluster store answers this server.", [[{}, view.storeAnswers ? 1 : 0]]);
  out.gauge("virtustor_groups", "Placement groups by how they serve.", [...Object.entries(groups.states), ["missing", groups.missing] as const].map(([one, count]) => [{ state: one }, count]));
  out.gauge("virtustor_groups_short", "Placement groups with fewer living copies than wanted.", [[{}, groups.short]]);
  out.gauge("virtustor_groups_recovering", "Placement groups of which a copy is being made.", [[{}, groups.recovering]]);
  out.gauge("virtustor_recovery_remaining_bytes", "What is still to be copied, as far as it is known.", [[{}, groups.recoveryRemainingBytes]]);
  out.gauge("virtustor_capacity_bytes", "Sizes: raw = sum of drives, usable = with two copies, provisioned = sum of volumes, used = on drives, all copies.", [
    [{ kind: "raw" }, bytes.rawBytes],
    [{ kind: "usable" }, bytes.usableBytes],
    [{ kind: "provisioned" }, bytes.provisionedBytes],
    [{ kind: "used" }, bytes.usedBytes],
  ]);
  out.gauge("virtustor_volume_size_bytes", "Size of each volume, as hosts see it.", [...map.volumes.values()].map(({ name, sizeBytes, factor }) => [{ volume: name, copies: String(factor + 1) }, sizeBytes]));
  const active = [...alerting.alerts.values()].map(({ record }) => record).filter(({ clearedAtMs }) => clearedAtMs === null);
  out.gauge("virtustor_alerts", "Alerts that last.", ["critical", "warning", "info"].map((severity) => [{ severity }, active.filter((alert) => alert.severity === severity).length]));
  out.gauge("virtustor_alert_active", "1 for each alert that lasts.", active.map(({ kind, subject, severity }) => [{ kind, subject, severity }, 1]));
}

function serverMetrics(out: Exposition, { map, alerting }: ClusterView): void {
  const checked = [...alerting.checked.values()];
  out.gauge("virtustor_server_up", "Whether the server answers.", [...map.servers.keys()].map((server) => [{ server }, serverIsUp(map, server) ? 1 : 0]));
  out.gauge("virtustor_system_free_bytes", "Free space of the server's system partition.", checked.flatMap(({ server, system }) => (system === null ? [] : [[{ server }, system.freeBytes] as const])));
  out.gauge("virtustor_system_size_bytes", "Size of the server's system partition.", checked.flatMap(({ server, system }) => (system === null ? [] : [[{ server }, system.totalBytes] as const])));
  out.gauge("virtustor_store_answer_seconds", "How long the cluster store took to answer the server.", checked.flatMap(({ server, storeMs }) => (storeMs === null ? [] : [[{ server }, storeMs / 1000] as const])));
  out.gauge("virtustor_role_running", "Whether a process of the server runs.", checked.flatMap(({ server, roles }) => roles.map(({ role, running }) => [{ server, role }, running ? 1 : 0] as const)));
  out.gauge("virtustor_role_restarts", "Starts of a process in the last ten minutes.", checked.flatMap(({ server, roles }) => roles.map(({ role, restarts }) => [{ server, role }, restarts] as const)));
  out.gauge("virtustor_link_up", "Whether a network port of the data network has a link.", checked.flatMap(({ server, nics }) => nics.map(({ name, link }) => [{ server, port: name }, link ? 1 : 0] as const)));
  out.gauge("virtustor_certificate_expiry_timestamp_seconds", "Until when a certificate is valid.", checked.flatMap(({ server, certificates }) => certificates.map(({ name, notAfterMs }) => [{ server, certificate: name }, Math.floor(notAfterMs / 1000)] as const)));
  out.gauge("virtustor_clock_ahead_seconds", "By how much another server's clock is ahead of this one's at least.", checked.flatMap(({ server, ahead }) => Object.entries(ahead).map(([other, ms]) => [{ server, other }, ms / 1000] as const)));
}

function driveMetrics(out: Exposition, { map, alerting }: ClusterView): void {
  const drives = [...map.drives.values()];
  out.gauge("virtustor_drive_up", "Whether the drive serves.", drives.map(({ id, server }) => [{ drive: id, server }, driveIsUp(map, id) ? 1 : 0]));
  out.gauge("virtustor_drive_capacity_bytes", "What the drive offers.", drives.map(({ id, server, capacityBytes }) => [{ drive: id, server }, capacityBytes]));
  out.gauge("virtustor_drive_used_bytes", "What lies on the drive.", drives.flatMap(({ id, server }) => { const told = map.observed.get(id); return told === undefined ? [] : [[{ drive: id, server }, told.usedBytes] as const]; }));
  const checked = [...alerting.checked.values()].flatMap(({ server, drives: list }) => list.map((drive) => ({ labels: { drive: drive.id ?? drive.path, server } satisfies Labels, drive })));
  const told = (name: string, help: string, value: (drive: (typeof checked)[number]["drive"]) => number | null): void =>
    out.gauge(name, help, checked.flatMap(({ labels, drive }) => { const found = value(drive); return found === null ? [] : [[labels, found] as const]; }));
  told("virtustor_drive_latency_seconds", "Mean time of a request on the device.", ({ latencyMs }) => (latencyMs === null ? null : latencyMs / 1000));
  told("virtustor_drive_io_errors", "I/O errors of the device in the last hour.", ({ ioErrors }) => ioErrors);
  told("virtustor_drive_smart_passed", "0: the drive says of itself that it is failing.", ({ smart }) => (smart?.passed == null ? null : Number(smart.passed)));
  told("virtustor_drive_reallocated_sectors", "Sectors replaced by spare ones.", ({ smart }) => smart?.reallocated ?? null);
  told("virtustor_drive_pending_sectors", "Sectors that cannot be read.", ({ smart }) => smart?.pending ?? null);
  told("virtustor_drive_worn_ratio", "Share of the rated life that is used up.", ({ smart }) => (smart?.wornPercent == null ? null : smart.wornPercent / 100));
  told("virtustor_drive_temperature_celsius", "Temperature.", ({ smart }) => smart?.celsius ?? null);
}

const KINDS = ["reads", "writes", "others"] as const;
const KIND_LABELS = { reads: "read", writes: "write", others: "other" } as const;

function portalMetrics(out: Exposition, { portals }: ClusterView): void {
  const told = [...portals.statistics].map(([server, { last }]) => ({ server, last }));
  const each = <T>(value: (counters: KindCounters) => T): (readonly [Labels, T])[] => told.flatMap(({ server, last }) => KINDS.map((kind) => [{ server, kind: KIND_LABELS[kind] }, value(last[kind])] as const));
  out.counter("virtustor_portal_commands_total", "SCSI commands that were answered since the portal's process started.", each(({ commands }) => commands));
  out.counter("virtustor_portal_commands_failed_total", "Of them, those with another status than GOOD.", each(({ failed }) => failed));
  out.counter("virtustor_portal_bytes_total", "Data of these commands.", each(({ bytes }) => bytes));
  out.histogram("virtustor_portal_command_seconds", "From a command's arrival to its answer.", each(({ buckets, microseconds, commands }) => ({ buckets: cumulative(buckets), sum: microseconds / 1e6, count: commands })));
  out.gauge("virtustor_portal_sessions", "iSCSI sessions of hosts.", told.map(({ server, last }: { server: string; last: PortalStatistics }) => [{ server }, last.sessions]));
}

function cumulative(buckets: readonly number[]): (readonly [number, number])[] {
  let sum = 0;
  return buckets.flatMap((count, index) => {
    sum += count;
    return index < FIRST_BUCKET || index > LAST_BUCKET ? [] : [[2 ** index / 1e6, sum] as const];
  });
}
