import { afterEach, describe, expect, test } from "bun:test";
import type { DriveId } from "../../src/base/ids.ts";
import { ClusterMap } from "../../src/cluster/map.ts";
import { groupId, keys } from "../../src/cluster/schema.ts";
import { Monitor } from "../../src/monitor/monitor.ts";
import { FORMING_MAX_MS, GROUPS_PER_TRANSACTION } from "../../src/monitor/pools.ts";
import { MemoryStore } from "../../src/platform/store/memory.ts";
import type { MemoryClient, TransactionFate } from "../../src/platform/store/memory.ts";
import type { Transaction } from "../../src/platform/store.ts";
import { FakeClock, FakeLog, fakePlatform, StallingClock } from "./fake-platform.ts";

const TTL_MS = 5_000;
const id = (server: number, drive: number) => (server * 256 + drive).toString(16).padStart(16, "0") as DriveId;

interface Running {
  readonly monitor: Monitor;
  readonly client: MemoryClient;
  readonly log: FakeLog;
}

/** A cluster store with monitors on it. What servers and drives would write, the test writes. */
class Cluster {
  readonly clock = new FakeClock();
  fate: (transaction: Transaction, client: string) => TransactionFate = () => "normal";
  readonly store = new MemoryStore({ clock: this.clock, latencyMs: () => 1, fate: (transaction, client) => this.fate(transaction, client) });
  readonly running: Running[] = [];

  constructor() {
    this.put(keys.cluster, { id: "0".repeat(32), name: "test", incarnation: 7, targetName: "iqn.2026-01.example:test", formedAtMs: 0 });
  }
  put(key: string, value: unknown): void {
    this.store.apply({ compares: [], puts: [{ key, value: JSON.stringify(value) }] });
  }
  remove(key: string): void {
    this.store.apply({ compares: [], deletes: [key] });
  }
  server(s: number, driveCount: number): void {
    const name = `server-${s}`;
    this.put(keys.server(name), { name, address: `127.0.0.${s}`, portalPort: 3260, apiPort: 8080, portalGroupTag: s });
    this.put(keys.upServer(name), { instance: 1, sinceMs: 0 });
    for (let d = 1; d <= driveCount; d++) this.drive(s, d);
  }
  drive(s: number, d: number, instance = 1): void {
    this.put(keys.drive(id(s, d)), { id: id(s, d), server: `server-${s}`, address: `127.0.0.${s}`, port: 4000 + d, instance, capacityBytes: 1e12 });
    this.put(keys.upDrive(id(s, d)), { instance, sinceMs: 0 });
  }
  monitor(name: string, clock: FakeClock | StallingClock = this.clock): Running {
    const log = new FakeLog();
    const client = this.store.client(name);
    const running = { monitor: new Monitor(fakePlatform(clock, log), client, name), client, log };
    running.monitor.start();
    this.running.push(running);
    return running;
  }
  /** The process is killed: its connections end, its leases run out. */
  kill({ client }: Running): Promise<void> {
    return client.close();
  }
  /** What the store holds now, parsed by its schema. */
  map(): ClusterMap {
    const map = new ClusterMap();
    map.snapshot(this.store.list(""), this.store.revision);
    expect(map.invalid.size).toBe(0);
    return map;
  }
  leader(): string | null {
    return this.map().leader;
  }
  /** Server numbers on which any group is wished. */
  serversUsed(): Set<number> {
    return new Set([...this.map().plans.values()].flatMap(({ plan }) => plan.wanted).map((drive) => Math.floor(parseInt(drive, 16) / 256)));
  }
}

let cluster: Cluster;
afterEach(async () => {
  for (const { client } of cluster.running) await client.close();
});

describe("leadership", () => {
  test("one of two monitors leads, and the other takes over when it is killed", async () => {
    cluster = new Cluster();
    const first = cluster.monitor("server-1");
    await cluster.clock.advance(100);
    const second = cluster.monitor("server-2");
    await cluster.clock.advance(3 * TTL_MS);
    expect([first.monitor.leading, second.monitor.leading, cluster.leader()]).toEqual([true, false, "server-1"]);
    await cluster.kill(first);
    await cluster.clock.advance(2 * TTL_MS);
    expect([second.monitor.leading, cluster.leader()]).toEqual([true, "server-2"]);
  });

  test("one that stops hands over at once", async () => {
    cluster = new Cluster();
    const first = cluster.monitor("server-1");
    await cluster.clock.advance(100);
    const second = cluster.monitor("server-2");
    await cluster.clock.advance(100);
    const stopped = first.monitor.stop();
    await cluster.clock.advance(1_000);
    await stopped;
    expect(second.monitor.leading).toBe(true);
  });

  test("the writes of a leader that has stalled are refused after another took over", async () => {
    cluster = new Cluster();
    const stalling = new StallingClock(cluster.clock);
    let heldCount = 0;
    // The first leader decides, and its write is held up for longer than its lease.
    cluster.fate = ({ puts }, client) => {
      if (client !== "server-1" || !puts?.some(({ key }) => key.startsWith("pg/"))) return "normal";
      heldCount++;
      return { lateMs: 4 * TTL_MS };
    };
    const first = cluster.monitor("server-1", stalling);
    await cluster.clock.advance(100);
    const second = cluster.monitor("server-2");
    for (let s = 1; s <= 3; s++) cluster.server(s, 1);
    cluster.put(keys.pool(1), { factor: 1, groupCount: 8 });
    while (heldCount === 0) await cluster.clock.advance(100);
    stalling.stall();
    first.client.setReachable(false);
    await cluster.clock.advance(2 * TTL_MS);
    expect(cluster.leader()).toBe("server-2");
    await cluster.clock.advance(1_000);
    const created = cluster.map();
    expect([...created.groups.keys()].length).toBe(8);
    // Even where the new leader has not written yet: forget its groups, so that only the leader's key can refuse.
    for (const group of created.groups.keys()) {
      cluster.remove(keys.group(group));
      cluster.remove(keys.groupPlan(group));
    }
    await cluster.kill(second);
    await cluster.clock.advance(4 * TTL_MS);
    expect(cluster.map().groups.size).toBe(0);
    stalling.resume();
    first.client.setReachable(true);
    expect(first.monitor.leading).toBe(false);
  });

  test("a leader cut off from the store stops leading by itself", async () => {
    cluster = new Cluster();
    const first = cluster.monitor("server-1");
    await cluster.clock.advance(100);
    first.client.setReachable(false);
    await cluster.clock.advance(TTL_MS + 100);
    expect(first.monitor.leading).toBe(false);
    first.client.setReachable(true);
    await cluster.clock.advance(3 * TTL_MS);
    expect(first.monitor.leading).toBe(true);
  });

  test("an attempt without an answer leaves no key behind that nobody keeps alive", async () => {
    cluster = new Cluster();
    let count = 0;
    cluster.fate = () => (count++ === 0 ? "unanswered" : "normal");
    const first = cluster.monitor("server-1");
    await cluster.clock.advance(3 * TTL_MS);
    expect([first.monitor.leading, cluster.leader()]).toEqual([true, "server-1"]);
  });

  test("nobody leads on the strength of an attempt that was never answered", async () => {
    for (const lostFate of ["lost", "unanswered"] as const) {
      cluster = new Cluster();
      let count = 0;
      cluster.fate = () => (count++ === 0 ? lostFate : "normal");
      const { monitor } = cluster.monitor("server-1");
      for (let step = 0; step < 100; step++) {
        await cluster.clock.advance(100);
        if (monitor.leading) expect([lostFate, count, cluster.leader()]).toEqual([lostFate, 2, "server-1"]);
      }
      expect(monitor.leading).toBe(true);
    }
  });

  test("the cluster has a leader again after the store was away", async () => {
    cluster = new Cluster();
    const first = cluster.monitor("server-1");
    const second = cluster.monitor("server-2");
    await cluster.clock.advance(1_000);
    cluster.store.setAvailable(false);
    await cluster.clock.advance(4 * TTL_MS);
    expect([first.monitor.leading, second.monitor.leading]).toEqual([false, false]);
    cluster.store.setAvailable(true);
    await cluster.clock.advance(3 * TTL_MS);
    expect([first.monitor.leading, second.monitor.leading].filter(Boolean)).toEqual([true]);
  });
});

describe("a wanted pool", () => {
  test("is spread over all servers of a forming cluster, though two came earlier", async () => {
    cluster = new Cluster();
    const { log } = cluster.monitor("server-1");
    cluster.put(keys.pool(1), { factor: 1, groupCount: 64 });
    cluster.server(1, 2);
    cluster.server(2, 2);
    await cluster.clock.advance(FORMING_MAX_MS - 5_000);
    expect(cluster.map().groups.size).toBe(0);
    cluster.server(3, 1);
    await cluster.clock.advance(1_000);
    cluster.drive(3, 2);
    await cluster.clock.advance(5_000);
    const map = cluster.map();
    expect(map.groups.size).toBe(64);
    expect(cluster.serversUsed()).toEqual(new Set([1, 2, 3]));
    expect(new Set([...map.plans.values()].flatMap(({ plan }) => plan.wanted)).size).toBe(6);
    for (const [group, { config }] of map.groups) {
      const wanted = map.plans.get(group)?.plan.wanted as DriveId[];
      expect(config).toMatchObject({ incarnation: 7, epoch: 1, primary: wanted[0], primaryInstance: 0, members: wanted, learners: [] });
    }
    expect(log.lines.filter((line) => line.startsWith("Pool 1 has got 64 placement groups"))).toHaveLength(1);
  });

  test("does not wait for ever for a registered server without a drive", async () => {
    cluster = new Cluster();
    cluster.monitor("server-1");
    cluster.put(keys.pool(1), { factor: 1, groupCount: 8 });
    for (let s = 1; s <= 3; s++) cluster.server(s, s === 3 ? 0 : 1);
    await cluster.clock.advance(FORMING_MAX_MS - 1_000);
    expect(cluster.map().groups.size).toBe(0);
    await cluster.clock.advance(5_000);
    expect(cluster.map().groups.size).toBe(8);
  });

  test("waits for enough servers and says so once", async () => {
    cluster = new Cluster();
    const { log } = cluster.monitor("server-1");
    cluster.put(keys.pool(2), { factor: 2, groupCount: 8 });
    cluster.server(1, 2);
    cluster.server(2, 2);
    cluster.server(3, 0);
    await cluster.clock.advance(10 * FORMING_MAX_MS);
    expect(cluster.map().groups.size).toBe(0);
    expect(log.lines.filter((line) => line.includes("waits"))).toEqual(["Pool 2 waits: its 3 copies need drives on 3 servers, and 2 of them answer."]);
  });

  test("is completed after the leader was killed in the middle, without touching what is there", async () => {
    cluster = new Cluster();
    const first = cluster.monitor("server-1");
    for (let s = 1; s <= 3; s++) cluster.server(s, 2);
    cluster.put(keys.pool(1), { factor: 1, groupCount: 128 });
    while (cluster.map().groups.size === 0) await cluster.clock.advance(1);
    await cluster.kill(first);
    await cluster.clock.advance(10);
    const partial = cluster.map();
    expect(partial.groups.size % GROUPS_PER_TRANSACTION).toBe(0);
    expect(partial.groups.size).toBeLessThan(128);
    cluster.monitor("server-2");
    await cluster.clock.advance(6 * TTL_MS);
    const whole = cluster.map();
    expect([whole.groups.size, whole.plans.size]).toEqual([128, 128]);
    for (const [group, before] of partial.groups) expect(whole.groups.get(group)).toEqual(before);
  });

  test("is created once, whatever answers get lost", async () => {
    cluster = new Cluster();
    let count = 0;
    cluster.fate = ({ puts }) => (puts?.some(({ key }) => key.startsWith("pg/")) && count++ % 2 === 0 ? (count % 4 === 1 ? "unanswered" : "lost") : "normal");
    cluster.monitor("server-1");
    for (let s = 1; s <= 3; s++) cluster.server(s, 2);
    cluster.put(keys.pool(1), { factor: 1, groupCount: 128 });
    await cluster.clock.advance(60_000);
    const map = cluster.map();
    expect(map.groups.size).toBe(128);
    // A group's configuration and wish were written together, once.
    for (const [group, { revision }] of map.groups) expect(map.plans.get(group)?.revision).toBe(revision);
  });

  test("gets no empty groups when its group count is doubled: they would hide what lies elsewhere", async () => {
    cluster = new Cluster();
    const { log } = cluster.monitor("server-1");
    for (let s = 1; s <= 3; s++) cluster.server(s, 2);
    cluster.put(keys.pool(1), { factor: 1, groupCount: 64 });
    await cluster.clock.advance(10_000);
    cluster.put(keys.pool(1), { factor: 1, groupCount: 128 });
    await cluster.clock.advance(10_000);
    expect(cluster.map().groups.size).toBe(64);
    expect(log.lines.filter((line) => line.includes("split"))).toHaveLength(1);
    // A group that has vanished is not made anew either.
    cluster.put(keys.pool(1), { factor: 1, groupCount: 64 });
    cluster.remove(keys.group(groupId(1, 5)));
    cluster.remove(keys.groupPlan(groupId(1, 5)));
    await cluster.clock.advance(10_000);
    expect(cluster.map().groups.size).toBe(63);
  });
});

describe("a drive that stays away", () => {
  async function formed(): Promise<Running> {
    cluster = new Cluster();
    const running = cluster.monitor("server-1");
    for (let s = 1; s <= 4; s++) cluster.server(s, 1);
    cluster.put(keys.pool(1), { factor: 1, groupCount: 64 });
    await cluster.clock.advance(10_000);
    expect(cluster.map().groups.size).toBe(64);
    return running;
  }
  const wanted = (drive: DriveId) => [...cluster.map().plans.values()].filter(({ plan }) => plan.wanted.includes(drive)).length;

  test("is replaced in the wishes after its time-out, and each thing is told in one sentence", async () => {
    const { log } = await formed();
    const configs = new Map(cluster.map().groups);
    const before = wanted(id(2, 1));
    cluster.remove(keys.upDrive(id(2, 1)));
    await cluster.clock.advance(55_000);
    expect(wanted(id(2, 1))).toBe(before);
    await cluster.clock.advance(10_000);
    expect(wanted(id(2, 1))).toBe(0);
    expect(cluster.map().groups).toEqual(configs);
    const told = log.lines.filter((line) => line.includes(id(2, 1)));
    expect(told).toEqual([
      `Drive ${id(2, 1)} of server-2 answers for the first time.`,
      `Drive ${id(2, 1)} of server-2 stopped answering.`,
      `Drive ${id(2, 1)} of server-2 is not waited for any longer: its copies of ${before} placement groups are made on other drives.`,
    ]);
    const { revision } = cluster.store;
    await cluster.clock.advance(30_000);
    expect(cluster.store.revision).toBe(revision);
  });

  for (const watchedBefore of [true, false]) {
    test(`is waited for anew by a fresh leader that ${watchedBefore ? "has watched for long" : "has just started"}`, async () => {
      const first = await formed();
      const early = watchedBefore ? cluster.monitor("server-3") : null;
      const before = wanted(id(2, 1));
      cluster.remove(keys.upDrive(id(2, 1)));
      await cluster.clock.advance(50_000);
      await cluster.kill(first);
      const second = early ?? cluster.monitor("server-3");
      await cluster.clock.advance(50_000);
      expect(second.monitor.leading).toBe(true);
      expect(wanted(id(2, 1))).toBe(before);
      await cluster.clock.advance(20_000);
      expect(wanted(id(2, 1))).toBe(0);
    });
  }

  test("is replaced at once when its supervisor recorded that it failed", async () => {
    await formed();
    cluster.put(keys.death(id(2, 1)), { instance: 1, atMs: 0, reason: "drive-failed" });
    cluster.remove(keys.upDrive(id(2, 1)));
    await cluster.clock.advance(2_000);
    expect(wanted(id(2, 1))).toBe(0);
  });

  test("is replaced at once when its server lists it as failed, though nobody knows which of its runs ended", async () => {
    await formed();
    cluster.put(keys.failed("server-2"), [{ id: id(2, 1), directory: "/d", instance: 0, atMs: 0, why: "EIO" }]);
    cluster.remove(keys.upDrive(id(2, 1)));
    await cluster.clock.advance(2_000);
    expect(wanted(id(2, 1))).toBe(0);
  });

  test("and a server's absence and return are told", async () => {
    const { log } = await formed();
    cluster.remove(keys.upServer("server-2"));
    await cluster.clock.advance(100);
    cluster.put(keys.upServer("server-2"), { instance: 2, sinceMs: 0 });
    cluster.put(keys.upDrive(id(3, 1)), { instance: 2, sinceMs: 0 });
    await cluster.clock.advance(100);
    expect(log.lines.slice(-3)).toEqual([
      "Server server-2 stopped answering.",
      "Server server-2 answers again.",
      `Drive ${id(3, 1)} of server-3 has restarted.`,
    ]);
  });
});
