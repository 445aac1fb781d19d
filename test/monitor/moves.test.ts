import { describe, expect, test } from "bun:test";
import type { DriveId, Epoch, GroupId, Instance, ServerName } from "../../src/base/ids.ts";
import type { GroupConfig, GroupPlan } from "../../src/cluster/schema.ts";
import { MOVES_PER_DRIVE_MAX } from "../../src/monitor/moves.ts";
import { initialPlacement } from "../../src/monitor/placement.ts";
import { plan, PLAN_SETTINGS } from "../../src/monitor/plan.ts";
import type { PlanDrive, PlanInput, PlanResult, UpState } from "../../src/monitor/plan.ts";
import { seeded } from "./fake-platform.ts";

const TB = 1e12;
const name = (server: number) => `server-${server}` as ServerName;
const id = (server: number, drive: number) => (server * 256 + drive).toString(16).padStart(16, "0") as DriveId;

/** A cluster whose primaries enact every wish at once when told to. */
class World {
  readonly groups = new Map<GroupId, GroupConfig>();
  readonly plans = new Map<GroupId, GroupPlan>();
  readonly drives = new Map<DriveId, PlanDrive>();
  readonly servers = new Map<ServerName, UpState>();
  readonly observed: Map<DriveId, { instance: Instance; usedBytes: number; groups: [] }> = new Map();
  readonly removed = new Map<DriveId, unknown>();

  constructor(sizes: readonly (readonly number[])[], factor = 1, groupCount = 64) {
    sizes.forEach((capacities, s) => capacities.forEach((capacityBytes, d) => this.drive(s + 1, d + 1, { capacityBytes })));
    const placement = initialPlacement({ factor }, this.drives.values(), groupCount);
    if (placement.outcome !== "placed") throw new Error(placement.outcome);
    for (const { group, wanted } of placement.groups) {
      this.groups.set(group, { incarnation: 1, epoch: 1 as Epoch, primary: wanted[0] as DriveId, primaryInstance: 1 as Instance, members: [...wanted], learners: [], nonce: 1 });
      this.plans.set(group, { wanted: [...wanted] });
    }
  }
  drive(s: number, d: number, change: Partial<PlanDrive>): void {
    this.servers.set(name(s), { up: true, sinceMs: 0 });
    this.drives.set(id(s, d), { id: id(s, d), server: name(s), capacityBytes: TB, up: true, sinceMs: 0, failed: false, draining: false, ...this.drives.get(id(s, d)), ...change });
  }
  look(): PlanResult {
    const input: PlanInput = { ...this, leadingSinceMs: 0, nowMs: 1000, settings: PLAN_SETTINGS };
    const result = plan(input);
    expect(plan(input)).toEqual(result);
    return result;
  }
  /** Plans, checks what must hold of every plan, and writes it down. */
  step(): PlanResult {
    const result = this.look();
    for (const { group, wanted } of result.changes) {
      expect(new Set(wanted.map((drive) => this.drives.get(drive)?.server)).size).toBe(wanted.length);
      expect(wanted.length).toBe(this.plans.get(group)?.wanted.length as number);
      this.plans.set(group, { wanted: [...wanted] });
    }
    for (const drive of this.drives.keys()) expect(this.copying(drive)).toBeLessThanOrEqual(MOVES_PER_DRIVE_MAX);
    expect(this.look().changes).toEqual([]);
    return result;
  }
  /** Groups under way to or from a drive. */
  copying(drive: DriveId): number {
    return [...this.groups].filter(([group, { members }]) => {
      const { wanted } = this.plans.get(group) as GroupPlan;
      return wanted.some((one) => !members.includes(one)) && [...wanted, ...members].includes(drive);
    }).length;
  }
  /** Every primary has enacted its wish. */
  enact(): void {
    for (const [group, { wanted }] of this.plans) {
      const config = this.groups.get(group) as GroupConfig;
      this.groups.set(group, { ...config, members: wanted, primary: wanted[0] as DriveId });
    }
  }
  /** Until nothing moves any more; how many copies moved. */
  settle(): number {
    let copies = 0;
    for (let round = 0; round < 1000; round++) {
      const { changes } = this.step();
      copies += changes.reduce((sum, { left }) => sum + left.length, 0);
      if (changes.length === 0) return copies;
      this.enact();
    }
    throw new Error("it does not come to an end");
  }
  held(drive: DriveId): number {
    return [...this.plans.values()].filter(({ wanted }) => wanted.includes(drive)).length;
  }
  led(drive: DriveId): number {
    return [...this.plans.values()].filter(({ wanted }) => wanted[0] === drive).length;
  }
}
const even = (servers: number, drives: number) => Array.from({ length: servers }, () => Array.from({ length: drives }, () => TB));

describe("moves", () => {
  test("a new drive gets its share of copies and of primaries, a few at a time, with the least copying", () => {
    const world = new World(even(3, 2));
    world.drive(2, 3, {});
    expect(world.step().changes.length).toBe(MOVES_PER_DRIVE_MAX);
    world.enact();
    const copied = MOVES_PER_DRIVE_MAX + world.settle();
    // 128 copies on 7 drives.
    expect(world.held(id(2, 3))).toBeGreaterThanOrEqual(16);
    expect(copied).toBeLessThanOrEqual(19);
    const led = [...world.drives.keys()].map((drive) => world.led(drive));
    expect(Math.max(...led) - Math.min(...led)).toBeLessThanOrEqual(2);
  });

  test("a new server gets its share", () => {
    const world = new World(even(3, 2));
    world.drive(4, 1, {});
    world.drive(4, 2, {});
    const copied = world.settle();
    const held = [...world.drives.keys()].map((drive) => world.held(drive));
    expect(Math.max(...held) - Math.min(...held)).toBeLessThanOrEqual(PLAN_SETTINGS.slackCopies + 1);
    expect(copied).toBeLessThanOrEqual(36);
  });

  test("a drive that is drained comes to hold nothing, and gets nothing", () => {
    const world = new World(even(3, 2));
    world.drive(1, 1, { draining: true });
    const before = world.held(id(1, 1));
    expect(world.settle()).toBeGreaterThanOrEqual(before);
    expect(world.held(id(1, 1))).toBe(0);
    const held = [...world.drives.values()].filter(({ draining }) => !draining).map((drive) => world.held(drive.id));
    expect(Math.max(...held) - Math.min(...held)).toBeLessThanOrEqual(8);
  });

  test("a server that is drained comes to hold nothing", () => {
    const world = new World(even(4, 2));
    for (const d of [1, 2]) world.drive(3, d, { draining: true });
    world.settle();
    expect(world.held(id(3, 1)) + world.held(id(3, 2))).toBe(0);
    world.drive(3, 1, { draining: false });
    world.settle();
    expect(world.held(id(3, 1))).toBeGreaterThan(10);
  });

  test("copies that have nowhere to go stay, and are told", () => {
    const world = new World(even(3, 1), 2, 16);
    world.drive(2, 1, { draining: true });
    expect(world.step()).toEqual({ changes: [], stuckCount: 0, drainStuckCount: 16 });
  });

  test("a drive that is drained and does not answer is not waited for, nor is a removed one", () => {
    for (const change of ["draining", "removed"] as const) {
      const world = new World(even(4, 1));
      world.drive(2, 1, { up: false, sinceMs: 999, draining: change === "draining" });
      if (change === "removed") {
        world.drives.delete(id(2, 1));
        world.removed.set(id(2, 1), {});
      }
      world.look().changes.forEach(({ left }) => expect(left).toEqual([id(2, 1)]));
      expect(world.look().changes.length).toBe(world.held(id(2, 1)));
    }
  });

  test("nothing moves to a new drive while another is waited for, or a copy is short", () => {
    const world = new World(even(3, 2));
    world.drive(2, 3, {});
    world.drive(1, 1, { up: false, sinceMs: 999 });
    expect(world.step().changes).toEqual([]);
    world.drive(1, 1, { up: true });
    const [group, config] = [...world.groups][0] as [GroupId, GroupConfig];
    world.groups.set(group, { ...config, members: config.members.slice(1), primary: config.members[1] as DriveId });
    expect(world.step().changes).toEqual([]);
  });

  test("nothing moves to a drive that is nearly full", () => {
    const world = new World(even(3, 2));
    world.drive(2, 3, {});
    world.observed.set(id(2, 3), { instance: 1 as Instance, usedBytes: 0.9 * TB, groups: [] });
    expect(world.step().changes).toEqual([]);
  });

  test("one copy on one server moves between its drives", () => {
    const world = new World([[TB]], 0, 16);
    world.drive(1, 2, {});
    world.settle();
    expect(world.held(id(1, 2))).toBeGreaterThanOrEqual(7);
    world.drive(1, 1, { draining: true });
    world.settle();
    expect(world.held(id(1, 2))).toBe(16);
  });

  test("they come to an end, whatever the sizes, and a fresh pool hardly moves", () => {
    let fresh = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const random = seeded(seed);
      const sizes = Array.from({ length: 3 + Math.floor(random() * 4) }, () => Array.from({ length: 1 + Math.floor(random() * 4) }, () => Math.ceil(random() * 4) * TB));
      const world = new World(sizes, 1 + (seed % 2), 64);
      fresh += world.settle();
      const s = 1 + Math.floor(random() * (sizes.length + 1));
      world.drive(s, 9, { capacityBytes: Math.ceil(random() * 4) * TB });
      world.settle();
      const drives = [...world.drives.keys()];
      const drained = drives[Math.floor(random() * drives.length)] as DriveId;
      world.drives.set(drained, { ...(world.drives.get(drained) as PlanDrive), draining: true });
      world.settle();
    }
    console.log(`copies moved right after 40 pools of 64 groups were made: ${fresh}`);
    expect(fresh).toBeLessThan(120);
  }, 60_000);
});
