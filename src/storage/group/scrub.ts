import { BLOCK_BYTES, BLOCKS_PER_EXTENT, PIECE_BLOCKS_MAX } from "../../base/geometry.ts";
import type { BlockRange, ExtentKey } from "../../wire/entry.ts";
import { compareExtents, type ExtentState } from "../../wire/messages.ts";
import type { Serving } from "./serving.ts";

/** Extents asked for at once. */
const EXTENTS_AT_ONCE = 128;
/** Bytes a second that a deep scrub reads from each copy: a week is enough for 19 TB, and hosts hardly notice. */
const DEEP_BYTES_A_SECOND = 32 * 1024 * 1024;
/** Pause of a light scrub after each interval of extents: it reads nothing but trailers. */
const LIGHT_PAUSE_MS = 20;
/** A group with more writes in flight than this is busy: its scrub waits. */
const BUSY_WRITES = 64;
/** Likewise a drive whose journal takes this long. */
const BUSY_JOURNAL_MS = 100;
const BUSY_PAUSE_MS = 500;
/** A piece that was put right is looked at again, so often at most. */
const LOOKS_MAX = 3;

export type ScrubKind = "light" | "deep";

/**
 * R25: one pass over one group, at its primary. Light: the members' extents have the same digests (allocation and checksums) as
 * the primary's. Deep: besides, every copy reads all its blocks and verifies them. What differs is repaired piece by piece.
 *
 *   next interval of extents -> list and digests from all copies -> those that differ (deep: all) -> pieces -> next interval
 *        ^                                                             | under each piece's lock: read, compare, repair
 *        +-- pause (throttle; longer while the group is busy) <--------+
 *
 * Digests are compared beside the writes of hosts: an extent that seems different is looked at again under its lock before it is read.
 * A pass gives up when the term ends, a member does not answer, or a copy is being made; it then begins anew, later.
 */
export class GroupScrub {
  readonly kind: ScrubKind;
  readonly #serving: Serving;
  #isStopped = false;
  /** Extents looked at so far. */
  checked = 0;

  constructor(serving: Serving, kind: ScrubKind) {
    this.#serving = serving;
    this.kind = kind;
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** True when all of the group has been looked at. */
  async run(): Promise<boolean> {
    const keys = this.#serving.host.extentsOf(this.#serving.group);
    let from: ExtentKey | null = null;
    for (let at = 0; ; at += EXTENTS_AT_ONCE) {
      if (!(await this.#mayGoOn())) return false;
      const own = keys.slice(at, at + EXTENTS_AT_ONCE);
      const through = at + EXTENTS_AT_ONCE >= keys.length ? null : (own.at(-1) as ExtentKey);
      const extents = await this.#inspect(from, through, own);
      if (!extents) return false;
      for (const { key, isSame } of extents) {
        if (this.kind === "light" && (isSame || (await this.#isSameAtRest(key)))) continue;
        if (!(await this.#pieces(key))) return false;
      }
      this.checked += extents.length;
      if (through === null) return true;
      // The very next key in the order of manifests.
      from = { ...through, layer: through.layer + 1 };
      await this.#pause(LIGHT_PAUSE_MS);
    }
  }

  /** The interval's extents, of whoever has them; null when a member does not answer. */
  async #inspect(from: ExtentKey | null, through: ExtentKey | null, own: readonly ExtentKey[]): Promise<{ key: ExtentKey; isSame: boolean }[] | null> {
    const { host, term, repair } = this.#serving;
    const members = term.members();
    const asked = members.map((peer) => repair.question(peer, (shared) => ({ ...shared, type: "inspect", from, through })));
    const described = await Promise.all(own.map(async (key) => ({ key, summary: await host.drive.describe(key) })));
    const mine = new Map(described.flatMap(({ key, summary }) => (summary ? [[nameOf(key), { key, ...summary }] as const] : [])));
    const found = new Map<string, { key: ExtentKey; same: number; known: boolean }>();
    for (const [name, { key, known }] of mine) found.set(name, { key, same: 0, known });
    for (const answer of await Promise.all(asked)) {
      if (answer?.type !== "inspected") return null;
      for (const theirs of answer.extents) {
        const name = nameOf(theirs.key);
        const extent = found.get(name) ?? { key: theirs.key, same: 0, known: false };
        if (theirs.known && mine.get(name)?.digest === theirs.digest) extent.same += 1;
        found.set(name, extent);
      }
    }
    return [...found.values()].map(({ key, same, known }) => ({ key, isSame: known && same === members.length })).sort((a, b) => compareExtents(a.key, b.key));
  }

  /** As of a moment when nothing is being written to the extent. */
  #isSameAtRest(key: ExtentKey): Promise<boolean> {
    return new Promise((resolve) => {
      this.#serving.ranges.lock({ ...key, first: 0, count: BLOCKS_PER_EXTENT }, (release) => {
        void this.#inspect(key, key, [key]).then((extents) => {
          release();
          resolve(extents?.every(({ isSame }) => isSame) ?? false);
        });
      });
    });
  }

  async #pieces(key: ExtentKey): Promise<boolean> {
    for (let first = 0; first < BLOCKS_PER_EXTENT; first += PIECE_BLOCKS_MAX) {
      for (let looks = 0; looks < LOOKS_MAX; looks += 1) {
        if (!(await this.#mayGoOn())) return false;
        const outcome = await this.#compare({ ...key, first, count: PIECE_BLOCKS_MAX });
        await this.#pause((PIECE_BLOCKS_MAX * BLOCK_BYTES * 1000) / DEEP_BYTES_A_SECOND);
        if (outcome === "silent") return false;
        if (outcome !== "again") break;
      }
    }
    return true;
  }
  #compare(range: BlockRange): ReturnType<Serving["repair"]["compare"]> {
    return new Promise((resolve) => {
      this.#serving.ranges.lock(range, (release) => {
        void this.#serving.repair.compare(range).then((outcome) => {
          release();
          resolve(outcome);
        });
      });
    });
  }

  /** Waits while the group or the drive is busy with hosts. False: the pass is over. */
  async #mayGoOn(): Promise<boolean> {
    for (;;) {
      const { ended, open, term, uncommitted, host, recoveries } = this.#serving;
      if (this.#isStopped || ended || !open || term.pending || [...recoveries].length > 0) return false;
      if (uncommitted.length <= BUSY_WRITES && host.drive.appendOutstandingMs() <= BUSY_JOURNAL_MS && this.#serving.hasLeases()) return true;
      await this.#pause(BUSY_PAUSE_MS);
    }
  }
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#serving.host.clock.timer(ms, resolve));
  }
}

/** What a member has of an interval, for the primary to compare (R25). More than fit are found by the next pass. */
export async function inspect(extents: readonly ExtentKey[], { from, through }: { readonly from: ExtentKey | null; readonly through: ExtentKey | null }, describe: Serving["host"]["drive"]["describe"]): Promise<ExtentState[]> {
  const inside = extents.filter((key) => (from === null || compareExtents(key, from) >= 0) && (through === null || compareExtents(key, through) <= 0));
  const described = await Promise.all(inside.slice(0, INSPECTED_MAX).map(async (key) => ({ key, summary: await describe(key) })));
  return described.flatMap(({ key, summary }) => (summary ? [{ key, version: summary.version, digest: summary.digest, known: summary.known }] : []));
}
/** Extents in one answer. */
const INSPECTED_MAX = 1024;

function nameOf(key: ExtentKey): string {
  return `${key.volume}.${key.extent}.${key.layer}`;
}
