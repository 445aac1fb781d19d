import type { DriveId, GroupId } from "../base/ids.ts";
import { assert } from "../base/assert.ts";
import { groupId } from "../cluster/schema.ts";
import { Load } from "./load.ts";
import type { Place } from "./load.ts";

export interface PlacedGroup {
  readonly group: GroupId;
  /** On different servers, the wanted primary first. */
  readonly wanted: readonly DriveId[];
}
export type Placement =
  | { readonly outcome: "placed"; readonly groups: readonly PlacedGroup[] }
  | { readonly outcome: "not enough servers"; readonly serverCount: number; readonly neededCount: number };

/** Rounds over the new groups that even out their primaries. Each moves some; a handful settles every case tried. */
const PRIMARY_ROUNDS_MAX = 16;

/**
 * Where the groups of a new pool go: `factor` + 1 drives on different servers each, balanced by capacity in copies and in
 * primaries. `already` are groups of this pool placed before (a creation that was interrupted), which are counted and
 * left alone; the groups from their number on are placed. Pure and deterministic, whatever the order of `drives`.
 */
export function initialPlacement(
  pool: { readonly factor: number },
  drives: Iterable<Place>,
  groupCount: number,
  already: readonly PlacedGroup[] = [],
): Placement {
  const load = new Load([...drives].filter((drive) => drive.capacityBytes > 0));
  const serverCount = new Set(load.places.map((place) => place.server)).size;
  const neededCount = pool.factor + 1;
  if (serverCount < neededCount) return { outcome: "not enough servers", serverCount, neededCount };
  for (const { wanted } of already) load.add(wanted);
  const placed: { group: GroupId; wanted: DriveId[] }[] = [];
  for (let index = already.length; index < groupCount; index++) {
    const group = groupId(pool.factor, index);
    const drivesOfGroup: DriveId[] = [];
    while (drivesOfGroup.length < neededCount) {
      const next = load.choose(group, drivesOfGroup);
      assert(next !== null, "with enough servers there is a drive for every copy");
      drivesOfGroup.push(next);
    }
    const wanted = primaryFirst(drivesOfGroup, load.choosePrimary(drivesOfGroup));
    load.add(wanted);
    placed.push({ group, wanted });
  }
  evenPrimaries(placed, load);
  return { outcome: "placed", groups: placed };
}

/** The same drives with `primary` in front. */
export function primaryFirst(wanted: readonly DriveId[], primary: DriveId): DriveId[] {
  assert(wanted.includes(primary), "I3: only a wanted drive becomes the wanted primary");
  return [primary, ...wanted.filter((id) => id !== primary)];
}

/** The first choices were made without knowing the later ones: makes another drive primary wherever that is more even. */
function evenPrimaries(groups: { wanted: DriveId[] }[], load: Load): void {
  for (let round = 0; round < PRIMARY_ROUNDS_MAX; round++) {
    let moved = 0;
    for (const group of groups) {
      load.remove(group.wanted);
      const primary = load.choosePrimary(group.wanted);
      if (primary !== group.wanted[0]) {
        group.wanted = primaryFirst(group.wanted, primary);
        moved++;
      }
      load.add(group.wanted);
    }
    if (moved === 0) return;
  }
}
