import { describe, expect, test } from "bun:test";
import type { DriveId } from "../../src/base/ids.ts";
import { groupId, keys } from "../../src/cluster/schema.ts";
import type { VolumeError, VolumeResult } from "../../src/volume/volume.ts";
import { GROUPS, put } from "./fake-storage.ts";
import { pattern, World } from "./world.ts";

const WHOLE = 3 * 8192;
const all = Array.from({ length: GROUPS }, (_, index) => groupId(1, index));

function readOnly(world: World, groups: readonly number[]): void {
  world.gateway.mapChanged([put(world.map, keys.mode, { mode: "read-only", sinceMs: 1, groups, cause: "two servers are away" })]);
}
function readWrite(world: World): void {
  world.gateway.mapChanged([put(world.map, keys.mode, null)]);
}
/** What a command has come to at this moment. */
function watched(promise: Promise<VolumeResult<Buffer | null>>): { error: VolumeError | "none" | null } {
  const seen: { error: VolumeError | "none" | null } = { error: null };
  void promise.then((result) => (seen.error = result.ok ? "none" : result.error));
  return seen;
}

describe("R24: a portal whose cluster store is silent", () => {
  /** Every group's primary is drive 0, which is away; drive 1 is this server's and a member of all. */
  async function alone(): Promise<World> {
    const world = new World();
    for (let index = 0; index < GROUPS; index += 1) {
      const [primary, other] = [world.drive(0), world.drive(1)];
      put(world.map, keys.group(groupId(1, index)), { incarnation: 1, epoch: 9, primary: primary.id, primaryInstance: 1, members: [primary.id, other.id], learners: [], nonce: 9 });
    }
    await world.clock.until(world.volume.write(0, pattern(4096, 1)));
    world.drive(0).up = false;
    world.drive(0).dropChannels();
    await world.clock.pass(10);
    return world;
  }
  const local = (world: World): Set<DriveId> => new Set([world.drive(1).id]);

  test("reads from the copy on its own server, when that drive is willing", async () => {
    const world = await alone();
    world.drive(1).isPrimary = () => true;
    const before = watched(world.volume.read(0, 8));
    await world.clock.pass(3000);
    expect(before.error).toBeNull();
    world.gateway.setAlone(local(world));
    await world.clock.pass(1000);
    expect(before.error).toBe("none");
    const read = await world.clock.until(world.volume.read(0, 8));
    expect(read.ok && read.value.equals(pattern(4096, 1))).toBe(true);
  });

  test("waits as long as its own drive is not willing, and takes the primary again when that is back", async () => {
    const world = await alone();
    world.gateway.setAlone(local(world));
    const read = watched(world.volume.read(0, 8));
    await world.clock.pass(8000);
    expect(read.error).toBeNull();
    expect(world.gateway.heldSinceMs()).not.toBeNull();
    world.drive(0).up = true;
    await world.clock.pass(4000);
    expect(read.error).toBe("none");
  });

  test("refuses writes, and reads without a copy here, once a drive has said that it takes none", async () => {
    const world = await alone();
    world.drive(1).behave = (command) => (command.type === "read" ? "serve" : "read-only");
    world.drive(1).isPrimary = () => true;
    world.gateway.setAlone(local(world));
    expect(await world.clock.until(world.volume.write(0, pattern(4096, 2)))).toEqual({ ok: false, error: "read-only" });
    const sent = world.drive(1).received.length;
    expect(await world.clock.until(world.volume.write(0, pattern(4096, 2)))).toEqual({ ok: false, error: "read-only" });
    expect(world.drive(1).received.length).toBe(sent);
    expect((await world.clock.until(world.volume.read(0, 8))).ok).toBe(true);
    world.gateway.setAlone(new Set());
    expect(await world.clock.until(world.volume.read(0, 8))).toEqual({ ok: false, error: "not-ready" });
    world.drive(0).up = true;
    world.gateway.setAlone(null);
    expect(await world.clock.until(world.volume.write(0, pattern(4096, 3)))).toEqual({ ok: true, value: null });
  });
});

describe("while the cluster is read-only, a gateway", () => {
  test("refuses writes and unmaps at once and sends nothing of them", async () => {
    const world = new World();
    readOnly(world, []);
    const seen = [watched(world.volume.write(0, pattern(4096, 1))), watched(world.volume.unmap(0, 64))];
    await world.clock.pass(0);
    expect(seen.map(({ error }) => error)).toEqual(["read-only", "read-only"]);
    await world.clock.pass(1000);
    expect(world.drives.flatMap(({ received }) => received)).toEqual([]);
  });

  test("reads what survives, and refuses at once what lies in a group without a copy", async () => {
    const world = new World();
    const data = pattern(WHOLE * 512, 2);
    await world.clock.until(world.volume.write(0, data));
    const serving = await world.clock.until(world.volume.read(0, 8));
    expect(serving.ok).toBe(true);
    readOnly(world, all);
    const lost = watched(world.volume.read(0, 8));
    await world.clock.pass(0);
    expect(lost.error).toBe("not-ready");
    readOnly(world, []);
    const read = await world.clock.until(world.volume.read(0, WHOLE));
    expect(read.ok && read.value.equals(data)).toBe(true);
  });

  test("answers at once what waits already, whether it was sent or not", async () => {
    const world = new World();
    for (const drive of world.drives) drive.behave = () => "ignore";
    const sent = watched(world.volume.write(0, pattern(4096, 1)));
    const read = watched(world.volume.read(0, 8));
    // More than the gateway takes in at once: the last ones are not cut into pieces yet.
    const many = Array.from({ length: 40 }, () => watched(world.volume.write(0, pattern(4 * 1024 * 1024, 3))));
    await world.clock.pass(500);
    for (const drive of world.drives) drive.up = false;
    readOnly(world, all);
    await world.clock.pass(0);
    expect([sent.error, read.error]).toEqual(["read-only", "not-ready"]);
    expect(many.every(({ error }) => error === "read-only")).toBe(true);
  });

  test("refuses a write at once that would have to wait for room behind reads", async () => {
    const world = new World();
    for (const drive of world.drives) drive.behave = () => "ignore";
    for (let i = 0; i < 5000; i += 1) void world.volume.read(0, 8);
    readOnly(world, []);
    const refused = watched(world.volume.write(0, pattern(4096, 1)));
    await world.clock.pass(0);
    expect(refused.error).toBe("read-only");
  });

  test("lets a group that serves acknowledge a write that was sent before", async () => {
    const world = new World();
    await world.clock.until(world.volume.read(0, 1));
    const sent = watched(world.volume.write(0, pattern(4096, 1)));
    await world.clock.pass(1);
    readOnly(world, []);
    await world.clock.pass(10);
    expect(sent.error).toBe("none");
  });

  test("waits only a moment for a group that was thought to serve and does not", async () => {
    const world = new World();
    for (const drive of world.drives) drive.behave = () => "ignore";
    const sent = watched(world.volume.write(0, pattern(4096, 1)));
    await world.clock.pass(100);
    readOnly(world, []);
    await world.clock.pass(500);
    expect(sent.error).toBeNull();
    await world.clock.pass(1000);
    expect(sent.error).toBe("read-only");
  });

  test("takes writes again when it is over", async () => {
    const world = new World();
    readOnly(world, all);
    expect(await world.clock.until(world.volume.write(0, pattern(4096, 1)))).toEqual({ ok: false, error: "read-only" });
    readWrite(world);
    expect(await world.clock.until(world.volume.write(0, pattern(4096, 1)))).toEqual({ ok: true, value: null });
    expect(world.executedOnce()).toBe(true);
  });
});
