import { join } from "node:path";

/** Where the network's files lie: what is kept below `state`, what concerns this run of the machine below `run`. */
export function networkPaths(state: string, run: string): { readonly kept: string; readonly wanted: string; readonly report: string; readonly lock: string } {
  return { kept: join(state, "network.json"), wanted: join(run, "network-wanted.json"), report: join(run, "network-try.json"), lock: join(run, "network.lock") };
}
