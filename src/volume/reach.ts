import type { DriveId, GroupId, Instance } from "../base/ids.ts";
import type { ClusterMap } from "../cluster/map.ts";
import { parseGroupName } from "../cluster/schema.ts";
import type { Links } from "./links.ts";

/** By then a drive that stopped has been replaced where it can be: grace (3 s) and peering. For one that was seen to act meanwhile. */
const SEEN_ALIVE_MS = 4_000;
/** Its lease in the store (5 s) would have ended by now, with a little for the store to notice. For one of which nothing was seen. */
const LEASED_MS = 7_000;
/** What the store shows that soon after the last word from a drive may be older than that word. */
const NEWS_MS = 1_000;
/** A way is good again when it has been heard for so long; a drive says something every 500 ms. */
const HEARD_MS_MAX = 1_500;

/** A primary that other portals may well reach, while this one cannot. */
export interface Unreached {
  readonly drive: DriveId;
  readonly instance: Instance;
  /** Since when, in the platform's clock. */
  readonly sinceMs: number;
}

/**
 * Which primaries this portal alone does not reach. It counts only what no fail-over will mend and what is not waiting for one: the drive's
 * process is registered and was not replaced, the store shows that it lives, it says itself that it serves, and no group of it has moved.
 */
export class Reach {
  readonly #map: ClusterMap;
  readonly #links: Links;
  #revision = 0;
  /** When the store last showed an act of a drive that only its living process can do. */
  readonly #actedMs = new Map<DriveId, number>();

  constructor(map: ClusterMap, links: Links) {
    this.#map = map;
    this.#links = links;
  }

  /** Keys of the map that have changed. */
  mapChanged(keys: readonly string[], nowMs: number): void {
    for (const key of keys) {
      if (!key.startsWith("pg/")) continue;
      const group = this.#map.groups.get(parseGroupName(key.slice(3)));
      // A snapshot brings old news too. An instance of 0 is a wish, which somebody else has written.
      if (group && group.revision > this.#revision && group.config.primaryInstance > 0) this.#actedMs.set(group.config.primary, nowMs);
    }
    this.#revision = Math.max(this.#revision, this.#map.revision);
  }

  /** Primaries for which commands have waited for seconds, though they live and serve. */
  unreached(nowMs: number): Unreached[] {
    if (this.#map.mode) return [];
    const found: Unreached[] = [];
    for (const link of this.#links.all()) {
      const sinceMs = link.deafSinceMs(nowMs);
      if (sinceMs === null || nowMs - sinceMs < SEEN_ALIVE_MS) continue;
      const instance = this.#map.upDrives.get(link.driveId)?.instance;
      if (instance === undefined || !this.serves(link.driveId, instance)) continue;
      const alive = (this.#actedMs.get(link.driveId) ?? 0) - sinceMs >= NEWS_MS || nowMs - sinceMs >= LEASED_MS;
      if (alive) found.push({ drive: link.driveId, instance, sinceMs });
    }
    return found;
  }

  /** Whether this very process of the drive is a primary, and serves as far as the store knows. */
  serves(drive: DriveId, instance: Instance): boolean {
    const { upDrives, drives, deaths, groups, observed } = this.#map;
    if (upDrives.get(drive)?.instance !== instance || drives.get(drive)?.instance !== instance) return false;
    if ((deaths.get(drive)?.instance ?? -1) >= instance) return false;
    const words = observed.get(drive);
    if (words?.instance !== instance) return false;
    return words.groups.some(({ group, state }) => {
      const config = groups.get(group as GroupId)?.config;
      return state === "serving" && config?.primary === drive && config.primaryInstance === instance;
    });
  }

  /** Whether the drive is heard now; dials it when it is not. */
  probe(drive: DriveId, nowMs: number): boolean {
    const record = this.#map.drives.get(drive);
    if (!record) return false;
    const link = this.#links.to(record);
    link.probe();
    return nowMs - link.heardMs <= HEARD_MS_MAX;
  }
}
