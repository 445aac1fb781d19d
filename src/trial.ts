import type { Command } from "commander";
import { realProcesses } from "./platform/process.ts";
import { realPlatform } from "./platform/real.ts";
import { addDrive, addServer } from "./trial/grow.ts";
import { DRIVES_MAX, parseArguments, trialDirectory, type TrialArguments } from "./trial/options.ts";
import { everyListening, firstTaken, requestStatus } from "./trial/probe.ts";
import { withLock } from "./trial/lock.ts";
import { describe, nextSteps, reportOf, statusOf } from "./trial/report.ts";
import { down, killServer, putClusterHere, startOne, stopAll, up, type TrialWorld } from "./trial/run.ts";
import { Trial } from "./trial/state.ts";
import { removeTrial } from "./trial/wipe.ts";

interface Chosen extends TrialArguments {
  readonly dir?: string;
  readonly json?: boolean;
}

/** `virtustor trial ...`: servers on one machine, the same program and real processes as on many. */
export function registerTrialCommands(program: Command): void {
  const trial = program.command("trial").description("three servers on this machine, to try VirtuStor out");
  shape(trial.command("up").description("make the trial, or start what is down of it; returns when the cluster is healthy")).action(
    async (chosen: Chosen) => {
      const given = parseArguments(chosen);
      tellWhenInterrupted(trialDirectory(chosen.dir));
      const report = await locked(chosen, (world, directory) => up(world, directory, given));
      print(chosen, report, () => nextSteps(report, programName()));
    },
  );
  shape(trial.command("run").description("trial up, then stay; Ctrl-C stops the trial")).action(foreground);
  place(trial.command("status").description("servers, processes and health")).action(async (chosen: Chosen) => {
    const existing = open(chosen);
    const report = reportOf(existing);
    const status = await statusOf(existing);
    const health = status?.health ?? null;
    print(chosen, { ...report, health }, () => describe(report, health));
  });
  place(trial.command("down").description("stop all servers in order")).action(async (chosen: Chosen) => {
    open(chosen);
    await locked(chosen, (world) => down(world, open(chosen)));
    print(chosen, { stopped: true }, () => "the trial is down; its data is kept");
  });
  place(trial.command("kill-server <name>").description("SIGKILL every process of one server, like a power cut")).action(
    async (name: string, chosen: Chosen) => {
      open(chosen).server(name);
      const killed = await locked(chosen, (world) => killServer(world, open(chosen), name));
      print(chosen, { server: name, killed }, () => `${name}: ${killed} processes killed`);
    },
  );
  place(trial.command("start-server <name>").description("start a server again; returns when its API answers")).action(async (name: string, chosen: Chosen) => {
    open(chosen).server(name);
    await locked(chosen, (world) => startOne(world, open(chosen), name));
    print(chosen, { server: name, started: true }, () => `${name} is up`);
  });
  place(trial.command("add-drive <server>").description("give a running server one drive more; data moves to it")).action(async (name: string, chosen: Chosen) => {
    open(chosen).server(name);
    const added = await locked(chosen, (world) => addDrive(world, open(chosen), name));
    print(chosen, { server: name, ...added }, () => `${name} has drive ${added.id} in ${added.directory}`);
  });
  place(trial.command("add-server").description("one server more, with as many drives as the others; data moves to it"))
    .option("--address <address>", "its IPv4 address (default: the one after the last server's)")
    .action(async (chosen: Chosen & { address?: string }) => {
      open(chosen);
      const name = await locked(chosen, (world) => addServer(world, open(chosen), chosen.address));
      print(chosen, { server: name }, () => `${name} is up`);
    });
  place(trial.command("wipe").description("trial down, then remove all that the trial has made")).action(async (chosen: Chosen) => {
    open(chosen);
    await locked(chosen, async (world, directory) => {
      const existing = Trial.open(directory);
      // Another wipe was faster.
      if (existing === null) return world.progress(`there is no trial in ${directory}`);
      await stopAll(world, existing);
      removeTrial(existing);
    });
    print(chosen, { wiped: true }, () => "the trial is gone");
  });
}

/** `virtustor inside ...`: what a trial does inside a server's network namespace; answers JSON. */
export function registerInsideCommands(program: Command): void {
  const inside = program.command("inside", { hidden: true });
  const answer = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
  inside.command("status <api>").action(async (api: string) => answer(await requestStatus({ api, token: process.env["VIRTUSTOR_TOKEN"] ?? "", authority: process.env["VIRTUSTOR_AUTHORITY"] ?? "" })));
  inside.command("ports <address> <ports>").action(async (address: string, ports: string) => answer(await firstTaken(address, ports.split(",").map(Number))));
  inside.command("listening <address> <ports>").action(async (address: string, ports: string) => answer(await everyListening(address, ports.split(",").map(Number))));
  inside.command("form <directory>").action(async (directory: string) => {
    await putClusterHere(realPlatform({ name: "trial", logLevel: "error" }), open({ dir: directory }));
    answer(null);
  });
}

function place(command: Command): Command {
  return command.option("--dir <directory>", "where the trial lives (default: ~/.virtustor-trial)").option("--json", "print one JSON object");
}

function shape(command: Command): Command {
  return place(command)
    .option("--servers <count>", "how many servers (default: 3)")
    .option("--drives <count>", `drives of each server, up to ${DRIVES_MAX} (default: 2)`)
    .option("--drive-size <size>", "nominal size of each drive (default: 8GiB)")
    .option("--addresses <list>", "one address for each server (default: 127.0.0.1,127.0.0.2,...)")
    .option("--netns <list>", "a network namespace for each server (needs root)")
    .option("--store <kind>", "sqlite or etcd (default: sqlite)")
    .option("--processes <how>", "separate, or shared: iSCSI and storage of a server in one process (default: separate)")
    .option("--evaluation", "one copy of everything; one server is enough then")
    .option("--port-base <port>", "all ports lie in the 50 from here (default: 3260)");
}

/** What was started stays, as after a whole `up`: whoever interrupts must know that, and how to go on. */
function tellWhenInterrupted(directory: string): void {
  realProcesses().onSignal("SIGINT", () => {
    process.stderr.write(`virtustor: interrupted; what has been started of the trial runs on: "virtustor trial down --dir ${directory}" stops it, "trial up" goes on with it\n`);
    process.exit(130);
  });
}

async function foreground(chosen: Chosen): Promise<void> {
  const processes = realProcesses();
  let interrupted = false;
  const ended = new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      processes.onSignal(signal, () => {
        interrupted = true;
        resolve();
      });
    }
  });
  const given = parseArguments(chosen);
  const starting = locked(chosen, (world, directory) => up(world, directory, given));
  const report = await Promise.race([starting, ended.then(() => null)]);
  if (report !== null) {
    print(chosen, report, () => `${nextSteps(report, programName())}\n\nThe trial runs. Ctrl-C stops it; its data stays in ${report.dir} (virtustor trial wipe removes it).`);
    // The promise alone keeps no process alive.
    const alive = setInterval(() => undefined, 60_000);
    await ended;
    clearInterval(alive);
  }
  process.stderr.write("stopping the trial\n");
  // Interrupted while it starts: the lock is this process's own, so it is stopped without.
  const existing = Trial.open(trialDirectory(chosen.dir));
  if (interrupted && existing !== null) await down(world(), existing);
  process.exit(0);
}

async function locked<T>(chosen: Chosen, run: (world: TrialWorld, directory: string) => Promise<T>): Promise<T> {
  const here = world();
  const directory = trialDirectory(chosen.dir);
  return await withLock(here.platform, directory, () => run(here, directory));
}

let only: TrialWorld | null = null;
function world(): TrialWorld {
  only ??= { platform: realPlatform({ name: "trial", logLevel: "error", pretty: true }), progress: (line) => void process.stderr.write(`${line}\n`) };
  return only;
}

function open(chosen: Pick<Chosen, "dir">): Trial {
  const directory = trialDirectory(chosen.dir);
  const trial = Trial.open(directory);
  if (trial === null) throw new Error(`there is no trial in ${directory}; "virtustor trial up" makes one`);
  return trial;
}

function print(chosen: Chosen, value: unknown, forPeople: () => string): void {
  process.stdout.write(`${chosen.json === true ? JSON.stringify(value) : forPeople()}\n`);
}

/** How the administrator may call this program again. */
function programName(): string {
  const [program, ...rest] = realProcesses().selfExecutable();
  const relative = program?.startsWith(`${process.cwd()}/`) === true ? `./${program.slice(process.cwd().length + 1)}` : (program ?? "virtustor");
  return [relative, ...rest].join(" ");
}
