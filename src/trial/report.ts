import { writeDurably } from "../formation/durable.ts";
import { askStatus, type Status } from "./probe.ts";
import { processesOf, type Group } from "./processes.ts";
import { portsOf } from "./options.ts";
import type { Trial, TrialServer } from "./state.ts";

/** The one object that `trial up --json` prints and trial.json holds. */
export interface TrialReport {
  readonly dir: string;
  /** Base URL of the first server's API. */
  readonly api: string;
  readonly apis: readonly string[];
  readonly token: string;
  readonly tokenFile: string;
  /** The first password of the user admin. */
  readonly passwordFile: string;
  /** The certificate authority that all its servers' certificates are of; to be trusted for `apis`. */
  readonly caFile: string;
  readonly target: string;
  readonly store: "sqlite" | "etcd";
  readonly servers: readonly ServerReport[];
}
export interface ServerReport {
  readonly name: string;
  readonly address: string;
  readonly api: string;
  /** ADDRESS:PORT of its iSCSI portal. */
  readonly portal: string;
  readonly pids: readonly number[];
  readonly logs: string;
  readonly drives: readonly string[];
}

export function groupOf(server: TrialServer): Group {
  return { directory: server.directory, mark: server.configFile };
}
export function storeGroupOf(trial: Trial): Group {
  return { directory: trial.storeDirectory, mark: trial.storeDirectory };
}

export function reportOf(trial: Trial): TrialReport {
  const ports = portsOf(trial.options.portBase);
  const servers = trial.servers.map((server) => ({
    name: server.name,
    address: server.address,
    api: trial.apiOf(server),
    portal: `${server.address}:${ports.portal}`,
    pids: processesOf(groupOf(server)).map(({ pid }) => pid),
    logs: `${server.directory}/log`,
    drives: trial.configOf(server).drives.flatMap(({ directory, removed }) => (removed === true ? [] : [directory])),
  }));
  const apis = servers.map(({ api }) => api);
  return {
    dir: trial.directory,
    api: apis[0] ?? "",
    apis,
    token: trial.token,
    tokenFile: trial.tokenFile,
    passwordFile: trial.passwordFile,
    caFile: trial.authorityFile,
    target: trial.targetName,
    store: trial.options.store,
    servers,
  };
}

/** trial.json beside the trial, for its owner's eyes: it holds the token. */
export function saveReport(trial: Trial): TrialReport {
  const report = reportOf(trial);
  writeDurably(trial.reportFile, `${JSON.stringify(report, null, 1)}\n`);
  return report;
}

/** The first answer of any server. */
export async function statusOf(trial: Trial): Promise<Status | null> {
  const asked = trial.servers.map(async (server) => {
    const status = await askStatus(trial.accessTo(server), server.netns);
    if (status === null) throw new Error("no answer");
    return status;
  });
  return Promise.any(asked).catch(() => null);
}

export function describe(report: TrialReport, health: Status["health"] | null): string {
  const rows = report.servers.map(({ name, pids, portal, api }) => [name, pids.length > 0 ? "up" : "down", portal, api, pids.join(" ")]);
  return [...table([["SERVER", "STATE", "PORTAL", "API", "PIDS"], ...rows]), `health: ${health === null ? "unknown (no server's API answers)" : health.sentence}`].join("\n");
}

/** What to try next, to be copied into a shell. `program` is how this executable was called. */
export function nextSteps(report: TrialReport, program: string): string {
  const [first] = report.servers;
  const at = `--dir ${report.dir}`;
  return [
    `iSCSI portals  ${report.servers.map(({ portal }) => portal).join("  ")}`,
    `iSCSI target   ${report.target}`,
    `Web UI, API    ${report.apis.join("  ")}`,
    `Log in         admin, with the password in ${report.passwordFile}`,
    `API token      ${report.tokenFile}`,
    `Authority      ${report.caFile}  (the certificate that proves the API; curl --cacert)`,
    `Logs           ${report.dir}/server*/log/`,
    "",
    "Try next, in another terminal:",
    `  ${program} volume create disk1 --size 1GiB ${at}`,
    `  ${program} host create mine --iqn iqn.2026-11.net.example:mine ${at}`,
    `  ${program} map disk1 mine ${at}`,
    `  qemu-img info "json:{'driver':'iscsi','transport':'tcp','portal':'${first?.portal ?? ""}','target':'${report.target}','lun':0,'initiator-name':'iqn.2026-11.net.example:mine'}"`,
    `  ${program} trial kill-server ${first?.name ?? ""} ${at}`,
    `  ${program} cluster status ${at}`,
    `  ${program} trial start-server ${first?.name ?? ""} ${at}`,
  ].join("\n");
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd());
}
