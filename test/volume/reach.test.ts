import { describe, expect, test } from "bun:test";
import { Arrival } from "../../src/base/arrival.ts";
import { keys } from "../../src/cluster/schema.ts";
import { GROUPS, put, setPrimary } from "./fake-storage.ts";
import { pattern, World } from "./world.ts";

/** A gateway whose drives are registered and say that they serve, and tell their clocks as drives do. */
class Reached extends World {
  constructor() {
    super();
    for (let i = 0; i < 3; i += 1) {
      this.registerUp(i);
      this.observe(i, "serving");
    }
    this.#tell();
  }
  registerUp(index: number): void {
    const { id, instance } = this.drive(index);
    this.gateway.mapChanged([put(this.map, keys.upDrive(id), { instance, sinceMs: 0 })]);
  }
  observe(index: number, state: "serving" | "peering"): void {
    const { id, instance } = this.drive(index);
    const groups = [...this.map.groups.keys()].map((group) => ({ group, epoch: 1, state, copiedBytes: 0, remainingBytes: 0 }));
    this.gateway.mapChanged([put(this.map, keys.observed(id), { instance, usedBytes: 0, groups })]);
  }
  #tell(): void {
    this.clock.timer(500, () => {
      for (const drive of this.drives) if (drive.up) for (const channel of drive.channels) drive.tellClock(channel);
      this.#tell();
    });
  }
  /** Nothing goes to or from the drive; nobody is told. */
  part(index: number): void {
    const drive = this.drive(index);
    drive.up = false;
    drive.behave = () => "ignore";
  }
  join(index: number): void {
    const drive = this.drive(index);
    drive.up = true;
    drive.behave = () => "serve";
    drive.dropChannels();
  }
  /** What a primary writes when it goes on without a member. */
  act(index: number): void {
    this.gateway.mapChanged([setPrimary(this.map, 0, this.drive(index), (this.#epoch += 1))]);
  }
  #epoch = 100;
  /** A host's command for the drive, which it gives up after `patienceMs`. */
  write(patienceMs = 25_000): void {
    const arrival = new Arrival(this.clock.nowMs());
    void this.volume.write(0, pattern(4096, 1), arrival);
    this.clock.timer(patienceMs, () => arrival.cancel());
  }
  get unreached(): string[] {
    return this.gateway.reach.unreached(this.clock.nowMs()).map(({ drive }) => drive);
  }
}

async function parted(): Promise<Reached> {
  const world = new Reached();
  world.elect(0);
  world.write();
  await world.clock.pass(1_000);
  expect(world.unreached).toEqual([]);
  world.part(0);
  return world;
}

describe("a primary that a portal does not reach", () => {
  test("counts soon when the store shows that it acts", async () => {
    const world = await parted();
    world.write();
    await world.clock.pass(2_000);
    world.act(0);
    await world.clock.pass(1_000);
    expect(world.unreached).toEqual([]);
    await world.clock.pass(1_500);
    expect(world.unreached).toEqual([world.drive(0).id]);
  });

  test("of which the store shows nothing counts only when its lease would have ended", async () => {
    const world = await parted();
    world.write();
    await world.clock.pass(6_000);
    expect(world.unreached).toEqual([]);
    await world.clock.pass(2_000);
    expect(world.unreached).toEqual([world.drive(0).id]);
  });

  test("counts though every host gives up its commands sooner, and not without commands", async () => {
    const world = await parted();
    await world.clock.pass(9_000);
    expect(world.unreached).toEqual([]);
    for (let i = 0; i < 4; i += 1) {
      world.write(2_000);
      await world.clock.pass(2_100);
    }
    expect(world.unreached).toEqual([world.drive(0).id]);
    await world.clock.pass(30_000);
    expect(world.unreached).toEqual([]);
  });

  test("does not count when it was heard in between", async () => {
    const world = await parted();
    world.write();
    for (let i = 0; i < 4; i += 1) {
      await world.clock.pass(3_000);
      world.act(0);
      expect(world.unreached).toEqual([]);
      world.join(0);
      await world.clock.pass(1_200);
      world.write();
      world.part(0);
    }
  });

  const excused: readonly [string, (world: Reached) => void][] = [
    ["whose lease has run out", (world) => world.gateway.mapChanged([put(world.map, keys.upDrive(world.drive(0).id), null)])],
    ["that was published dead", (world) => world.gateway.mapChanged([put(world.map, keys.death(world.drive(0).id), { instance: world.drive(0).instance, atMs: 0, reason: "killed" })])],
    ["whose new process is registered, but leads nothing yet", (world) => {
      world.restart(0);
      world.registerUp(0);
    }],
    ["that does not serve", (world) => world.observe(0, "peering")],
    ["in a read-only cluster", (world) => world.gateway.mapChanged([put(world.map, keys.mode, { mode: "read-only", sinceMs: 0, groups: [], cause: "test" })])],
    ["that others have replaced", (world) => {
      for (let i = 0; i < GROUPS; i += 1) world.gateway.mapChanged([setPrimary(world.map, i, world.drive(1), 50)]);
    }],
  ];
  for (const [name, happen] of excused) {
    test(`${name} does not count`, async () => {
      const world = await parted();
      world.write();
      await world.clock.pass(8_000);
      expect(world.unreached).toHaveLength(1);
      happen(world);
      expect(world.unreached).toEqual([]);
      await world.clock.pass(3_000);
      expect(world.unreached).toEqual([]);
    });
  }
});

test("a drive whose commands wait is reached as long as it says something", async () => {
  const world = new Reached();
  world.elect(0);
  world.drive(0).behave = () => "ignore";
  world.write();
  await world.clock.pass(20_000);
  expect(world.unreached).toEqual([]);
});

test("a drive that is probed is heard again soon after it can be reached, without any command", async () => {
  const world = await parted();
  await world.clock.pass(5_000);
  const { id } = world.drive(0);
  const heard = async (): Promise<boolean> => {
    world.gateway.reach.probe(id, world.clock.nowMs());
    await world.clock.pass(600);
    return world.gateway.reach.probe(id, world.clock.nowMs());
  };
  for (const channel of world.drive(0).channels) channel.close("given up");
  expect(await heard()).toBe(false);
  world.join(0);
  expect(await heard()).toBe(true);
  await world.clock.pass(5_000);
  expect(await heard()).toBe(true);
});
