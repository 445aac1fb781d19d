import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Clock } from "../platform/platform.ts";
import { SERVER_VARIABLE } from "../server.ts";
import { findProgram } from "../server/etcd-member.ts";
import { isRunning, readPids, startTicksOf, type RunningProcess } from "../server/pids.ts";

/** Where ip-netns(8) keeps the named ones. */
const NAMESPACES = "/run/netns";
const LOOK_EVERY_MS = 50;
/** SIGKILL takes effect when a process leaves the kernel; longer than this means that a disk hangs. */
const KILL_WITHIN_MS = 10_000;

/** One thing that a trial runs: a server with all its children, or the embedded store. */
export interface Group {
  /** Directory that holds run/pids.json. */
  readonly directory: string;
  /** A server's configuration file; for the store its directory. */
  readonly mark: string;
}

/** Starts a process that outlives this one, in a session of its own, its output appended to `logPath`. Returns its pid. */
export function startDetached(argv: readonly string[], options: { mark: string; logPath: string; ended(how: string): void }): number {
  const [program, ...rest] = argv;
  mkdirSync(dirname(options.logPath), { recursive: true, mode: 0o700 });
  const log = openSync(options.logPath, "a", 0o600);
  try {
    const child = spawn(program ?? "", rest, {
      detached: true,
      cwd: "/",
      stdio: ["ignore", log, log],
      env: { ...process.env, [SERVER_VARIABLE]: options.mark },
    });
    child.on("error", (error) => options.ended(error.message));
    child.on("exit", (code, signal) => options.ended(signal ?? `exit code ${code}`));
    child.unref();
    return child.pid ?? 0;
  } finally {
    closeSync(log);
  }
}

/** What to put before a command to run it in a network namespace. */
export function inNamespace(netns: string | null): string[] {
  if (netns === null) return [];
  // Not "ip netns exec": that also copies all mounts, and whatever the administrator unmounts meanwhile stays busy.
  const nsenter = findProgram("nsenter");
  if (nsenter === null) throw new Error("the program nsenter is not installed (Debian package util-linux)");
  return [nsenter, `--net=${join(NAMESPACES, netns)}`, "--"];
}

/**
 * All running processes of a group: those that its supervisor has written down, and whoever bears its mark in its environment
 * or on its command line, so that one started a moment ago is not missed.
 */
export function processesOf(group: Group): RunningProcess[] {
  const found = new Map<number, RunningProcess>(readPids(group.directory).map((known) => [known.pid, known]));
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid || found.has(pid)) continue;
    // Read before the marks: should the pid pass to another process in between, the start time no longer fits.
    const startTicks = startTicksOf(pid);
    if (startTicks !== null && bearsMark(pid, group.mark)) found.set(pid, { role: "", pid, startTicks });
  }
  found.delete(process.pid);
  return [...found.values()];
}

export function signalAll(processes: readonly RunningProcess[], signal: NodeJS.Signals): void {
  for (const target of processes) {
    if (!isRunning(target)) continue;
    try {
      process.kill(target.pid, signal);
    } catch (error) {
      // It ended in this very moment.
      if ((error as { code?: string }).code !== "ESRCH") throw new Error(`process ${target.pid} cannot be ended: ${(error as Error).message}`, { cause: error });
    }
  }
}

/** SIGKILL for the supervisor first, so that it starts nothing anew, then for all others until none is left. */
export async function killGroup(group: Group, clock: Clock): Promise<void> {
  signalAll(readPids(group.directory).slice(0, 1), "SIGKILL");
  const deadlineMs = clock.nowMs() + KILL_WITHIN_MS;
  for (;;) {
    const left = processesOf(group);
    if (left.length === 0) return;
    if (clock.nowMs() > deadlineMs) throw new Error(`processes ${left.map(({ pid }) => pid).join(", ")} do not end; a disk may hang`);
    signalAll(left, "SIGKILL");
    await pause(clock, LOOK_EVERY_MS);
  }
}

/** Asks with SIGTERM, waits up to `withinMs` for all to end, then kills. Returns false when it had to. */
export async function stopGroup(group: Group, clock: Clock, withinMs: number): Promise<boolean> {
  const running = processesOf(group);
  const supervisor = running.filter(({ role }) => role === "server" || role === "store");
  // Without its supervisor a child is an orphan that nobody stops in order.
  signalAll(supervisor.length > 0 ? supervisor : running, "SIGTERM");
  const deadlineMs = clock.nowMs() + withinMs;
  while (clock.nowMs() < deadlineMs) {
    if (processesOf(group).length === 0) return true;
    await pause(clock, LOOK_EVERY_MS);
  }
  await killGroup(group, clock);
  return false;
}

export function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => void clock.timer(delayMs, resolve));
}

function bearsMark(pid: number, mark: string): boolean {
  const argv = procStrings(pid, "cmdline");
  const at = argv.indexOf("--config");
  if (at > 0 && argv[at + 1] === mark && (argv.includes("server") || argv.includes("role"))) return true;
  return procStrings(pid, "environ").includes(`${SERVER_VARIABLE}=${mark}`);
}

/** Empty for a process that is gone, or another user's. */
function procStrings(pid: number, file: "cmdline" | "environ"): string[] {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8").split("\0");
  } catch {
    return [];
  }
}
