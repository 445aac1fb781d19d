import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as v from "valibot";

/** A process, told from a later one with the same pid by its start time. */
const runningProcess = v.object({
  role: v.string(),
  pid: v.pipe(v.number(), v.integer(), v.minValue(1)),
  /** Field 22 of /proc/<pid>/stat: clock ticks since the machine's start. */
  startTicks: v.number(),
});
export type RunningProcess = v.InferOutput<typeof runningProcess>;

/** The processes of one server, its supervisor first: run/pids.json. */
export function writePids(directory: string, processes: readonly { role: string; pid: number }[]): void {
  const path = pidsFile(directory);
  const known = processes.flatMap(({ role, pid }) => {
    const startTicks = startTicksOf(pid);
    return startTicks === null ? [] : [{ role, pid, startTicks }];
  });
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.tmp`, `${JSON.stringify(known, null, 1)}\n`, { mode: 0o600 });
  renameSync(`${path}.tmp`, path);
}

/** Those of the file that still run. An absent or unreadable file names none. */
export function readPids(directory: string): RunningProcess[] {
  try {
    const listed = v.parse(v.array(runningProcess), JSON.parse(readFileSync(pidsFile(directory), "utf8")));
    return listed.filter(isRunning);
  } catch {
    return [];
  }
}

export function isRunning(process: Pick<RunningProcess, "pid" | "startTicks">): boolean {
  return startTicksOf(process.pid) === process.startTicks;
}

/** Null when no such process runs; one that has ended and only waits to be reaped does not run. */
export function startTicksOf(pid: number): number | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return null;
  }
  // The second field, the name, is in parentheses and may hold spaces and parentheses itself (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state] = fields;
  return state === "Z" || state === "X" || state === undefined ? null : Number(fields[19]);
}

function pidsFile(directory: string): string {
  return join(directory, "run", "pids.json");
}
