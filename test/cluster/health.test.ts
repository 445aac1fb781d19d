import { describe, expect, test } from "bun:test";
import type { DriveId, VolumeId } from "../../src/base/ids.ts";
import { health, Pauses, withSilentStore } from "../../src/cluster/health.ts";
import { ClusterMap } from "../../src/cluster/map.ts";
import { groupId, keys } from "../../src/cluster/schema.ts";

const GROUPS = 4;
const driveOf = (server: number): DriveId => String(server).repeat(16) as DriveId;

/** A cluster of three servers with a drive each and four groups, as the store would show it; tests then change keys. */
class Cluster {
  readonly map = new ClusterMap();
  #revision = 0;

  constructor() {
    this.put(keys.cluster, { id: "0".repeat(32), name: "test", incarnation: 1, targetName: "iqn.2024-01.test:t", formedAtMs: 1 });
    this.put(keys.pool(1), { factor: 1, groupCount: GROUPS });
    for (const n of [1, 2, 3]) {
      this.put(keys.server(`server-${n}`), { name: `server-${n}`, address: `127.0.0.${n}`, portalPort: 1, apiPort: 2, portalGroupTag: n });
      this.put(keys.drive(driveOf(n)), { id: driveOf(n), server: `server-${n}`, address: `127.0.0.${n}`, port: 3, instance: 1, capacityBytes: 2 ** 33 });
      this.up(n);
    }
    for (let index = 0; index < GROUPS; index++) this.group(index, { members: [1 + (index % 3), 1 + ((index + 1) % 3)] });
    for (const n of [1, 2, 3]) this.observe(n);
  }

  put(key: string, value: unknown): void {
    const change = { key, value: value === null ? null : JSON.stringify(value), revision: ++this.#revision };
    this.map.changed([change], change.revision);
  }

  up(server: number): void {
    this.put(keys.upServer(`server-${server}`), { instance: 1, sinceMs: 1 });
    this.put(keys.upDrive(driveOf(server)), { instance: 1, sinceMs: 1 });
  }

  down(server: number): void {
    this.put(keys.upServer(`server-${server}`), null);
    this.driveDown(server);
  }

  driveDown(server: number): void {
    this.put(keys.upDrive(driveOf(server)), null);
    this.put(keys.observed(driveOf(server)), null);
  }

  /** The first member is the primary. */
  group(index: number, { members, learners = [], epoch = 1, instance = 1, factor = 1 }: { members: number[]; learners?: number[]; epoch?: number; instance?: number; factor?: number }): void {
    const drives = members.map(driveOf);
    this.put(keys.group(groupId(factor, index)), { incarnation: 1, epoch, primary: drives[0], primaryInstance: instance, members: drives, learners: learners.map(driveOf), nonce: 1 });
  }

  /** The drive reports on every group that it leads, in `state`, as of the group's present epoch. */
  observe(server: number, state = "serving", remainingBytes = 0, instance = 1): void {
    const groups = [...this.map.groups]
      .filter(([, { config }]) => config.primary === driveOf(server))
      .map(([group, { config }]) => ({ group, epoch: config.epoch, state, copiedBytes: 0, remainingBytes }));
    this.put(keys.observed(driveOf(server)), { instance, usedBytes: 0, groups });
  }

  get health() {
    return health(this.map, 5);
  }
}

/** Groups whose member the lost server was go on with the other one, which the new primary has reported. */
function shrinkWithout(cluster: Cluster, lost: number): void {
  for (let index = 0; index < GROUPS; index++) {
    const left = [1 + (index % 3), 1 + ((index + 1) % 3)].filter((server) => server !== lost);
    if (left.length === 1) cluster.group(index, { members: left, epoch: 2 });
  }
  for (const n of [1, 2, 3]) if (n !== lost) cluster.observe(n);
}

describe("health", () => {
  test("a whole cluster is healthy", () => {
    const { state, sentence, details } = new Cluster().health;
    expect([state, sentence]).toEqual(["healthy", "Healthy: 3 servers and 3 drives are up and all 4 groups have their 2 copies."]);
    expect(details).toMatchObject({ atMs: 5, lastCopyServers: [], groups: { total: 4, short: 0, states: { serving: 4 } } });
  });

  test("a cluster that this server has not read is unavailable", () => {
    expect(health(new ClusterMap(), 0)).toMatchObject({ state: "unavailable", sentence: expect.stringContaining("has not read the cluster's state") });
  });

  test("with a server lost and its groups serving elsewhere it is degraded, and names who must stay on", () => {
    const cluster = new Cluster();
    cluster.down(2);
    shrinkWithout(cluster, 2);
    expect(cluster.health.state).toBe("degraded");
    expect(cluster.health.sentence).toBe("Degraded: 3 of 4 groups are one copy short since server-2 stopped answering; recovery has not started yet. Do not power off server-1 or server-3.");
  });

  test("while copies are made again it says how much is left", () => {
    const cluster = new Cluster();
    cluster.down(2);
    shrinkWithout(cluster, 2);
    cluster.group(0, { members: [1], learners: [3], epoch: 3 });
    cluster.observe(1, "serving", 1.5 * 2 ** 30);
    expect(cluster.health.sentence).toContain("since server-2 stopped answering; recovering, ");
    expect(cluster.health.sentence).toMatch(/recovering, \d\.\d GiB left\. Do not/);
  });

  test("a server that is lost while no group lacks a copy leaves it degraded", () => {
    const cluster = new Cluster();
    for (let index = 0; index < GROUPS; index++) cluster.group(index, { members: [1, 3], epoch: 2 });
    cluster.down(2);
    cluster.observe(1);
    expect(cluster.health).toMatchObject({
      state: "degraded",
      sentence: "Degraded: server-2 stopped answering; no group lacks a copy. Start server-2 again, and do not power off another server before that.",
    });
  });

  test("a lost drive of a server that is up is named", () => {
    const cluster = new Cluster();
    cluster.driveDown(2);
    shrinkWithout(cluster, 2);
    expect(cluster.health.sentence).toContain("since drive 2222222222222222 of server-2 stopped answering");
  });

  test("a drive that its supervisor knows dead is down before its lease ends", () => {
    const cluster = new Cluster();
    cluster.put(keys.death(driveOf(2)), { instance: 1, atMs: 1, reason: "killed" });
    expect(cluster.health.details.drivesDown).toEqual([{ id: driveOf(2), server: "server-2" as never }]);
    cluster.put(keys.upDrive(driveOf(2)), { instance: 2, sinceMs: 2 });
    expect(cluster.health.details.drivesDown).toEqual([]);
  });

  test("read-only it says how much has no copy, in which volumes, and who brings it back", () => {
    const cluster = new Cluster();
    cluster.put(keys.volume(1 as VolumeId), { id: 1, name: "db", sizeBytes: 2 ** 30, factor: 1, lineage: 1, createdAtMs: 0 });
    cluster.group(1, { members: [3], epoch: 2 });
    cluster.down(2);
    cluster.down(3);
    cluster.put(keys.mode, { mode: "read-only", sinceMs: 1, groups: [groupId(1, 1), groupId(1, 2)], cause: "server-2 and server-3 stopped answering" });
    // Group 2 has its other member on server-1, which answers: only server-3 has to come back.
    expect(cluster.health).toMatchObject({ state: "read-only", details: { missing: { groups: 2, bytes: 2 ** 29, bringBack: [{ server: "server-3", drives: [driveOf(3)], whole: true }] } } });
    expect(cluster.health.sentence).toBe(
      "Read-only: 2 of 4 groups have no copy that answers since server-2 and server-3 stopped answering (about 512.0 MiB of the 1.0 GiB provisioned, in volume db). Writes are refused and reads of what survives go on. Bring back server-3: nothing acknowledged is lost as long as no drive is wiped or replaced.",
    );
    cluster.put(keys.mode, null);
    expect(cluster.health.state).not.toBe("read-only");
  });

  test("read-only by one drive of a server that is up it names the drive", () => {
    const cluster = new Cluster();
    cluster.put(keys.drive("f".repeat(16) as DriveId), { id: "f".repeat(16), server: "server-2", address: "127.0.0.2", port: 4, instance: 1, capacityBytes: 2 ** 33 });
    cluster.put(keys.upDrive("f".repeat(16) as DriveId), { instance: 1, sinceMs: 1 });
    cluster.group(1, { members: [2], epoch: 2 });
    cluster.driveDown(2);
    cluster.put(keys.mode, { mode: "read-only", sinceMs: 1, groups: [groupId(1, 1)], cause: "drive 2222222222222222 of server-2 stopped answering" });
    expect(cluster.health.sentence).toContain("Bring back drive 2222222222222222 of server-2:");
    expect(cluster.health.sentence).toContain("no volume is touched");
  });

  test("read-only without a whole copy it does not ask for servers that answer", () => {
    const cluster = new Cluster();
    cluster.put(keys.observed(driveOf(2)), { instance: 1, usedBytes: 0, groups: [{ group: groupId(1, 1), epoch: 1, state: "waiting", waitingFor: "no-whole-copy", copiedBytes: 0, remainingBytes: 0 }] });
    cluster.put(keys.mode, { mode: "read-only", sinceMs: 1, groups: [groupId(1, 1)], cause: "their copies cannot be brought together" });
    expect(cluster.health.sentence).toContain("none is known to hold everything that was acknowledged");
  });

  test("with groups that nobody serves it is unavailable and says what to bring back", () => {
    const cluster = new Cluster();
    cluster.down(2);
    cluster.down(3);
    const { state, sentence } = cluster.health;
    expect(state).toBe("unavailable");
    expect(sentence).toBe(
      "Unavailable: 2 of 4 groups have no serving copy since server-2 and server-3 stopped answering; hosts wait. Bring server-2 and server-3 back, and do not wipe or replace any drive.",
    );
  });

  test.each(["peering", "waiting"])("a group whose primary says %s is not served", (state) => {
    const cluster = new Cluster();
    cluster.observe(1, state);
    expect(cluster.health.state).toBe("unavailable");
    expect(cluster.health.sentence).toContain("2 of 4 groups have no serving copy");
  });

  test("a serving primary that has just changed its members does not make it unavailable", () => {
    const cluster = new Cluster();
    cluster.group(0, { members: [1, 2], epoch: 2 });
    expect(cluster.health).toMatchObject({ state: "degraded", sentence: expect.stringContaining("1 of 4 groups are settling") });
    cluster.observe(1);
    expect(cluster.health.state).toBe("healthy");
  });

  test("a new primary serves only when it has said so itself", () => {
    const cluster = new Cluster();
    cluster.group(0, { members: [2, 1], epoch: 2 });
    expect(cluster.health).toMatchObject({ state: "unavailable", details: { groups: { states: { peering: 1 } } } });
    cluster.observe(2);
    expect(cluster.health.state).toBe("healthy");
  });

  test("what an earlier run of the primary said does not count", () => {
    const cluster = new Cluster();
    cluster.group(0, { members: [1, 2], instance: 2 });
    expect(cluster.health.details.groups.states.peering).toBe(1);
  });

  test("groups that the monitor has still to make leave it degraded", () => {
    const cluster = new Cluster();
    cluster.put(keys.pool(2), { factor: 2, groupCount: GROUPS });
    expect(cluster.health).toMatchObject({ state: "degraded", sentence: expect.stringContaining("4 of 8 groups are being set up") });
    for (let index = 0; index < GROUPS; index++) cluster.group(index, { factor: 2, members: [1, 2, 3], epoch: 1, instance: 0 });
    expect(cluster.health).toMatchObject({ state: "degraded", sentence: expect.stringContaining("4 of 8 groups are being set up") });
    for (let index = 0; index < GROUPS; index++) cluster.group(index, { factor: 2, members: [1, 2, 3], epoch: 2 });
    cluster.observe(1);
    expect(cluster.health.sentence).toBe("Healthy: 3 servers and 3 drives are up and all 8 groups have their copies.");
  });

  test("of three copies, one lost leaves no server that must stay on alone", () => {
    const cluster = new Cluster();
    for (let index = 0; index < GROUPS; index++) cluster.put(keys.group(groupId(1, index)), null);
    cluster.put(keys.pool(1), null);
    cluster.put(keys.pool(2), { factor: 2, groupCount: 1 });
    cluster.group(0, { factor: 2, members: [1, 3], epoch: 2 });
    cluster.down(2);
    cluster.observe(1);
    expect(cluster.health).toMatchObject({ state: "degraded", details: { lastCopyServers: [] } });
    expect(cluster.health.sentence).toContain("Start server-2 again, and do not power off another server");
  });

  test("a silent store is told, and nothing is called healthy then", () => {
    const silent = withSilentStore(new Cluster().health, 12_300);
    expect(silent.state).toBe("degraded");
    expect(silent.sentence).toStartWith("Degraded: the cluster store has not answered this server for 12 s");
  });
});

describe("a viewer that looks all the time", () => {
  test("calls a group that paused just now settling, and one that stays away unavailable", () => {
    const cluster = new Cluster();
    let now = 0;
    const pauses = new Pauses(() => now);
    expect(health(cluster.map, 0, pauses).state).toBe("healthy");
    cluster.observe(1, "peering");
    now = 1000;
    expect(health(cluster.map, 0, pauses)).toMatchObject({ state: "degraded", details: { groups: { states: { peering: 0 } } } });
    now = 2500;
    expect(health(cluster.map, 0, pauses).state).toBe("unavailable");
  });

  test("excuses no group that it has never seen served", () => {
    const cluster = new Cluster();
    cluster.observe(1, "peering");
    expect(health(cluster.map, 0, new Pauses(() => 0)).state).toBe("unavailable");
  });
});
