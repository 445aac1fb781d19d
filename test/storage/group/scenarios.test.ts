import { describe, expect, test } from "bun:test";
import { keys } from "../../../src/cluster/schema.ts";
import { NO_ENTRY, sameId } from "../../../src/wire/entry.ts";
import { Chance } from "../../simulator/chance.ts";
import { SimulatedGateway } from "../../simulator/gateway.ts";
import { History } from "../../simulator/history.ts";
import { slots, Workload } from "../../simulator/workload.ts";
import { Stage } from "./stage.ts";

describe("a write", () => {
  test("is not acknowledged while one member has not journalled it", () => {
    const stage = new Stage();
    stage.cluster.hang("b");
    const begun = stage.begin(stage.place(0));
    stage.pass(1000);
    expect(begun.result).toBeNull();
    stage.cluster.unhang("b");
    stage.until(() => begun.result === "done");
    expect(stage.image("b").operations.get(stage.gateway.instance)?.size).toBe(1);
    expect(stage.members()).toEqual(["a", "b"]);
  });

  test("goes on without a member whose journal hangs, once the configuration is without it", () => {
    const stage = new Stage();
    stage.cluster.hang("b");
    stage.write(stage.place(0));
    expect(stage.members()).toEqual(["a"]);
    stage.cluster.unhang("b");
    stage.whole();
  });

  test("of part of a block keeps the rest of it, on all copies", () => {
    const stage = new Stage();
    const whole = stage.write(stage.place(2, 3));
    const part = stage.write({ ...stage.place(2), sector: 19, sectors: 10 });
    const values = stage.read(stage.place(2, 3));
    expect(values).toEqual(Array.from({ length: 24 }, (_, i) => (i >= 3 && i < 13 ? part : whole)));
    stage.whole();
  });

  test("of part of a block that was never written leaves zeros beside it", () => {
    const stage = new Stage();
    const part = stage.write({ ...stage.place(5), sector: 41, sectors: 2 });
    expect(stage.read(stage.place(5))).toEqual([0, part, part, 0, 0, 0, 0, 0]);
  });

  test("tried again after a failover is executed once", () => {
    const stage = new Stage();
    stage.cluster.network.cuts = (message) => {
      if (message.type !== "done") return false;
      stage.cluster.network.cuts = () => false;
      stage.cluster.time.soon(() => stage.cluster.kill("a", true));
      return true;
    };
    const value = stage.write(stage.place(0));
    const mine = stage.image("b").log.entries.filter((entry) => entry.gateway === stage.gateway.instance);
    expect(mine).toHaveLength(1);
    expect(stage.serving()).toEqual(["b"]);
    expect(stage.read(stage.place(0))[0]).toBe(value);
    stage.cluster.start("a");
    stage.whole();
  });
});

describe("an unmap", () => {
  test("leaves zeros in its range and the rest alone", () => {
    const stage = new Stage();
    const value = stage.write(stage.place(0, 4));
    stage.unmap(stage.place(1, 2));
    const zeros = [0, 0, 0, 0, 0, 0, 0, 0];
    const kept = zeros.map(() => value);
    expect(stage.read(stage.place(0, 4))).toEqual([...kept, ...zeros, ...zeros, ...kept]);
    stage.unmap(stage.place(0, 4));
    expect(stage.read(stage.place(0))).toEqual(zeros);
    stage.whole();
  });

  test("that a member missed reaches it when it returns", () => {
    const stage = new Stage();
    stage.write(stage.place(0, 40));
    stage.cluster.kill("b");
    stage.until(() => stage.members().length === 1);
    stage.unmap(stage.place(0, 40));
    stage.cluster.start("b");
    stage.whole();
    expect(stage.cluster.host("b").running?.drive?.extents().length).toBe(0);
  });
});

describe("a primary", () => {
  test("that was restarted serves only after the other member has told what it holds", () => {
    const stage = new Stage();
    const { epoch } = stage.cluster.config(stage.group);
    const value = stage.write(stage.place(0));
    stage.cluster.hang("b");
    stage.cluster.restart("a");
    stage.until(() => stage.cluster.group("a", stage.group)?.state === "peering");
    stage.pass(1000);
    expect(stage.serving()).toEqual([]);
    stage.cluster.unhang("b");
    stage.until(() => stage.serving().length === 1);
    expect(stage.cluster.config(stage.group).epoch).toBeGreaterThan(epoch);
    expect(stage.read(stage.place(0))[0]).toBe(value);
    stage.whole();
  });

  test("that is cut off answers no read once another may have taken over", () => {
    const stage = new Stage();
    stage.write(stage.place(0));
    stage.cluster.isolate("s1");
    stage.cluster.host("a").running?.client.setReachable(false);
    stage.until(() => stage.serving()[0] === "b", 10_000);
    const value = stage.write(stage.place(0));
    const old = stage.cluster.group("a", stage.group);
    expect(old?.state).toBe("serving");
    expect(old?.serving?.hasLeases()).toBe(false);
    expect(stage.read(stage.place(0))[0]).toBe(value);
    stage.cluster.network.unblockAll();
    stage.cluster.host("a").running?.client.setReachable(true);
    stage.whole();
  });

  test("hands over to the wanted one under load without an error", () => {
    const stage = new Stage();
    const history = new History();
    const loaders = [2, 3].map((number) => new SimulatedGateway(stage.cluster, "g", number, history));
    const workload = new Workload(new Chance(1, "load"), loaders, slots(new Chance(1, "slots"), [1], 2, 6), 30);
    workload.start();
    stage.cluster.plan(stage.group, ["b", "a"]);
    stage.until(() => stage.serving()[0] === "b");
    const before = workload.done;
    stage.pass(1000);
    workload.stop();
    expect(workload.done).toBeGreaterThan(before);
    stage.until(() => loaders.every((gateway) => gateway.openCount === 0));
    stage.whole();
  });
});

describe("a failover", () => {
  test("waits for the grace after a primary has fallen silent", () => {
    const stage = new Stage();
    stage.cluster.kill("a");
    const fromMs = stage.cluster.time.nowMs();
    stage.until(() => stage.serving()[0] === "b");
    expect(stage.cluster.time.nowMs() - fromMs).toBeGreaterThan(2000);
  });

  test("skips the grace when the primary's very instance was published dead", () => {
    const stage = new Stage();
    const value = stage.write(stage.place(0));
    stage.cluster.kill("a", true);
    const fromMs = stage.cluster.time.nowMs();
    stage.until(() => stage.serving()[0] === "b");
    expect(stage.cluster.time.nowMs() - fromMs).toBeLessThan(1000);
    expect(stage.read(stage.place(0))[0]).toBe(value);
  });

  test("X10: does not follow from the published death of an older instance", () => {
    const stage = new Stage();
    const { id } = stage.cluster.host("a");
    stage.cluster.restart("a");
    stage.until(() => stage.serving()[0] === "a");
    stage.cluster.put(keys.death(id), { instance: stage.cluster.host("a").instance - 1, atMs: 0, reason: "killed" });
    stage.pass(5000);
    expect(stage.serving()).toEqual(["a"]);
    stage.whole();
  });
});

describe("a stale copy", () => {
  test("does not serve when the one that took writes alone is gone", () => {
    const stage = new Stage();
    stage.write(stage.place(0));
    stage.cluster.kill("b");
    stage.until(() => stage.members().length === 1);
    const value = stage.write(stage.place(0));
    stage.cluster.kill("a", true);
    stage.cluster.start("b");
    stage.pass(40_000);
    expect(stage.serving()).toEqual([]);
    stage.cluster.start("a");
    stage.until(() => stage.serving()[0] === "a");
    expect(stage.read(stage.place(0))[0]).toBe(value);
    stage.whole();
  });
});

describe("a member that was away", () => {
  test("for a few seconds returns by what changed meanwhile and holds everything", () => {
    const stage = new Stage();
    for (let block = 0; block < 200; block += 20) stage.write(stage.place(block, 2));
    stage.cluster.kill("b");
    stage.until(() => stage.members().length === 1);
    for (let block = 0; block < 60; block += 10) stage.write(stage.place(block, 2));
    stage.cluster.start("b");
    stage.whole();
    const lines = stage.logged("bringing a learner into sync");
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toContain("manifests");
  });

  test("for longer than the log reaches back returns by manifests and holds everything", () => {
    const stage = new Stage();
    for (const host of stage.cluster.hosts.values()) host.medium.tuning.keeping = { entries: 4, changes: 0, settledMs: 100 };
    for (let extent = 0; extent < 40; extent += 1) stage.write(stage.place(7, 2, extent));
    stage.pass(1000);
    stage.cluster.kill("b");
    stage.until(() => stage.members().length === 1);
    for (let round = 0; round < 20; round += 1) {
      stage.write(stage.place(round, 1, 3));
      stage.pass(200);
    }
    for (let extent = 0; extent < 40; extent += 4) stage.unmap(stage.place(7, 2, extent));
    stage.pass(1000);
    stage.write(stage.place(1, 1, 50));
    expect(sameId(stage.image("a").log.base, NO_ENTRY)).toBe(false);
    stage.cluster.start("b");
    stage.whole();
    expect(stage.logged("bringing a learner into sync").at(-1)).toContain("manifests");
  });

  test("drops what belongs to a volume deleted meanwhile", () => {
    const stage = new Stage(2);
    stage.write(stage.place(0, 4));
    stage.write(stage.place(0, 4, 9));
    stage.cluster.kill("c");
    stage.until(() => stage.members().length === 2);
    const id = stage.volume as never;
    stage.cluster.store.apply({ compares: [], deletes: [keys.volume(id)] });
    stage.cluster.put(keys.tombstone(id), { id, name: "v2", factor: 2, lineage: id, deletedAtMs: 1 });
    stage.until(() => stage.cluster.host("a").running?.drive?.extents().length === 0 && stage.cluster.host("b").running?.drive?.extents().length === 0);
    const refused = stage.begin(stage.place(0));
    stage.until(() => refused.result !== null);
    expect(refused.result).toBe("deleted");
    stage.cluster.start("c");
    stage.whole();
    expect(stage.cluster.host("c").running?.drive?.extents().length).toBe(0);
  });
});

describe("a loss of power everywhere", () => {
  test("loses nothing that was acknowledged", () => {
    const stage = new Stage(2);
    const values = Array.from({ length: 10 }, (_, block) => stage.write(stage.place(block)));
    for (const server of ["s1", "s2", "s3"]) stage.cluster.powerOff(server);
    stage.pass(2000);
    for (const server of ["s3", "s2", "s1"]) stage.cluster.powerOn(server);
    stage.until(() => stage.serving().length === 1);
    values.forEach((value, block) => expect(stage.read(stage.place(block))[0]).toBe(value));
    stage.whole();
  });
});

describe("without a quorum of the store", () => {
  test("a whole group goes on with reads and writes", () => {
    const stage = new Stage();
    stage.cluster.store.setAvailable(false);
    stage.pass(10_000);
    const value = stage.write(stage.place(0));
    expect(stage.read(stage.place(0))[0]).toBe(value);
    stage.cluster.store.setAvailable(true);
    stage.whole();
  });

  test("a group that lost a member waits until the quorum is back", () => {
    const stage = new Stage();
    stage.cluster.store.setAvailable(false);
    stage.cluster.kill("b", false);
    const begun = stage.begin(stage.place(0));
    stage.pass(20_000);
    // Late (R15), and then refused (R24), but never acknowledged.
    expect(begun.result).not.toBe("done");
    stage.cluster.store.setAvailable(true);
    stage.until(() => stage.members().length === 1 && stage.serving().length === 1);
    stage.write(stage.place(0));
    stage.cluster.start("b");
    stage.whole();
  });
});
