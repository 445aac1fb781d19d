import type { SyncLatency } from "./disk.ts";
import type { Measured } from "./load.ts";

export interface Row extends Measured {
  readonly name: string;
  readonly bytes: number;
  readonly queueDepth: number;
  readonly iops: number;
  readonly mibPerSecond: number;
  /** Of the whole trial: every process of every server and the cluster store, not the client. */
  readonly cpuSecondsPer1000: number;
  readonly cpuSecondsPer1000ByRole: Readonly<Record<string, number>>;
  readonly clientCpuSecondsPer1000: number;
}
export interface BenchReport {
  readonly store: string;
  readonly processes: string;
  readonly workingSetBytes: number;
  readonly fdatasync: SyncLatency;
  /** CPU seconds per second of the trial without load, by role. */
  readonly idle: Readonly<Record<string, number>>;
  readonly rows: readonly Row[];
  /** Median latency over the machine's own fdatasync of 4 KiB. */
  readonly ratios: Readonly<Record<string, number>>;
}

export function ratiosOf(rows: readonly Row[], sync: SyncLatency): Record<string, number> {
  const ratios: Record<string, number> = {};
  for (const { name, bytes, latencyUs } of rows) {
    if (bytes === 4096 && latencyUs !== null) ratios[name] = round(latencyUs.p50 / sync.p50Us, 2);
  }
  return ratios;
}

export function textOf(report: BenchReport): string {
  const rows = report.rows.map((row) => [
    row.name,
    String(Math.round(row.iops)),
    row.mibPerSecond.toFixed(0),
    ...(row.latencyUs === null ? ["-", "-", "-"] : [row.latencyUs.p50, row.latencyUs.p99, row.latencyUs.max].map(String)),
    row.cpuSecondsPer1000.toFixed(4),
    row.clientCpuSecondsPer1000.toFixed(4),
    Object.entries(row.cpuSecondsPer1000ByRole)
      .filter(([, seconds]) => seconds >= 0.0005)
      .map(([role, seconds]) => `${role} ${seconds.toFixed(3)}`)
      .join(", "),
  ]);
  const head = ["load", "IOPS", "MiB/s", "p50 us", "p99 us", "max us", "CPU s/1000", "client", "by role"];
  const { fdatasync } = report;
  return [
    `3 servers, 2 drives each, 2 copies; store ${report.store}, processes ${report.processes}; working set ${report.workingSetBytes / 2 ** 20} MiB, page cache warm`,
    ...table([head, ...rows]),
    "",
    `CPU without load, seconds per second: ${Object.entries(report.idle).map(([role, seconds]) => `${role} ${seconds.toFixed(3)}`).join(", ")}`,
    `4 KiB write + fdatasync on the same disk, alone: p50 ${fdatasync.p50Us} us, p99 ${fdatasync.p99Us} us`,
    ...Object.entries(report.ratios).map(([name, ratio]) => `p50 of ${name} / fdatasync: ${ratio}`),
  ].join("\n");
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) => row.map((cell, column) => (column === 0 || column === row.length - 1 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join("  ").trimEnd());
}
