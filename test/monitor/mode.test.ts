import { afterEach, describe, expect, test } from "bun:test";
import type { DriveId } from "../../src/base/ids.ts";
import { groupId, keys, type ClusterMode } from "../../src/cluster/schema.ts";
import { COLD_START_MS, READ_ONLY_AFTER_MS } from "../../src/monitor/mode.ts";
import { Monitor } from "../../src/monitor/monitor.ts";
import { MemoryStore, type MemoryClient } from "../../src/platform/store/memory.ts";
import { FakeClock, FakeLog, fakePlatform, StallingClock } from "./fake-platform.ts";

const GROUPS = 4;
const drive = (n: number): DriveId => String(n).repeat(16) as DriveId;
const open: MemoryClient[] = [];
afterEach(async () => {
  for (const client of open.splice(0)) await client.close();
});

/** Three servers with a drive each and four groups that serve; the test says what else their drives would write. */
class Scene {
  readonly clock = new FakeClock();
  readonly store = new MemoryStore({ clock: this.clock, latencyMs: () => 1, fate: () => "normal" });
  readonly log = new FakeLog();

  constructor() {
    this.put(keys.cluster, { id: "0".repeat(32), name: "test", incarnation: 1, targetName: "iqn.2026-01.example:test", formedAtMs: 0 });
    this.put(keys.pool(1), { factor: 1, groupCount: GROUPS });
    for (const n of [1, 2, 3]) {
      this.put(keys.server(`server-${n}`), { name: `server-${n}`, address: `127.0.0.${n}`, portalPort: 1, apiPort: 2, portalGroupTag: n });
      this.put(keys.drive(drive(n)), { id: drive(n), server: `server-${n}`, address: `127.0.0.${n}`, port: 3, instance: 1, capacityBytes: 1e12 });
    }
    for (let index = 0; index < GROUPS; index += 1) this.group(index, 1 + (index % 3));
    for (const n of [1, 2, 3]) this.up(n);
  }
  put(key: string, value: unknown): void {
    this.store.apply({ compares: [], puts: [{ key, value: JSON.stringify(value) }] });
  }
  group(index: number, primary: number, epoch = 2): void {
    this.put(keys.group(groupId(1, index)), { incarnation: 1, epoch, primary: drive(primary), primaryInstance: 1, members: [drive(primary)], learners: [], nonce: 1 });
    this.put(keys.groupPlan(groupId(1, index)), { wanted: [drive(primary), drive((primary % 3) + 1)] });
  }
  up(n: number, state = "serving"): void {
    this.put(keys.upServer(`server-${n}`), { instance: 1, sinceMs: 0 });
    this.put(keys.upDrive(drive(n)), { instance: 1, sinceMs: 0 });
    const groups = Array.from({ length: GROUPS }, (_, index) => index).filter((index) => 1 + (index % 3) === n);
    this.put(keys.observed(drive(n)), { instance: 1, usedBytes: 0, groups: groups.map((index) => ({ group: groupId(1, index), epoch: 2, state, copiedBytes: 0, remainingBytes: 0 })) });
  }
  down(n: number): void {
    this.store.apply({ compares: [], deletes: [keys.upServer(`server-${n}`), keys.upDrive(drive(n)), keys.observed(drive(n))] });
  }
  monitor(name: string, clock: FakeClock | StallingClock = this.clock): MemoryClient {
    const client = this.store.client(name);
    open.push(client);
    new Monitor(fakePlatform(clock, this.log), client, name).start();
    return client;
  }
  get mode(): ClusterMode | null {
    return JSON.parse(this.store.find(keys.mode)?.value ?? "null") as ClusterMode | null;
  }
}

describe("the cluster", () => {
  test("becomes read-only when a group has had no serving member for long, and names it", async () => {
    const scene = new Scene();
    scene.monitor("server-1");
    await scene.clock.advance(COLD_START_MS + 5000);
    expect(scene.mode).toBeNull();
    scene.down(2);
    await scene.clock.advance(READ_ONLY_AFTER_MS / 2);
    expect(scene.mode).toBeNull();
    await scene.clock.advance(READ_ONLY_AFTER_MS / 2 + 2000);
    expect(scene.mode).toMatchObject({ mode: "read-only", groups: [groupId(1, 1)], cause: "server-2 stopped answering" });
  });

  test("stays as it is through a failover, and while a new configuration is told late", async () => {
    const scene = new Scene();
    scene.monitor("server-1");
    await scene.clock.advance(COLD_START_MS + 5000);
    for (let epoch = 3; epoch < 9; epoch += 1) {
      scene.group(0, 1, epoch);
      await scene.clock.advance(4000);
      scene.put(keys.observed(drive(1)), { instance: 1, usedBytes: 0, groups: [0, 3].map((index) => ({ group: groupId(1, index), epoch: index === 0 ? epoch : 2, state: "serving", copiedBytes: 0, remainingBytes: 0 })) });
      await scene.clock.advance(1000);
    }
    expect(scene.mode).toBeNull();
  });

  test("is read-only when a primary is up and says that it waits for copies", async () => {
    const scene = new Scene();
    scene.monitor("server-1");
    await scene.clock.advance(COLD_START_MS + 5000);
    scene.up(2, "waiting");
    await scene.clock.advance(READ_ONLY_AFTER_MS + 2000);
    expect(scene.mode?.groups).toEqual([groupId(1, 1)]);
  });

  test("tells of further groups, and takes writes again only when every group serves", async () => {
    const scene = new Scene();
    scene.monitor("server-1");
    await scene.clock.advance(COLD_START_MS + 5000);
    scene.down(2);
    await scene.clock.advance(READ_ONLY_AFTER_MS + 2000);
    scene.down(3);
    await scene.clock.advance(READ_ONLY_AFTER_MS + 2000);
    const began = scene.mode?.sinceMs;
    expect(scene.mode?.groups).toEqual([groupId(1, 1), groupId(1, 2)]);
    scene.up(2);
    await scene.clock.advance(2000);
    expect(scene.mode).toMatchObject({ groups: [groupId(1, 2)], sinceMs: began as number });
    scene.up(3, "peering");
    await scene.clock.advance(2000);
    expect(scene.mode).not.toBeNull();
    scene.up(3);
    await scene.clock.advance(2000);
    expect(scene.mode).toBeNull();
  });

  test("only waits at a cold start", async () => {
    const scene = new Scene();
    scene.down(2);
    scene.down(3);
    scene.monitor("server-1");
    await scene.clock.advance(COLD_START_MS + READ_ONLY_AFTER_MS - 3000);
    expect(scene.mode).toBeNull();
    scene.up(2);
    await scene.clock.advance(8000);
    expect(scene.mode?.groups).toEqual([groupId(1, 2)]);
  });

  test("stays read-only when another monitor takes over, which has counted all along", async () => {
    const scene = new Scene();
    const first = scene.monitor("server-1");
    await scene.clock.advance(100);
    scene.monitor("server-2");
    await scene.clock.advance(COLD_START_MS + 5000);
    scene.down(3);
    await first.close();
    await scene.clock.advance(READ_ONLY_AFTER_MS + 1000);
    expect(scene.mode?.groups).toEqual([groupId(1, 2)]);
    // A third one, young: it neither ends what it has not seen begin, nor forgets it.
    for (const client of open) await client.close();
    scene.monitor("server-3");
    await scene.clock.advance(10_000);
    expect(scene.mode?.groups).toEqual([groupId(1, 2)]);
  });

  test("is not read-only for what a monitor has missed while it stood still", async () => {
    const scene = new Scene();
    const clock = new StallingClock(scene.clock);
    scene.monitor("server-1", clock);
    await scene.clock.advance(COLD_START_MS + 5000);
    scene.up(2, "peering");
    await scene.clock.advance(3000);
    clock.stall();
    await scene.clock.advance(4600);
    clock.resume();
    await scene.clock.advance(4000);
    expect(scene.mode).toBeNull();
  });

  test("does not become read-only for a pool that is being made", async () => {
    const scene = new Scene();
    scene.monitor("server-1");
    await scene.clock.advance(COLD_START_MS);
    scene.put(keys.group(groupId(1, 0)), { incarnation: 1, epoch: 1, primary: drive(1), primaryInstance: 0, members: [drive(1)], learners: [], nonce: 1 });
    await scene.clock.advance(2 * READ_ONLY_AFTER_MS);
    expect(scene.mode).toBeNull();
  });
});
