import type { GroupId } from "../base/ids.ts";
import type { ClusterMap } from "../cluster/map.ts";
import { groupName, keys, type ScrubRecord } from "../cluster/schema.ts";
import type { Clock, Log } from "../platform/platform.ts";
import type { ClusterStore } from "../platform/store.ts";
import type { Group } from "./group/group.ts";
import { GroupScrub, type ScrubKind } from "./group/scrub.ts";

const DAY_MS = 24 * 3600 * 1000;
const EVERY_MS: Record<ScrubKind, number> = { light: DAY_MS, deep: 7 * DAY_MS };
/** A pass that was given up begins anew no sooner. */
const AGAIN_MS = 30_000;
/** Within this the watch shows that a pass was completed. */
const SEEN_MS = 3000;

export interface ScrubWorld {
  readonly map: ClusterMap;
  readonly store: ClusterStore;
  readonly clock: Clock;
  readonly log: Log;
  groups(): Iterable<Group>;
  changed(): void;
}

/**
 * R25: the groups whose primary is on this drive, one after the other: each deep once a week and light once a day, or when an
 * administrator asks. When a group was last looked at stands in the store, with the group's primary as its one writer; a
 * pass that was interrupted begins again with that group. Nothing begins while a group of this drive is peering or recovering.
 */
export class Scrubber {
  readonly #world: ScrubWorld;
  readonly #startedMs: number;
  /** Groups that were given up, and until when they wait. */
  readonly #waiting = new Map<GroupId, number>();
  #running: { readonly group: GroupId; readonly scrub: GroupScrub } | null = null;

  constructor(world: ScrubWorld) {
    this.#world = world;
    this.#startedMs = world.clock.wallMs();
  }

  get running(): { readonly group: GroupId; readonly kind: ScrubKind; readonly checkedExtents: number } | null {
    return this.#running && { group: this.#running.group, kind: this.#running.scrub.kind, checkedExtents: this.#running.scrub.checked };
  }

  tick(): void {
    if (this.#running) return;
    let next: { readonly group: Group; readonly kind: ScrubKind } | null = null;
    for (const group of this.#world.groups()) {
      if (!group.term) continue;
      const { serving } = group;
      if (group.state !== "serving" || !serving || [...serving.recoveries].length > 0 || group.term.pending) return;
      next ??= this.#due(group);
    }
    if (next?.group.serving) void this.#run(next.group, new GroupScrub(next.group.serving, next.kind));
  }
  stop(): void {
    this.#running?.scrub.stop();
  }

  #due(group: Group): { readonly group: Group; readonly kind: ScrubKind } | null {
    const { map, clock } = this.#world;
    if (clock.nowMs() < (this.#waiting.get(group.id) ?? 0)) return null;
    const record = map.scrubs.get(group.id);
    for (const kind of ["deep", "light"] as const) {
      const lastMs = record?.[`${kind}AtMs`] ?? 0;
      const wantedMs = map.scrubWanted?.[`${kind}AtMs`] ?? 0;
      if (clock.wallMs() - (lastMs || this.#startedMs) >= EVERY_MS[kind] || lastMs < wantedMs) return { group, kind };
    }
    return null;
  }

  async #run(group: Group, scrub: GroupScrub): Promise<void> {
    const { map, clock, store, log } = this.#world;
    this.#running = { group: group.id, scrub };
    this.#waiting.set(group.id, clock.nowMs() + AGAIN_MS);
    this.#world.changed();
    // Whoever asked may have a clock that is ahead of this one.
    const atMs = Math.max(Math.floor(clock.wallMs()), map.scrubWanted?.lightAtMs ?? 0);
    const isDone = await scrub.run().catch((error: unknown) => {
      log.error("a scrub ended by a bug", { group: groupName(group.id), error });
      return false;
    });
    if (isDone) {
      this.#waiting.set(group.id, clock.nowMs() + SEEN_MS);
      const before = map.scrubs.get(group.id);
      const deepAtMs = scrub.kind === "deep" ? atMs : (before?.deepAtMs ?? Math.floor(this.#startedMs));
      const record: ScrubRecord = { lightAtMs: atMs, deepAtMs };
      log.debug("a group was scrubbed", { group: groupName(group.id), kind: scrub.kind, extents: scrub.checked });
      // An unknown outcome costs one more pass at most.
      await store.transact({ compares: [], puts: [{ key: keys.scrub(group.id), value: JSON.stringify(record) }] }).catch(() => undefined);
    }
    this.#running = null;
    this.#world.changed();
  }
}
