import type { DriveId, Instance, ServerName } from "../base/ids.ts";
import type { ClusterMap } from "../cluster/map.ts";
import type { UpState } from "./plan.ts";

interface Seen extends UpState {
  readonly instance: Instance | null;
}
export interface LivenessEvent {
  readonly level: "info" | "warn";
  /** One sentence for an administrator. */
  readonly text: string;
}

/**
 * Since when servers and drives are up or down, as this process saw it. What it has not seen it does not guess: at the first
 * look everything is as of now. Pure: `observe` compares the map with the look before.
 */
export class Liveness {
  readonly servers = new Map<ServerName, UpState>();
  readonly drives = new Map<DriveId, UpState>();
  #first = true;

  /** Takes the map as it is at `nowMs`. Returns what changed since the last look; the first look returns nothing. */
  observe(map: ClusterMap, nowMs: number): LivenessEvent[] {
    const events: LivenessEvent[] = [];
    const tell = (level: "info" | "warn", text: string) => {
      if (!this.#first) events.push({ level, text });
    };
    look(this.servers as Map<ServerName, Seen>, map.servers.keys(), map.upServers, nowMs, (name, what) => {
      tell(what === "down" ? "warn" : "info", `Server ${name} ${PHRASES[what]}.`);
    });
    look(this.drives as Map<DriveId, Seen>, map.drives.keys(), map.upDrives, nowMs, (id, what) => {
      const server = map.drives.get(id)?.server;
      tell(what === "down" || what === "restarted" ? "warn" : "info", `Drive ${id} of ${server} ${PHRASES[what]}.`);
    });
    this.#first = false;
    return events;
  }
}

const PHRASES = {
  new: "answers for the first time",
  up: "answers again",
  down: "stopped answering",
  restarted: "has restarted",
} as const;

function look<K>(
  seen: Map<K, Seen>,
  registered: Iterable<K>,
  ups: ReadonlyMap<K, { readonly instance: Instance }>,
  nowMs: number,
  tell: (key: K, what: keyof typeof PHRASES) => void,
): void {
  const present = new Set(registered);
  for (const key of [...seen.keys()]) if (!present.has(key)) seen.delete(key);
  for (const key of present) {
    const before = seen.get(key);
    const instance = ups.get(key)?.instance ?? null;
    const up = instance !== null;
    const same = before !== undefined && before.up === up;
    // The last instance is remembered while it is away, to tell a first answer from a return.
    seen.set(key, { up, sinceMs: same ? before.sinceMs : nowMs, instance: instance ?? before?.instance ?? null });
    if (!same && up) tell(key, before === undefined || before.instance === null ? "new" : "up");
    else if (!same && before !== undefined) tell(key, "down");
    else if (up && before?.instance !== instance) tell(key, "restarted");
  }
}
