import { readFileSync } from "node:fs";
import { processesOf } from "../src/trial/processes.ts";
import { groupOf, storeGroupOf } from "../src/trial/report.ts";
import type { Trial } from "../src/trial/state.ts";

/** USER_HZ, which Linux has had at 100 on every machine for decades: proc(5) counts in these ticks. */
const TICKS_PER_SECOND = 100;

/** Seconds of CPU by what used it: a role of the trial over all servers, or the client. */
export type CpuSeconds = ReadonlyMap<string, number>;

/** User and system time that the trial's processes have used so far, the cluster store's included. */
export function cpuOfTrial(trial: Trial): CpuSeconds {
  const used = new Map<string, number>();
  for (const group of [...trial.servers.map(groupOf), storeGroupOf(trial)]) {
    for (const { role, pid } of processesOf(group)) {
      const name = role.replace(/[ :-]?\d+$/, "");
      used.set(name, (used.get(name) ?? 0) + cpuOf(pid));
    }
  }
  return used;
}

/** 0 for a process that is gone. */
export function cpuOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Fields 14 and 15, counted from behind the name in parentheses, which is field 2 (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return 0;
  }
}

export function cpuBetween(before: CpuSeconds, after: CpuSeconds): Map<string, number> {
  return new Map([...after].map(([name, seconds]) => [name, Math.max(0, seconds - (before.get(name) ?? 0))]));
}
