import type { DriveId, GroupId } from "../../base/ids.ts";
import { groupName } from "../../cluster/schema.ts";
import type { Clock, Log } from "../../platform/platform.ts";
import type { BlockRange } from "../../wire/entry.ts";

/** Findings logged one by one in a minute; more are only counted, so that a dying drive does not fill the log. */
const LINES_A_MINUTE_MAX = 60;
const MINUTE_MS = 60_000;

/** Lost blocks known by name, so that each counts once however often it is read; beyond it they count again. */
const LOST_MAX = 4096;

/** `repaired`: from another copy. `lost`: no member has a good copy. `differs`: copies differ though each verifies. */
export type Finding = "repaired" | "lost" | "differs";
export interface DamageCounts {
  readonly drive: DriveId;
  repaired: number;
  lost: number;
  differs: number;
}
const SENTENCES: Record<Finding, string> = {
  repaired: "bad blocks on a drive were repaired from another copy; a drive on which they multiply should be replaced",
  lost: "blocks are bad on every copy: reads of them fail until they are written anew; restore what they held from a backup",
  differs: "copies of a group differ though each one verifies; the primary's copy stands, and every version was kept in parked/ on its drive: compare them",
};

/** R25: what this process, as primary, has found wrong on the drives of its groups; blocks counted since it started. */
export class Damage {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #changed: () => void;
  readonly #counts = new Map<DriveId, DamageCounts>();
  readonly #lost = new Set<string>();
  #minuteMs = -Infinity;
  #lines = 0;

  constructor(clock: Clock, log: Log, changed: () => void) {
    this.#clock = clock;
    this.#log = log;
    this.#changed = changed;
  }

  get counts(): readonly DamageCounts[] {
    return [...this.#counts.values()];
  }

  found(finding: Finding, drive: DriveId, group: GroupId, { volume, extent }: BlockRange, found: readonly number[]): void {
    const blocks = finding === "lost" ? found.filter((block) => !this.#lost.has(`${volume}.${extent}.${block}`)) : found;
    if (blocks.length === 0) return;
    if (finding === "lost" && this.#lost.size < LOST_MAX) for (const block of blocks) this.#lost.add(`${volume}.${extent}.${block}`);
    let counts = this.#counts.get(drive);
    if (!counts) this.#counts.set(drive, (counts = { drive, repaired: 0, lost: 0, differs: 0 }));
    counts[finding] += blocks.length;
    this.#changed();
    const now = this.#clock.nowMs();
    if (now - this.#minuteMs >= MINUTE_MS) {
      this.#minuteMs = now;
      this.#lines = 0;
    }
    this.#lines += 1;
    if (this.#lines === LINES_A_MINUTE_MAX) this.#log.error("bad blocks are found so often that the next ones of this minute are only counted", { drive });
    if (this.#lines >= LINES_A_MINUTE_MAX) return;
    this.#log.error(SENTENCES[finding], { drive, group: groupName(group), volume, extent, blocks: blocks.slice(0, 16), count: blocks.length });
  }
}
