import type { DriveId, GroupId, ServerName } from "../base/ids.ts";
import { assert } from "../base/assert.ts";
import { mix } from "../cluster/placement.ts";

/** A drive as a place for copies. */
export interface Place {
  readonly id: DriveId;
  readonly server: ServerName;
  readonly capacityBytes: number;
}

/**
 * How many copies and how many wanted primaries each drive has, and how often two drives hold the same group. Choices
 * are deterministic: the same calls on the same places give the same answers.
 */
export class Load {
  readonly places: readonly Place[];
  readonly #index = new Map<DriveId, number>();
  readonly #hash: readonly number[];
  readonly #copies: number[];
  readonly #primaries: number[];
  /** Keyed by the smaller index times the number of places plus the larger. */
  readonly #pairs = new Map<number, number>();

  /** `places` in any order. */
  constructor(places: Iterable<Place>) {
    this.places = [...places].sort((a, b) => (a.id < b.id ? -1 : 1));
    this.places.forEach((place, i) => this.#index.set(place.id, i));
    assert(this.#index.size === this.places.length, "a drive is named once in a plan's input");
    this.#hash = this.places.map(({ id }) => mix(parseInt(id.slice(0, 8), 16), parseInt(id.slice(8), 16)));
    this.#copies = this.places.map(() => 0);
    this.#primaries = this.places.map(() => 0);
  }

  place(id: DriveId): Place | undefined {
    const index = this.#index.get(id);
    return index === undefined ? undefined : this.places[index];
  }
  copies(id: DriveId): number {
    return this.#copies[this.#index.get(id) ?? -1] ?? 0;
  }
  primaries(id: DriveId): number {
    return this.#primaries[this.#index.get(id) ?? -1] ?? 0;
  }

  /** Counts a group's wanted drives, the primary first. Drives that are not among the places do not count. */
  add(wanted: readonly DriveId[]): void {
    this.#count(wanted, 1);
  }
  remove(wanted: readonly DriveId[]): void {
    this.#count(wanted, -1);
  }

  /**
   * The drive for one more copy of `group`, besides `others`: among the drives on servers that hold none of `others`, for
   * which `suits` is true, one that is the least loaded for its capacity. With `others`, a drive that is one copy
   * above the least loaded may be chosen too, so that the partners of a drive are many: they all help when it is rebuilt.
   */
  choose(group: GroupId, others: readonly DriveId[], suits: (place: Place) => boolean = () => true): DriveId | null {
    const taken = new Set(others.map((id) => this.place(id)?.server));
    const partners = others.flatMap((id) => this.#index.get(id) ?? []);
    const candidates: number[] = [];
    let limit = Infinity;
    this.places.forEach((place, i) => {
      if (place.capacityBytes === 0 || taken.has(place.server) || !suits(place)) return;
      candidates.push(i);
      limit = Math.min(limit, this.#fill(i, 1));
    });
    let best = -1;
    let bestPairs = Infinity;
    let bestTie = Infinity;
    for (const i of candidates) {
      if (this.#fill(i, partners.length > 0 ? 0 : 1) > limit) continue;
      const pairs = partners.reduce((sum, partner) => sum + (this.#pairs.get(this.#pairKey(i, partner)) ?? 0), 0);
      const tie = mix(group, this.#hash[i] as number);
      if (pairs > bestPairs || (pairs === bestPairs && tie >= bestTie)) continue;
      [best, bestPairs, bestTie] = [i, pairs, tie];
    }
    return this.places[best]?.id ?? null;
  }

  /** Which of `wanted` should be the primary: the one with the fewest primaries for its capacity; ties go to the earlier. */
  choosePrimary(wanted: readonly DriveId[]): DriveId {
    const first = wanted[0];
    assert(first !== undefined, "a group wants at least one drive");
    return wanted.reduce((best, id) => (this.#primaryFill(id) < this.#primaryFill(best) ? id : best), first);
  }

  /** Share of a drive used by its copies and `more`, in copies for each byte. */
  #fill(index: number, more: number): number {
    return ((this.#copies[index] as number) + more) / (this.places[index] as Place).capacityBytes;
  }

  /** As if one more primary were given to the drive. */
  #primaryFill(id: DriveId): number {
    const capacityBytes = this.place(id)?.capacityBytes ?? 0;
    return capacityBytes === 0 ? Infinity : (this.primaries(id) + 1) / capacityBytes;
  }

  #count(wanted: readonly DriveId[], step: 1 | -1): void {
    const indices = wanted.map((id) => this.#index.get(id));
    indices.forEach((i, position) => {
      if (i === undefined) return;
      this.#copies[i] = (this.#copies[i] as number) + step;
      if (position === 0) this.#primaries[i] = (this.#primaries[i] as number) + step;
      for (const other of indices.slice(position + 1)) {
        if (other === undefined) continue;
        const key = this.#pairKey(i, other);
        this.#pairs.set(key, (this.#pairs.get(key) ?? 0) + step);
      }
    });
  }

  #pairKey(a: number, b: number): number {
    return Math.min(a, b) * this.places.length + Math.max(a, b);
  }
}
