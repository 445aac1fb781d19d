import { describe, expect, test } from "bun:test";
import type { DriveId, ServerName } from "../../src/base/ids.ts";
import type { Place } from "../../src/monitor/load.ts";
import { initialPlacement } from "../../src/monitor/placement.ts";
import type { PlacedGroup } from "../../src/monitor/placement.ts";
import { seeded } from "./fake-platform.ts";

const TB = 1e12;
/** Copies or primaries that a drive may have above or below its even share: each choice sees one copy of imbalance. */
const COPIES_BOUND = 3;
const PRIMARIES_BOUND = 3;

function driveId(server: number, drive: number): DriveId {
  return (server * 4096 + drive + 1).toString(16).padStart(16, "0") as DriveId;
}
function cluster(sizes: readonly (readonly number[])[]): Place[] {
  return sizes.flatMap((drives, s) => drives.map((capacityBytes, d) => ({ id: driveId(s, d), server: `server-${s + 1}` as ServerName, capacityBytes })));
}
function placed(drives: readonly Place[], factor: number, groupCount: number, already: readonly PlacedGroup[] = []): readonly PlacedGroup[] {
  const result = initialPlacement({ factor }, drives, groupCount, already);
  if (result.outcome !== "placed") throw new Error(result.outcome);
  return result.groups;
}

/** Copies that each server can have at most once a group: the rest of a server too large for its share goes to the others. */
function evenCopies(drives: readonly Place[], factor: number, groupCount: number): Map<DriveId, number> {
  const share = new Map<DriveId, number>();
  const left = new Map<ServerName, Place[]>();
  for (const drive of drives) left.set(drive.server, [...(left.get(drive.server) ?? []), drive]);
  let copies = groupCount * (factor + 1);
  const sum = (list: readonly Place[]) => list.reduce((total, drive) => total + drive.capacityBytes, 0);
  for (let again = true; again; ) {
    again = false;
    const total = sum([...left.values()].flat());
    for (const [server, list] of left) {
      if ((copies * sum(list)) / total <= groupCount * (1 + 1e-9)) continue;
      for (const drive of list) share.set(drive.id, (groupCount * drive.capacityBytes) / sum(list));
      left.delete(server);
      copies -= groupCount;
      again = true;
      break;
    }
  }
  const rest = [...left.values()].flat();
  for (const drive of rest) share.set(drive.id, (copies * drive.capacityBytes) / sum(rest));
  return share;
}

function counts(groups: readonly PlacedGroup[]): { copies: Map<DriveId, number>; primaries: Map<DriveId, number> } {
  const copies = new Map<DriveId, number>();
  const primaries = new Map<DriveId, number>();
  for (const { wanted } of groups) {
    wanted.forEach((id) => copies.set(id, (copies.get(id) ?? 0) + 1));
    const primary = wanted[0] as DriveId;
    primaries.set(primary, (primaries.get(primary) ?? 0) + 1);
  }
  return { copies, primaries };
}

describe("the placement of a new pool", () => {
  for (const factor of [1, 2]) {
    for (let serverCount = Math.max(3, factor + 1); serverCount <= 12; serverCount += 1) {
      test(`is on different servers and balanced: factor ${factor}, ${serverCount} servers`, () => {
        for (let seed = 1; seed <= 8; seed++) {
          const random = seeded(seed * 100 + serverCount);
          const mixed = seed % 2 === 0;
          const size = () => (mixed ? (1 + Math.floor(random() * 4)) * TB : 4 * TB);
          const drives = cluster(Array.from({ length: serverCount }, () => Array.from({ length: 1 + Math.floor(random() * 6) }, size)));
          const groups = placed(drives, factor, 512);
          expect(groups.length).toBe(512);
          const serverOf = new Map(drives.map((drive) => [drive.id, drive.server]));
          for (const { wanted } of groups) {
            expect(wanted.length).toBe(factor + 1);
            expect(new Set(wanted.map((id) => serverOf.get(id))).size).toBe(factor + 1);
          }
          const { copies, primaries } = counts(groups);
          const even = evenCopies(drives, factor, 512);
          const capacity = drives.reduce((sum, drive) => sum + drive.capacityBytes, 0);
          for (const drive of drives) {
            const where = `seed ${seed} drive ${drive.id}`;
            expect([where, Math.abs((copies.get(drive.id) ?? 0) - (even.get(drive.id) as number)) <= COPIES_BOUND]).toEqual([where, true]);
            const evenPrimaries = (512 * drive.capacityBytes) / capacity;
            expect([where, Math.abs((primaries.get(drive.id) ?? 0) - evenPrimaries) <= PRIMARIES_BOUND]).toEqual([where, true]);
          }
        }
      });
    }
  }

  test("gives every drive of three equal servers the same, to one", () => {
    const drives = cluster([[TB, TB], [TB, TB], [TB, TB]]);
    const { copies, primaries } = counts(placed(drives, 1, 512));
    for (const { id } of drives) {
      expect(Math.abs((copies.get(id) ?? 0) - 1024 / 6)).toBeLessThan(2);
      expect(Math.abs((primaries.get(id) ?? 0) - 512 / 6)).toBeLessThan(2);
    }
  });

  test("gives a drive many partners, so that all help to rebuild it", () => {
    const drives = cluster([[TB, 2 * TB], [TB, 2 * TB], [TB, 2 * TB], [TB, 2 * TB]]);
    const partners = new Map<DriveId, Set<DriveId>>();
    for (const { wanted } of placed(drives, 1, 256)) {
      for (const id of wanted) partners.set(id, new Set([...(partners.get(id) ?? []), ...wanted.filter((other) => other !== id)]));
    }
    // Of six possible ones.
    for (const { id } of drives) expect(partners.get(id)?.size).toBeGreaterThanOrEqual(4);
  });

  test("is the same whatever order the drives are named in", () => {
    const drives = cluster([[TB, 2 * TB], [3 * TB], [TB, TB, TB], [2 * TB]]);
    expect(placed([...drives].reverse(), 1, 128)).toEqual(placed(drives, 1, 128));
  });

  test("leaves what an interrupted creation has placed and balances the rest against it", () => {
    const drives = cluster([[TB], [TB], [TB]]);
    const whole = placed(drives, 1, 128);
    const already = whole.slice(0, 62);
    const rest = placed(drives, 1, 128, already);
    expect(rest.map(({ group }) => group)).toEqual(whole.slice(62).map(({ group }) => group));
    const { copies } = counts([...already, ...rest]);
    for (const { id } of drives) expect(Math.abs((copies.get(id) ?? 0) - 256 / 3)).toBeLessThan(3);
  });

  test("says so when there are not enough servers, however many drives there are", () => {
    expect(initialPlacement({ factor: 2 }, cluster([[TB, TB, TB], [TB]]), 8)).toEqual({ outcome: "not enough servers", serverCount: 2, neededCount: 3 });
    expect(initialPlacement({ factor: 1 }, cluster([[TB], [0]]), 8)).toEqual({ outcome: "not enough servers", serverCount: 1, neededCount: 2 });
    expect(initialPlacement({ factor: 1 }, [], 8).outcome).toBe("not enough servers");
  });
});
