import * as v from "valibot";
import type { CheckedRole } from "../../cluster/alerting.ts";

/** run/pids.json as the supervisor writes it. */
const processes = v.array(v.object({ role: v.string(), pid: v.number(), startTicks: v.number() }));

const WINDOW_MS = 10 * 60_000;
/** Remembered starts of a role; more than the check looks for. */
const STARTS_MAX = 20;

/** Sees from the supervisor's list of processes which of them are started again and again. Pure. */
export class RoleStarts {
  readonly #last = new Map<string, string>();
  readonly #starts = new Map<string, number[]>();

  /** `text`: the list; `expected`: roles that should run. A list that cannot be read says nothing: null. */
  look(text: string, expected: readonly string[], nowMs: number): CheckedRole[] | null {
    const listed = parse(text);
    if (listed === null) return null;
    const running = new Map(listed.map(({ role, pid, startTicks }) => [role, `${pid} ${startTicks}`]));
    for (const [role, identity] of running) {
      const before = this.#last.get(role);
      this.#last.set(role, identity);
      // The first one seen was there before, or is the first at all.
      if (before === undefined || before === identity) continue;
      this.#starts.set(role, [...(this.#starts.get(role) ?? []), nowMs].slice(-STARTS_MAX));
    }
    return [...new Set([...expected, ...running.keys()])].sort().map((role) => ({
      role,
      running: running.has(role),
      restarts: (this.#starts.get(role) ?? []).filter((atMs) => nowMs - atMs < WINDOW_MS).length,
    }));
  }
}

function parse(text: string): v.InferOutput<typeof processes> | null {
  try {
    const result = v.safeParse(processes, JSON.parse(text));
    return result.success ? result.output : null;
  } catch {
    return null;
  }
}
