import { existsSync } from "node:fs";
import { join } from "node:path";
import { SERVERS_MIN } from "../cluster/schema.ts";
import { formCluster } from "../formation/cluster.ts";
import type { Platform } from "../platform/platform.ts";
import { realProcesses } from "../platform/process.ts";
import { openStore } from "../role/context.ts";
import { findProgram } from "../server/etcd-member.ts";
import { ensureFirstUser } from "./first-user.ts";
import { assertSameOptions, portsOf, withDefaults, type TrialOptions } from "./options.ts";
import { allListening, askStatus, inside, takenPort } from "./probe.ts";
import { inNamespace, killGroup, pause, processesOf, startDetached, stopGroup } from "./processes.ts";
import { groupOf, saveReport, statusOf, storeGroupOf, type TrialReport } from "./report.ts";
import { Trial, TRIAL_GROUP_COUNT, type TrialServer } from "./state.ts";

/** A cold start of everything on a slow two-core machine takes a third of this. */
const HEALTHY_WITHIN_MS = 90_000;
const LOOK_EVERY_MS = 250;
/** Long enough for each stage of a server's orderly stop to be cut short by its own supervisor. */
const DOWN_WITHIN_MS = 45_000;
const STORE_DOWN_WITHIN_MS = 5_000;
/** How long health must last to be believed: more than a status takes from a process to the API. */
const HEALTHY_FOR_MS = 1_500;
/** A health that has not changed is said again this often, so that nobody thinks the command hangs. */
const SAY_AGAIN_MS = 10_000;

export interface TrialWorld {
  readonly platform: Platform;
  /** A line for the administrator who waits. */
  readonly progress: (line: string) => void;
}

/** Makes the trial, or starts what is down of it, and waits until the cluster is healthy. */
export async function up(world: TrialWorld, directory: string, given: Partial<TrialOptions>): Promise<TrialReport> {
  const { platform, progress } = world;
  let trial = Trial.open(directory);
  if (trial === null) {
    const options = withDefaults(given);
    if (options.store === "etcd" && findProgram("etcd") === null) {
      throw new Error("--store etcd needs etcd (Debian package etcd-server), which is not installed; without --store the trial needs nothing");
    }
    await assertServerPortsFree(options, options.addresses.map((address, index) => ({ address, netns: options.netns[index] ?? null })));
    trial = Trial.begin(directory, options, platform);
  } else {
    assertSameOptions(trial.options, given);
  }
  await trial.form(platform, progress);
  const down = trial.servers.filter((server) => processesOf(groupOf(server)).every(({ role }) => role !== "server"));
  if (down.length === 0) progress(`the trial in ${directory} is already running`);
  for (const server of down) await killGroup(groupOf(server), platform.clock);
  await assertServerPortsFree(trial.options, down);
  const failures: string[] = [];
  startStore(trial, failures);
  for (const server of down) {
    startServer(trial, server, failures);
    progress(`starting ${server.name} on ${server.address}`);
  }
  await putCluster(world, trial, failures);
  // Now already, so that an administrator can ask a cluster that does not become healthy what it lacks.
  saveReport(trial);
  await waitUntilHealthy(world, trial, failures);
  return saveReport(trial);
}

/** SIGKILL to every process of the server, as if its power were cut. Returns how many there were. */
export async function killServer(world: TrialWorld, trial: Trial, name: string): Promise<number> {
  const group = groupOf(trial.server(name));
  const count = processesOf(group).length;
  await killGroup(group, world.platform.clock);
  saveReport(trial);
  return count;
}

/** Starts one server again and returns when its API answers. */
export async function startOne(world: TrialWorld, trial: Trial, name: string): Promise<void> {
  const { platform, progress } = world;
  const server = trial.server(name);
  if (processesOf(groupOf(server)).some(({ role }) => role === "server")) {
    progress(`${name} is already running`);
    return;
  }
  await killGroup(groupOf(server), platform.clock);
  await assertServerPortsFree(trial.options, [server]);
  const failures: string[] = [];
  startStore(trial, failures);
  startServer(trial, server, failures);
  progress(`starting ${name}`);
  const deadlineMs = platform.clock.nowMs() + HEALTHY_WITHIN_MS;
  while ((await askStatus(trial.accessTo(server), server.netns)) === null) {
    assertNoneFailed(failures);
    if (platform.clock.nowMs() > deadlineMs) throw new Error(`the API of ${name} does not answer; see ${server.directory}/log/`);
    await pause(platform.clock, LOOK_EVERY_MS);
  }
  saveReport(trial);
}

/** Stops the servers in order, and the store after them. Bounded: what does not stop is killed. */
export async function down(world: TrialWorld, trial: Trial): Promise<void> {
  await stopAll(world, trial);
  saveReport(trial);
}

/** Stops everything and writes nothing, so that it also works on a full disk. */
export async function stopAll(world: TrialWorld, trial: Trial): Promise<void> {
  const { clock } = world.platform;
  await Promise.all(
    trial.servers.map(async (server) => {
      const inOrder = await stopGroup(groupOf(server), clock, DOWN_WITHIN_MS);
      world.progress(inOrder ? `${server.name} is down` : `${server.name} did not stop in time and was killed`);
    }),
  );
  await stopGroup(storeGroupOf(trial), clock, STORE_DOWN_WITHIN_MS);
}

function startStore(trial: Trial, failures: string[]): void {
  if (trial.options.store !== "sqlite") return;
  const group = storeGroupOf(trial);
  if (processesOf(group).length > 0) return;
  const logPath = storeLog(trial);
  startDetached([...realProcesses().selfExecutable(), "store", "--dir", trial.storeDirectory, "--socket", trial.storeSocket], {
    mark: group.mark,
    logPath,
    ended: (how) => failures.push(`the cluster store ended (${how}); see ${logPath}`),
  });
}

function startServer(trial: Trial, server: TrialServer, failures: string[]): void {
  const logPath = join(server.directory, "log", "server.log");
  startDetached([...inNamespace(server.netns), ...realProcesses().selfExecutable(), "server", "--config", server.configFile], {
    mark: server.configFile,
    logPath,
    ended: (how) => failures.push(`${server.name} ended (${how}); see ${logPath}`),
  });
}

/** The first words in the store. With network namespaces they must be said inside one, where etcd can be reached. */
async function putCluster(world: TrialWorld, trial: Trial, failures: readonly string[]): Promise<void> {
  const first = trial.servers[0];
  if (first?.netns != null && trial.options.store === "etcd") {
    await inside(first.netns, ["form", trial.directory]);
    return;
  }
  const tooLate = patience(world.platform);
  await putClusterHere(world.platform, trial, () => failures.length > 0 || tooLate()).catch((error: Error) => {
    assertNoneFailed(failures);
    throw new Error(`${error.message}; see ${logsOf(trial)}`, { cause: error });
  });
}

/** Waits for the store until `giveUp`, by default as long as a trial may take to become healthy. */
export async function putClusterHere(platform: Platform, trial: Trial, giveUp: () => boolean = patience(platform)): Promise<void> {
  const store = await openStore(platform, { store: trial.storeConfig, tlsDirectory: trial.tlsOf(trial.server("server1")) });
  try {
    const record = { id: trial.saved.clusterId, name: "trial", incarnation: 1, targetName: trial.targetName, formedAtMs: trial.saved.formedAtMs, ...(trial.options.evaluation ? { evaluation: true } : trial.options.servers < SERVERS_MIN && { serversMin: trial.options.servers }) };
    await formCluster({ store, clock: platform.clock }, { record, pool: { factor: trial.options.evaluation ? 0 : 1, groupCount: TRIAL_GROUP_COUNT } }, giveUp);
    await ensureFirstUser(platform, store, trial.passwordFile);
  } finally {
    await store.close();
  }
}

function patience({ clock }: Platform): () => boolean {
  const deadlineMs = clock.nowMs() + HEALTHY_WITHIN_MS;
  return () => clock.nowMs() > deadlineMs;
}

/**
 * Healthy means all of it: every process listens, every server is up, and the cluster says so twice. After a cold start the store
 * still holds for some seconds what processes that are gone had said of themselves, so its word alone is not enough.
 */
async function waitUntilHealthy(world: TrialWorld, trial: Trial, failures: readonly string[]): Promise<void> {
  const { clock } = world.platform;
  const deadlineMs = clock.nowMs() + HEALTHY_WITHIN_MS;
  let said = "";
  let saidMs = 0;
  let healthySinceMs: number | null = null;
  await waitUntilListening(world, trial, failures, deadlineMs);
  for (;;) {
    const status = await statusOf(trial);
    const servers = status === null ? 0 : status.servers.filter((server) => server.up).length;
    if (status?.health.state === "healthy" && servers === trial.servers.length) {
      healthySinceMs ??= clock.nowMs();
      if (clock.nowMs() - healthySinceMs >= HEALTHY_FOR_MS) {
        world.progress(status.health.sentence);
        return;
      }
      await pause(clock, LOOK_EVERY_MS);
      continue;
    }
    healthySinceMs = null;
    assertNoneFailed(failures);
    const line = status === null ? "waiting for the API" : status.health.sentence;
    const nowMs = clock.nowMs();
    if (line !== said || nowMs - saidMs > SAY_AGAIN_MS) {
      world.progress(line);
      said = line;
      saidMs = nowMs;
    }
    if (nowMs > deadlineMs) throw new Error(`the cluster is not healthy after ${HEALTHY_WITHIN_MS / 1000} s (${line}); see ${logsOf(trial)}`);
    await pause(clock, LOOK_EVERY_MS);
  }
}

async function waitUntilListening(world: TrialWorld, trial: Trial, failures: readonly string[], deadlineMs: number): Promise<void> {
  world.progress("waiting for the processes");
  for (const server of trial.servers) {
    while (!(await allListening(server.address, rolePorts(trial, server), server.netns))) {
      assertNoneFailed(failures);
      if (world.platform.clock.nowMs() > deadlineMs) throw new Error(`not every process of ${server.name} listens; see ${server.directory}/log/`);
      await pause(world.platform.clock, LOOK_EVERY_MS);
    }
  }
}

/** The ports of the roles: portal, API, one for each drive. */
function rolePorts(trial: Trial, server: TrialServer): number[] {
  const { portalPort, apiPort, drives } = trial.configOf(server);
  return [portalPort, apiPort, ...drives.flatMap(({ port, removed }) => (removed === true ? [] : [port]))];
}

/** All that a new server opens. */
function firstPorts(options: TrialOptions): number[] {
  const ports = portsOf(options.portBase);
  return [ports.portal, ports.api, ...Array.from({ length: options.drives }, (_, index) => ports.drive(index))];
}

export async function assertServerPortsFree(options: TrialOptions, servers: readonly { address: string; netns: string | null }[]): Promise<void> {
  const ports = portsOf(options.portBase);
  const wanted = [...firstPorts(options), ...(options.store === "etcd" ? [ports.etcdClient, ports.etcdPeer] : [])];
  for (const { address, netns } of servers) {
    const taken = await takenPort(address, wanted, netns);
    if (taken !== null) throw new Error(taken);
  }
}

function assertNoneFailed(failures: readonly string[]): void {
  if (failures[0] !== undefined) throw new Error(failures[0]);
}

function storeLog(trial: Trial): string {
  return join(trial.storeDirectory, "log", "store.log");
}

function logsOf(trial: Trial): string {
  const logs = trial.servers.map(({ directory }) => join(directory, "log"));
  return [...logs, ...(existsSync(storeLog(trial)) ? [storeLog(trial)] : [])].join(", ");
}
