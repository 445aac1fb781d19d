import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { MappingCreateAnswer, StatusAnswer } from "../../src/management/api.ts";
import type { ServerReport, TrialReport } from "../../src/trial/report.ts";

export const PROGRAM = join(import.meta.dir, "../../dist/virtustor");
export const INITIATOR = "iqn.2026-01.com.example:scenario";
/** For a test with a trial of its own: `trial up` alone may take 90 s before it gives up. */
export const SCENARIO_MS = 300_000;

const COMMAND_WITHIN_MS = 180_000;
const HEALTHY_WITHIN_MS = 90_000;
const LOOK_EVERY_MS = 200;
const PEEK_EVERY_MS = 20;
const PEEK_WITHIN_MS = 3_000;
/** Below what the kernel gives to outgoing connections. */
const PORTS_FROM = 10_000;
const PORTS_OF_A_TRIAL = 50;
const TRIALS_MAX = 400;

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface TrialShape {
  readonly store?: "sqlite" | "etcd";
  readonly servers?: number;
  readonly drives?: number;
  readonly driveSize?: string;
  readonly addresses?: readonly string[];
  readonly processes?: "separate" | "shared";
  /** A namespace for each server; `addresses` are then addresses in them. */
  readonly netns?: readonly string[];
  /** Prepares the directory that the trial is about to be made in. */
  readonly prepare?: (directory: string) => Promise<void>;
  /** Undoes that, when the trial is gone and before the directory is. Never throws. */
  readonly release?: () => Promise<void>;
}

/** A process of the trial, found by its command line. */
export interface TrialProcess {
  readonly pid: number;
  /** Its command line. */
  readonly command: string;
}

/** A trial in a directory of its own, driven by the executable as an administrator would. */
export class TrialUnderTest {
  readonly directory: string;
  readonly portBase: number;
  readonly #shape: TrialShape;
  #report: TrialReport | null = null;

  private constructor(directory: string, portBase: number, shape: TrialShape) {
    this.directory = directory;
    this.portBase = portBase;
    this.#shape = shape;
  }

  /** Makes the trial and waits until it is healthy. When that fails nothing stays behind. */
  static async make(shape: TrialShape = {}): Promise<TrialUnderTest> {
    const trial = new TrialUnderTest(await mkdtemp(join(tmpdir(), "virtustor-scenario-")), await portBaseFor(shape), shape);
    onExit(trial);
    try {
      await shape.prepare?.(trial.directory);
      await trial.up();
    } catch (error) {
      const logs = trial.lastWords();
      await trial.wipe();
      throw new Error(`${(error as Error).message}\n${logs}`);
    }
    return trial;
  }

  /** `trial up`: of a new trial, or of one that is down. */
  async up(): Promise<TrialReport> {
    const { store, servers, drives, driveSize, addresses, processes, netns } = this.#shape;
    const options = { store, servers, drives, "drive-size": driveSize, addresses: addresses?.join(","), processes, netns: netns?.join(",") };
    const given = Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, String(value)]));
    this.#report = (await this.json("trial", "up", ...given, "--port-base", String(this.portBase))) as TrialReport;
    return this.#report;
  }

  /** Which servers and drives there are, after some came or went. */
  async refresh(): Promise<void> {
    this.#report = (await this.json("trial", "status")) as TrialReport;
  }

  get report(): TrialReport {
    if (this.#report === null) throw new Error("the trial was never up");
    return this.#report;
  }
  get servers(): readonly ServerReport[] {
    return this.report.servers;
  }

  /** Runs a command on this trial; it may fail. */
  async run(...command: string[]): Promise<Outcome> {
    return await runProgram([PROGRAM, ...command, "--dir", this.directory]);
  }

  /** Runs a command that must succeed. */
  async must(...command: string[]): Promise<string> {
    const { code, out, err } = await this.run(...command);
    if (code !== 0) throw new Error(`virtustor ${command.join(" ")} ended with ${code}: ${err}`);
    return out;
  }

  /** The one object that a command prints with --json. */
  async json(...command: string[]): Promise<unknown> {
    return JSON.parse(await this.must(...command, "--json"));
  }

  /** A volume that INITIATOR sees; returns the URLs of all its paths. */
  async volume(name: string, size: string): Promise<readonly string[]> {
    await this.must("volume", "create", name, "--size", size);
    const { code } = await this.run("host", "create", "scenario", "--iqn", INITIATOR);
    if (code !== 0) await this.must("host", "list");
    return ((await this.json("map", name, "scenario")) as MappingCreateAnswer).urls;
  }

  async status(): Promise<StatusAnswer> {
    return (await this.json("cluster", "status")) as StatusAnswer;
  }

  /** The status as one server's API tells it, without a command's start; null when it does not answer. */
  async peek(server: string): Promise<StatusAnswer | null> {
    const api = this.servers.find(({ name }) => name === server)?.api;
    try {
      const answer = await fetch(`${api}/api/v1/status`, { tls: { ca: readFileSync(this.report.caFile, "utf8") }, headers: { authorization: `Bearer ${this.report.token}` }, signal: AbortSignal.timeout(PEEK_WITHIN_MS) });
      return answer.ok ? ((await answer.json()) as StatusAnswer) : null;
    } catch {
      return null;
    }
  }

  /** Looks, every few milliseconds, until the status that one server tells is so. */
  async seen(server: string, what: string, isSo: (status: StatusAnswer) => boolean): Promise<StatusAnswer> {
    const deadlineMs = performance.now() + HEALTHY_WITHIN_MS;
    for (let last: StatusAnswer | null = null; ; await Bun.sleep(PEEK_EVERY_MS)) {
      const status = await this.peek(server);
      if (status !== null && isSo(status)) return status;
      last = status ?? last;
      if (performance.now() > deadlineMs) throw new Error(`not ${what} in ${HEALTHY_WITHIN_MS / 1000} s: ${JSON.stringify(last)}\n${this.lastWords()}`);
    }
  }

  /** Waits until the health is `wanted` and its sentence says `what` too; returns the sentences that were seen until then. */
  async health(wanted: string, what = ""): Promise<string[]> {
    const deadlineMs = performance.now() + HEALTHY_WITHIN_MS;
    const seen: string[] = [];
    for (;;) {
      const { code, out, err } = await this.run("cluster", "status", "--json");
      const health = code === 0 ? (JSON.parse(out) as StatusAnswer).health : { state: "no answer", sentence: err.trim() };
      if (seen.at(-1) !== health.sentence) seen.push(health.sentence);
      if (health.state === wanted && health.sentence.includes(what)) return seen;
      if (performance.now() > deadlineMs) throw new Error(`not ${wanted} ${what} in ${HEALTHY_WITHIN_MS / 1000} s, but:\n${seen.slice(-5).join("\n")}\n${this.lastWords()}`);
      await Bun.sleep(LOOK_EVERY_MS);
    }
  }

  /** Every process that works on this trial, supervisors, roles and stores. */
  processes(): TrialProcess[] {
    return readdirSync("/proc").flatMap((entry) => {
      if (!/^\d+$/.test(entry)) return [];
      try {
        const command = readFileSync(`/proc/${entry}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        return command.includes(`${this.directory}/`) ? [{ pid: Number(entry), command }] : [];
      } catch {
        return [];
      }
    });
  }

  /** The process of one role of a server, "storage", "iscsi", "monitor", "management"; of its first drive. */
  processOf(server: string, role: string): TrialProcess {
    const found = this.processes().find(({ command }) => command.includes(`/${server}/`) && command.includes(` role ${role} `));
    if (found === undefined) throw new Error(`${server} has no process of role ${role}`);
    return found;
  }

  /** SIGKILL to all of it at once. What the kernel has not written yet survives that, unlike a power cut. */
  killEverything(): number {
    const all = this.processes();
    for (const { pid } of all) kill(pid);
    return all.length;
  }

  /** All log lines of a server. */
  logs(server: string): string {
    const directories = this.servers.filter(({ name }) => name === server).map(({ logs }) => logs);
    return directories.flatMap((directory) => readdirSync(directory).map((name) => readFileSync(join(directory, name), "utf8"))).join("\n");
  }

  /** Whether one line of the server's logs says all of it. */
  hasLogged(server: string, ...parts: readonly string[]): boolean {
    return this.logs(server)
      .split("\n")
      .some((line) => parts.every((part) => line.includes(part)));
  }

  /** The last warnings and errors in the logs, for a test that fails. */
  lastWords(): string {
    const found = Bun.spawnSync(["grep", "-rhE", '"level":(40|50|60)|assert|panic', "--include=*.log", this.directory]).stdout.toString().trim().split("\n");
    return found.slice(-25).map((line) => line.slice(0, 400)).join("\n");
  }

  /** For whoever looks for the cause of a failure: with SCENARIO_LOGS the logs outlive the trial, in a folder of that directory. */
  #keepLogs(): void {
    const kept = process.env["SCENARIO_LOGS"];
    if (kept === undefined || kept === "") return;
    const copied = Bun.spawnSync(["sh", "-c", 'mkdir -p "$2" && cd "$1" && find . -path "*/log/*" -name "*.log*" -exec cp --parents -t "$2" {} +', "sh", this.directory, join(kept, basename(this.directory))]);
    if (copied.exitCode !== 0) console.log(`# the logs of ${this.directory} could not be kept: ${copied.stderr.toString().trim()}`);
  }

  /** Ends and removes it all. Never throws: it stands in `finally`. How a trial stops in order is a story of its own. */
  async wipe(): Promise<void> {
    this.killEverything();
    this.#keepLogs();
    const { code, err } = await this.run("trial", "wipe").catch((error: unknown) => ({ code: -1, err: String(error) }));
    const left = this.processes();
    for (const { pid } of left) kill(pid);
    if (code !== 0 || left.length > 0) console.log(`# trial wipe ended with ${code}, ${left.length} processes left: ${err}`);
    await this.#shape.release?.();
    await rm(this.directory, { recursive: true, force: true });
    made.delete(this);
  }
}

export async function runProgram(command: readonly string[]): Promise<Outcome> {
  const child = Bun.spawn([...command], { stdin: "ignore", stdout: "pipe", stderr: "pipe", timeout: COMMAND_WITHIN_MS, killSignal: "SIGKILL" });
  const [out, err, code] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]);
  return { code, out, err };
}

/** It may have ended meanwhile. */
function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Says a finding that is no verdict: `npm test` prints it. */
export function note(text: string): void {
  console.log(`# ${text}`);
}

const made = new Set<TrialUnderTest>();
/** A test that is told to end takes its trial with it. */
function onExit(trial: TrialUnderTest): void {
  if (made.size === 0) {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.once(signal, () => {
        for (const one of made) Bun.spawnSync([PROGRAM, "trial", "wipe", "--dir", one.directory]);
        process.exit(1);
      });
    }
  }
  made.add(trial);
}

function portBaseFor({ netns, addresses }: TrialShape): Promise<number> {
  // Namespaces of the trial's own have all ports free.
  return netns === undefined ? freePortBase(addresses ?? ["127.0.0.1", "127.0.0.2", "127.0.0.3"]) : Promise.resolve(PORTS_FROM);
}

let lastBase = PORTS_FROM + (process.pid % TRIALS_MAX) * PORTS_OF_A_TRIAL;
async function freePortBase(addresses: readonly string[]): Promise<number> {
  for (let tries = 0; tries < TRIALS_MAX; tries++) {
    lastBase = lastBase + PORTS_OF_A_TRIAL >= PORTS_FROM + TRIALS_MAX * PORTS_OF_A_TRIAL ? PORTS_FROM : lastBase + PORTS_OF_A_TRIAL;
    const base = lastBase;
    const offsets = [0, 1, 2, 3, 10, 11, 12, 13];
    const free = await Promise.all(addresses.flatMap((address) => offsets.map((offset) => isFree(address, base + offset))));
    if (free.every((one) => one)) return base;
  }
  throw new Error("no 50 ports in a row are free");
}

function isFree(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, address, () => server.close(() => resolve(true)));
  });
}
