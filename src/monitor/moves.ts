import type { DriveId, GroupId } from "../base/ids.ts";
import type { GroupConfig } from "../cluster/schema.ts";
import type { Load, Place } from "./load.ts";
import { givenUp, suitable, type PlanInput } from "./plan.ts";
import { primaryFirst } from "./placement.ts";

/**
 * Groups that are copied to or from a drive at once because of a move that could wait. Each takes some megabytes in flight and reads
 * beside the hosts' own; two keep a drive's journal busy, and leave hosts the rest.
 */
export const MOVES_PER_DRIVE_MAX = 2;
/** Drives looked at, from the fullest and from the emptiest: with more, the next looks find the rest. */
const DRIVES_LOOKED_MAX = 64;

export interface Move {
  readonly group: GroupId;
  readonly wanted: readonly DriveId[];
}

/**
 * Moves that are no repair: away from drives that are drained, then towards drives that have less than their share by capacity, then
 * primaries. A group is moved only when it is whole where it is wished, and keeps all its copies until the new one is a member (R12);
 * a bounded number at a time. Each rebalancing move brings every drive nearer to its share, so that they come to an end. Pure; `load`
 * and `wishes` are as after the repairs of this look, `changed` the groups of those. `load` has the moves in it afterwards.
 */
export function planMoves(input: PlanInput, load: Load, wishes: ReadonlyMap<GroupId, readonly DriveId[]>, changed: ReadonlySet<GroupId>): { moves: Move[]; stuckCount: number } {
  const planner = new MovePlanner(input, load, wishes, changed);
  const stuckCount = planner.drain();
  if (planner.mayRebalance()) planner.rebalance();
  return { moves: planner.moves, stuckCount };
}

class MovePlanner {
  readonly #input: PlanInput;
  readonly #load: Load;
  readonly #wishes: Map<GroupId, readonly DriveId[]>;
  /** Groups that may be moved. */
  readonly #settled = new Set<GroupId>();
  /** Groups that are being copied, for each drive that takes part. */
  readonly #busy = new Map<DriveId, number>();
  /** Hand-overs under way, likewise. */
  readonly #handing = new Map<DriveId, number>();
  readonly #moved = new Map<GroupId, readonly DriveId[]>();
  #repairing = false;

  constructor(input: PlanInput, load: Load, wishes: ReadonlyMap<GroupId, readonly DriveId[]>, changed: ReadonlySet<GroupId>) {
    this.#input = input;
    this.#load = load;
    this.#wishes = new Map(wishes);
    for (const [group, wanted] of wishes) {
      const config = input.groups.get(group) as GroupConfig;
      const whole = wanted.every((drive) => config.members.includes(drive)) && config.learners.length === 0 && !changed.has(group);
      // A copy that is waited for takes no slot: it may be waited for long.
      const isUp = (drive: DriveId): boolean => input.drives.get(drive)?.up === true;
      if (changed.has(group) || [...wanted, ...config.learners].some((drive) => isUp(drive) && !config.members.includes(drive))) occupy(this.#busy, [...wanted, ...config.members, ...config.learners]);
      if (whole && config.primary !== wanted[0]) occupy(this.#handing, [...wanted, config.primary]);
      // Fewer members than copies: it is short of one, and that comes first.
      if (config.members.filter(isUp).length < wanted.length) this.#repairing = true;
      else if (whole && config.members.length === wanted.length && wanted.every(isUp)) this.#settled.add(group);
    }
  }

  get moves(): Move[] {
    return [...this.#moved].map(([group, wanted]) => ({ group, wanted }));
  }

  /** Moves copies away from drives that are drained. Gives how many groups have nowhere to go. */
  drain(): number {
    const { drives } = this.#input;
    let stuckCount = 0;
    for (const [group, before] of this.#wishes) {
      const leaving = before.find((drive) => drives.get(drive)?.draining);
      if (leaving === undefined || !this.#settled.has(group)) continue;
      const kept = before.filter((drive) => drive !== leaving);
      this.#load.remove(before);
      const next = this.#load.choose(group, kept, (place) => !before.includes(place.id) && suitable(this.#input, place));
      this.#load.add(before);
      if (next === null) stuckCount++;
      else if (this.#free([...before, next])) this.#move(group, before, leaving, next);
    }
    return stuckCount;
  }

  /** Not while copies are short, nor while somebody is waited for: what is moved now may be moved back then, and hosts have less to spare. */
  mayRebalance(): boolean {
    const { drives } = this.#input;
    return !this.#repairing && [...drives.values()].every((drive) => drive.up || drive.draining || givenUp(this.#input, drive.id));
  }

  rebalance(): void {
    const { drives } = this.#input;
    const places = this.#load.places.filter(({ id, capacityBytes }) => capacityBytes > 0 && drives.get(id)?.up && !drives.get(id)?.draining);
    const totalBytes = places.reduce((sum, { capacityBytes }) => sum + capacityBytes, 0);
    const totalCopies = places.reduce((sum, { id }) => sum + this.#load.copies(id), 0);
    /** Copies above the drive's share, negative below. */
    const above = ({ id, capacityBytes }: Place): number => this.#load.copies(id) - (totalCopies * capacityBytes) / totalBytes;
    const held = new Map<DriveId, GroupId[]>();
    for (const group of this.#settled) for (const drive of this.#wishes.get(group) ?? []) held.set(drive, [...(held.get(drive) ?? []), group]);
    while (this.#moveOne(places, above, held));
    // A primary's way is shorter when no copies are under way.
    while (this.#busy.size === 0 && this.#evenPrimaries());
  }

  #moveOne(places: readonly Place[], above: (place: Place) => number, held: ReadonlyMap<DriveId, readonly GroupId[]>): boolean {
    const free = places.filter(({ id }) => this.#free([id])).map((place) => ({ place, above: above(place) }));
    free.sort((a, b) => b.above - a.above || (a.place.id < b.place.id ? -1 : 1));
    const from = free.slice(0, DRIVES_LOOKED_MAX);
    const to = free.slice(-DRIVES_LOOKED_MAX).reverse().filter(({ place }) => suitable(this.#input, place));
    for (const source of from) {
      for (const target of to) {
        if (source.above - target.above <= this.#input.settings.slackCopies) break;
        const group = (held.get(source.place.id) ?? []).find((candidate) => this.#suits(candidate, source.place, target.place));
        if (group === undefined) continue;
        this.#move(group, this.#wishes.get(group) ?? [], source.place.id, target.place.id);
        return true;
      }
    }
    return false;
  }

  #suits(group: GroupId, source: Place, target: Place): boolean {
    const wanted = this.#wishes.get(group) ?? [];
    if (!this.#settled.has(group) || wanted.includes(target.id) || !this.#free(wanted)) return false;
    return wanted.every((drive) => drive === source.id || this.#load.place(drive)?.server !== target.server);
  }

  /** Hands groups to the member that leads the fewest for its capacity, a few at a time. False: all is even. */
  #evenPrimaries(): boolean {
    const before = this.#moved.size;
    const perByte = (drive: DriveId, more: number): number => (this.#load.primaries(drive) + more) / (this.#load.place(drive)?.capacityBytes || 1);
    const { drives, groups } = this.#input;
    for (const group of [...this.#settled]) {
      const wanted = this.#wishes.get(group) ?? [];
      const [primary] = wanted;
      const busy = wanted.some((drive) => (this.#handing.get(drive) ?? 0) >= MOVES_PER_DRIVE_MAX);
      if (primary === undefined || groups.get(group)?.primary !== primary || busy) continue;
      const others = wanted.filter((drive) => drive !== primary && !drives.get(drive)?.draining);
      const next = others.sort((a, b) => perByte(a, 1) - perByte(b, 1))[0];
      // Strictly nearer to even for both: there is no way back.
      if (next === undefined || perByte(primary, -1) < perByte(next, 1)) continue;
      this.#wish(group, wanted, primaryFirst(wanted, next));
      occupy(this.#handing, wanted);
    }
    return this.#moved.size > before;
  }

  #move(group: GroupId, before: readonly DriveId[], from: DriveId, to: DriveId): void {
    const wanted = before.map((drive) => (drive === from ? to : drive));
    this.#load.remove(before);
    const primary = before[0] === from ? this.#load.choosePrimary(wanted) : (before[0] as DriveId);
    this.#load.add(before);
    this.#wish(group, before, primaryFirst(wanted, primary));
    occupy(this.#busy, [...before, to]);
  }

  #wish(group: GroupId, before: readonly DriveId[], wanted: readonly DriveId[]): void {
    this.#load.remove(before);
    this.#load.add(wanted);
    this.#wishes.set(group, wanted);
    this.#moved.set(group, wanted);
    this.#settled.delete(group);
  }

  #free(drives: readonly DriveId[]): boolean {
    return drives.every((drive) => (this.#busy.get(drive) ?? 0) < MOVES_PER_DRIVE_MAX);
  }
}

function occupy(counts: Map<DriveId, number>, drives: readonly DriveId[]): void {
  for (const drive of new Set(drives)) counts.set(drive, (counts.get(drive) ?? 0) + 1);
}
