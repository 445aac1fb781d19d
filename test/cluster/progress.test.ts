import { describe, expect, test } from "bun:test";
import type { DriveId, ServerName } from "../../src/base/ids.ts";
import { health } from "../../src/cluster/health.ts";
import { leavingKeys } from "../../src/cluster/leaving.ts";
import { whyNotDrain, whyNotRemoveDrive, whyNotRemoveServer } from "../../src/cluster/leave-checks.ts";
import { ClusterMap } from "../../src/cluster/map.ts";
import { drainLeft, recoveryLeft, Seen, timeForPeople } from "../../src/cluster/progress.ts";
import { groupId, keys } from "../../src/cluster/schema.ts";

const GIB = 2 ** 30;
const driveOf = (n: number): DriveId => String(n).repeat(16) as DriveId;
const server = (n: number): ServerName => `server-${n}` as ServerName;

/** Servers with a drive each, and groups on them, as the store would show it. */
class Cluster {
  readonly map = new ClusterMap();
  #revision = 0;

  constructor(servers: number, factor = 1, groups = 6, record: object = {}) {
    this.put(keys.cluster, { id: "0".repeat(32), name: "test", incarnation: 1, targetName: "t", formedAtMs: 1, ...record });
    this.put(keys.pool(factor), { factor, groupCount: groups });
    for (let n = 1; n <= servers; n++) {
      this.put(keys.server(server(n)), { name: server(n), address: `127.0.0.${n}`, portalPort: 1, apiPort: 2, portalGroupTag: n });
      this.put(keys.upServer(server(n)), { instance: 1, sinceMs: 1 });
      this.drive(n, n);
    }
    for (let index = 0; index < groups; index++) this.group(index, Array.from({ length: factor + 1 }, (_, i) => 1 + ((index + i) % servers)), { factor });
    this.observe();
  }
  put(key: string, value: unknown): void {
    const change = { key, value: value === null ? null : JSON.stringify(value), revision: ++this.#revision };
    this.map.changed([change], change.revision);
    expect(this.map.invalid.size).toBe(0);
  }
  drive(n: number, on: number): void {
    this.put(keys.drive(driveOf(n)), { id: driveOf(n), server: server(on), address: "127.0.0.1", port: 3, instance: 1, capacityBytes: 8 * GIB });
    this.put(keys.upDrive(driveOf(n)), { instance: 1, sinceMs: 1 });
  }
  group(index: number, members: number[], { learners = [] as number[], wanted = members, factor = 1 } = {}): void {
    this.put(keys.group(groupId(factor, index)), { incarnation: 1, epoch: 1, primary: driveOf(members[0] as number), primaryInstance: 1, members: members.map(driveOf), learners: learners.map(driveOf), nonce: 1 });
    this.put(keys.groupPlan(groupId(factor, index)), { wanted: wanted.map(driveOf) });
  }
  /** Every primary serves its groups; of those with a learner so much is left. */
  observe(usedBytes = GIB, remainingBytes = 0): void {
    for (const id of this.map.drives.keys()) {
      const groups = [...this.map.groups].filter(([, { config }]) => config.primary === id).map(([group, { config }]) => ({ group, epoch: config.epoch, state: "serving", copiedBytes: 0, remainingBytes: config.learners.length > 0 ? remainingBytes : 0 }));
      this.put(keys.observed(id), { instance: 1, usedBytes, groups });
    }
  }
  down(n: number): void {
    this.put(keys.upServer(server(n)), null);
    this.put(keys.upDrive(driveOf(n)), null);
  }
}

describe("progress", () => {
  test("counts what is copied and what is still to come, and a drive's way to holding nothing", () => {
    const cluster = new Cluster(3);
    expect(recoveryLeft(cluster.map)).toEqual({ groups: 0, bytes: 0, copiedBytes: 0 });
    cluster.drive(4, 1);
    cluster.put(leavingKeys.drainDrive(driveOf(1)), { atMs: 1 });
    expect(drainLeft(cluster.map, driveOf(1))).toMatchObject({ groups: 4, bytes: GIB });
    cluster.group(0, [1, 2], { wanted: [4, 2] });
    cluster.group(2, [3, 1], { learners: [4], wanted: [3, 4] });
    cluster.observe(2 * GIB, 100);
    const { groups, bytes } = recoveryLeft(cluster.map);
    expect(groups).toBe(2);
    // One copy's average, and what the other's primary says.
    expect(bytes).toBe(Math.round((4 * 2 * GIB) / 12) + 100);
  });

  test("tells how long it takes by how fast it went, and forgets what is done", () => {
    const cluster = new Cluster(3);
    cluster.drive(4, 1);
    cluster.group(0, [1, 2], { learners: [4], wanted: [4, 2] });
    const seen = new Seen();
    for (let second = 0; second <= 20; second++) {
      cluster.observe(GIB, (100 - second) * 64 * 2 ** 20);
      seen.observe(cluster.map, second * 1000, second * 1000);
      if (second < 3) expect(seen.secondsLeft("recovery")).toBeNull();
    }
    expect(seen.secondsLeft("recovery")).toBeGreaterThanOrEqual(75);
    expect(seen.secondsLeft("recovery")).toBeLessThanOrEqual(85);
    cluster.group(0, [4, 2]);
    cluster.observe();
    seen.observe(cluster.map, 21_000, 21_000);
    expect(seen.secondsLeft("recovery")).toBeNull();
    expect([5, 59, 61, 3600, 7500].map(timeForPeople)).toEqual(["5 s", "59 s", "1 min", "1 h", "2 h 5 min"]);
  });

  test("health says since when a server is away and how long the copies take", () => {
    const cluster = new Cluster(3);
    const seen = new Seen();
    const look = (second: number) => seen.observe(cluster.map, second * 1000, Date.UTC(2026, 0, 5, 14, 2) + second * 1000);
    look(0);
    cluster.down(2);
    for (const index of [0, 1, 3, 4]) cluster.group(index, [index % 3 === 0 ? 1 : 3], { learners: [index % 3 === 0 ? 3 : 1], wanted: [1, 3] });
    cluster.group(2, [3, 1]);
    cluster.group(5, [3, 1]);
    for (let second = 1; second <= 10; second++) {
      cluster.observe(GIB, (400 - second) * 2 ** 25);
      look(second);
    }
    expect(health(cluster.map, 0, null, seen).sentence).toMatch(/^Degraded: 4 of 6 groups are one copy short since server-2 stopped answering at 14:02 UTC; recovering, [67] min left\. Do not power off server-1 or server-3\.$/);
  });

  test("data that moves is no degradation, though its groups change their configurations", () => {
    const cluster = new Cluster(3);
    cluster.drive(4, 1);
    cluster.group(0, [1, 2], { wanted: [4, 2] });
    cluster.observe();
    expect(health(cluster.map, 0)).toMatchObject({ state: "healthy", sentence: "Healthy: 3 servers and 4 drives are up and all 6 groups have their 2 copies; data moves to other drives: 1 group left." });
    cluster.put(keys.group(groupId(1, 0)), { incarnation: 1, epoch: 2, primary: driveOf(1), primaryInstance: 1, members: [driveOf(1), driveOf(2)], learners: [driveOf(4)], nonce: 2 });
    expect(health(cluster.map, 0)).toMatchObject({ state: "healthy", details: { groups: { states: { settling: 1 } } } });
  });
});

describe("an evaluation, and too few servers", () => {
  test("health says of an evaluation in every state that there is one copy", () => {
    const cluster = new Cluster(1, 0, 4, { evaluation: true });
    expect(health(cluster.map, 0)).toMatchObject({ state: "healthy", sentence: "Healthy: 1 server and 1 drive are up and all 4 groups have their one copy. This cluster is an evaluation with one copy of everything: a drive that fails takes its data with it." });
    cluster.down(1);
    expect(health(cluster.map, 0)).toMatchObject({ state: "unavailable", sentence: expect.stringContaining("evaluation with one copy") });
  });

  test("with fewer than three servers health says what is missing", () => {
    const cluster = new Cluster(1);
    for (let index = 0; index < 6; index++) cluster.put(keys.group(groupId(1, index)), null);
    expect(health(cluster.map, 0)).toMatchObject({ state: "unavailable", sentence: "Unavailable: the cluster has 1 of at least 3 servers, so nothing is served yet. Add 2 servers." });
  });
});

describe("whoever is to leave", () => {
  test("cannot be drained when too few servers would be left", () => {
    const three = new Cluster(3, 2);
    expect(whyNotDrain(three.map, new Set([driveOf(1)]), "Drive 1")).toStartWith("Drive 1 cannot be drained: 3 copies need drives on 3 servers, and without it only 2 servers have drives");
    three.drive(4, 1);
    expect(whyNotDrain(three.map, new Set([driveOf(1)]), "Drive 1")).toBeNull();
    three.put(leavingKeys.drainDrive(driveOf(4)), { atMs: 1 });
    expect(whyNotDrain(three.map, new Set([driveOf(1)]), "Drive 1")).toContain("are not drained");
  });

  test("cannot be drained when the rest has no room", () => {
    const cluster = new Cluster(3);
    cluster.observe(5 * GIB);
    expect(whyNotDrain(cluster.map, new Set([driveOf(1)]), "Drive 1")).toBe("Drive 1 cannot be drained: 5.0 GiB would have to move, and the other drives can take 3.6 GiB before they are 85 % full, on the servers where they may lie. Add drives first.");
    cluster.observe(4 * GIB);
    expect(whyNotDrain(cluster.map, new Set([driveOf(1)]), "Drive 1")).toBeNull();
  });

  test("is removed when it was drained and holds nothing, and not before", () => {
    const cluster = new Cluster(4);
    expect(whyNotRemoveDrive(cluster.map, driveOf(1), false)).toContain("Drain it first");
    cluster.put(leavingKeys.drainServer(server(1)), { atMs: 1 });
    expect(whyNotRemoveDrive(cluster.map, driveOf(1), false)).toContain("wait until it holds nothing");
    expect(whyNotRemoveServer(cluster.map, server(1), false)).toContain("cannot be removed yet");
    for (let index = 0; index < 6; index++) cluster.group(index, [2 + (index % 2), 4]);
    expect(whyNotRemoveDrive(cluster.map, driveOf(1), false)).toBeNull();
    expect(whyNotRemoveServer(cluster.map, server(1), false)).toBeNull();
    expect(whyNotRemoveServer(cluster.map, server(2), false)).toContain("Drain it first");
    cluster.put(leavingKeys.drainServer(server(1)), null);
    expect(whyNotRemoveDrive(cluster.map, driveOf(1), false)).toContain("new copies may be placed");
  });

  test("is removed as lost only when it does not answer, and never with a last copy", () => {
    const cluster = new Cluster(4);
    expect(whyNotRemoveDrive(cluster.map, driveOf(1), true)).toContain("is not lost");
    cluster.down(1);
    expect(whyNotRemoveDrive(cluster.map, driveOf(1), false)).toContain("still belongs to 3 groups");
    for (let index = 0; index < 6; index++) cluster.group(index, [2 + (index % 2), 4]);
    cluster.group(0, [1]);
    expect(whyNotRemoveDrive(cluster.map, driveOf(1), true)).toContain("holds the last copy that is known of 1 group");
    cluster.group(0, [2], { learners: [1], wanted: [2, 1] });
    expect(whyNotRemoveDrive(cluster.map, driveOf(1), false)).toContain("If it is gone for good, say so");
    expect(whyNotRemoveDrive(cluster.map, driveOf(1), true)).toBeNull();
    expect(whyNotRemoveServer(cluster.map, server(1), true)).toBeNull();
  });

  test("may not leave the cluster with fewer servers than it needs", () => {
    const cluster = new Cluster(3);
    cluster.put(leavingKeys.drainServer(server(1)), { atMs: 1 });
    expect(whyNotRemoveServer(cluster.map, server(1), false)).toBe("server-1 cannot be removed: the cluster would have 2 servers and needs at least 3. Add another server first; it can take this one's place.");
  });
});
