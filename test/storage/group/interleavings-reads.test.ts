import { describe, expect, test } from "bun:test";
import { SimulatedGateway } from "../../simulator/gateway.ts";
import { History } from "../../simulator/history.ts";
import { LEASE_MS } from "../../../src/storage/group/times.ts";
import { Asker } from "./asker.ts";
import { whenDelivered } from "./recovery-stage.ts";
import { trailerOf } from "./rot.ts";
import { Stage } from "./stage.ts";

// That no two drives may answer reads at one instant, and that none answers without leases, is watched by the simulator at each
// event: most of these stories lead there, and would fail in it.

function apart(stage: Stage, one: string, other: string): void {
  stage.cluster.block(one, other);
  stage.cluster.block(other, one);
}
/** The drive's process hears and tells the store nothing. */
function withoutStore(stage: Stage, name: string): void {
  stage.cluster.host(name).running?.client.setReachable(false);
}
function heal(stage: Stage): void {
  stage.cluster.network.unblockAll();
  for (const { running } of stage.cluster.hosts.values()) running?.client.setReachable(true);
  stage.whole();
}
function stateOf(stage: Stage, name: string): string | undefined {
  return stage.cluster.group(name, stage.group)?.state;
}

describe("X1: a primary that stands still in the middle of a read", () => {
  test("does not answer it when it goes on, since another has taken over", () => {
    const stage = new Stage();
    const old = stage.write(stage.place(0));
    const asker = new Asker(stage, "a");
    const { medium } = stage.cluster.host("a");
    medium.slowness = 500;
    let reading = false;
    whenDelivered(stage, ({ type }) => (reading = type === "read"));
    const answer = asker.read(stage.place(0));
    stage.until(() => reading, 1000);
    stage.cluster.stall("a");
    medium.slowness = 1;
    stage.until(() => stage.serving()[0] === "b", 10_000);
    const value = stage.write(stage.place(0));
    stage.pass(5000);
    // What the disk has read comes before all news of the others.
    stage.cluster.resume("a");
    stage.until(() => answer.result !== null);
    expect(answer).toEqual({ result: "not-primary", value: null });
    expect(value).not.toBe(old);
    heal(stage);
    expect(stage.read(stage.place(0))[0]).toBe(value);
  });
});

describe("X3: a write that waits for a member that just died", () => {
  test("is in no read before that member is out of the configuration: the primary may die first", () => {
    const stage = new Stage();
    const history = new History();
    const [reader, writer] = [2, 3].map((number) => new SimulatedGateway(stage.cluster, number === 2 ? "g" : "h", number, history)) as [SimulatedGateway, SimulatedGateway];
    let before = 0;
    before = writer.write(stage.place(0), () => (before += 0.5));
    stage.until(() => before % 1 === 0.5);
    stage.pass(100);
    // As if b were dead: it hears nothing of this, and its lease still runs.
    stage.cluster.block("s1", "s2");
    const lost = writer.write(stage.place(0));
    stage.until(() => trailerOf(stage, "a").version.seq > stage.image("b").log.last.seq, 1000);
    let answered: readonly number[] | null = null;
    reader.read(stage.place(0), (values) => (answered = values));
    stage.pass(300);
    expect(stage.cluster.group("a", stage.group)?.serving?.hasLeases()).toBe(true);
    expect(answered).toBeNull();
    writer.process.kill();
    stage.cluster.kill("a", true);
    stage.until(() => stage.serving()[0] === "b", 10_000);
    stage.cluster.network.unblockAll();
    stage.until(() => answered !== null);
    expect(answered as unknown as readonly number[]).not.toContain(lost);
    expect((answered as unknown as readonly number[])[0]).toBe(before - 0.5);
    stage.cluster.start("a");
    stage.whole();
  });
});

describe("X5: a member that is killed just after it has confirmed a beacon", () => {
  test("starts as if it had promised just now, and does not take over while its old primary reads on", () => {
    const stage = new Stage();
    stage.write(stage.place(0));
    let confirmed = false;
    whenDelivered(stage, ({ type }, from) => (confirmed = type === "beacon-ok" && from === "b"));
    stage.until(() => confirmed, 2000);
    apart(stage, "s1", "s2");
    withoutStore(stage, "a");
    const fromMs = stage.cluster.time.nowMs();
    stage.cluster.restart("b");
    stage.pass(1000);
    expect(stage.cluster.host("b").running?.node).not.toBeNull();
    expect(stage.serving()).toEqual(["a"]);
    expect(stage.cluster.time.nowMs() - fromMs).toBeLessThan(LEASE_MS);
    stage.until(() => stage.serving()[0] === "b", 10_000);
    const value = stage.write(stage.place(0));
    heal(stage);
    expect(stage.read(stage.place(0))[0]).toBe(value);
  });
});

describe("X6: a member whose compare-and-set in its own favour is slow", () => {
  test("confirms no beacon of the old primary meanwhile", () => {
    const stage = new Stage();
    stage.write(stage.place(0));
    withoutStore(stage, "a");
    let lost = 0;
    stage.cluster.fate = ({ puts }, client) => (client === "b" && lost === 0 && puts?.some(({ key }) => key.startsWith("pg/")) ? ((lost += 1), "lost") : "normal");
    stage.cluster.stall("a");
    stage.until(() => stateOf(stage, "b") === "proposing", 10_000);
    stage.pass(200);
    expect(lost).toBe(1);
    let beacons = 0;
    whenDelivered(stage, ({ type }, _, to) => {
      if (type === "beacon" && to === "b" && stateOf(stage, "b") === "proposing") beacons += 1;
      return false;
    });
    stage.cluster.resume("a");
    stage.until(() => stage.serving()[0] === "b", 10_000);
    expect(beacons).toBeGreaterThan(1);
    // It still thinks that it is primary: only that it has no lease keeps it from answering.
    expect(stateOf(stage, "a")).toBe("serving");
    const value = stage.write(stage.place(0));
    stage.pass(LEASE_MS);
    heal(stage);
    expect(stage.read(stage.place(0))[0]).toBe(value);
  });
});

describe("X7: a confirmation that was two seconds on its way", () => {
  test("gives no lease that outlives the promise: it counts from when the beacon was sent", () => {
    const stage = new Stage();
    stage.write(stage.place(0));
    withoutStore(stage, "a");
    let beaconMs = 0;
    whenDelivered(stage, ({ type }, from, to) => {
      if (type !== "beacon" || to !== "b" || from !== "a") return false;
      beaconMs = stage.cluster.time.nowMs();
      apart(stage, "s1", "s2");
      return true;
    });
    stage.until(() => beaconMs > 0, 2000);
    stage.pass(LEASE_MS + 50);
    expect(stage.serving()).toEqual([]);
    let late = false;
    whenDelivered(stage, ({ type }, from) => (late = type === "beacon-ok" && from === "b"));
    stage.cluster.unblock("s2", "s1");
    stage.until(() => late, 500);
    expect(stage.serving()).toEqual([]);
    expect(stateOf(stage, "a")).toBe("serving");
    // a's next beacon would be answered by b's new epoch; it must not get there first.
    stage.until(() => stage.serving()[0] === "b", 10_000);
    expect(stage.cluster.time.nowMs() - beaconMs).toBeLessThan(2 * LEASE_MS);
    stage.write(stage.place(0));
    heal(stage);
  });
});

describe("X8: a primary whose disk hangs", () => {
  test("asks nobody for a lease, so that its group goes on without it", () => {
    const stage = new Stage();
    const value = stage.write(stage.place(0));
    stage.cluster.hang("a");
    const begun = stage.begin(stage.place(1));
    stage.until(() => begun.result !== null, 20_000);
    expect(begun.result).toBe("done");
    expect(stage.serving()).toEqual(["b"]);
    expect(stage.cluster.host("a").running?.process.alive).toBe(true);
    expect(stage.read(stage.place(0))[0]).toBe(value);
    stage.cluster.unhang("a");
    stage.whole();
  });

  test("is the last member's: nobody takes its place, and it goes on when the disk does", () => {
    const stage = new Stage();
    stage.cluster.kill("b");
    stage.until(() => stage.members().join() === "a");
    stage.write(stage.place(0));
    stage.cluster.hang("a");
    const begun = stage.begin(stage.place(1));
    stage.pass(10_000);
    expect(begun.result).toBeNull();
    stage.cluster.unhang("a");
    stage.until(() => begun.result === "done");
    stage.cluster.start("b");
    stage.whole();
  });
});

describe("X27: a primary that is cut off from the store's quorum and from its member", () => {
  test("answers no read by what it holds while the other side writes, not even as a read-only copy", () => {
    const stage = new Stage();
    const old = stage.write(stage.place(0));
    const asker = new Asker(stage, "a");
    const early = asker.read(stage.place(0));
    stage.until(() => early.result !== null);
    expect(early).toEqual({ result: "done", value: old });
    apart(stage, "s1", "s2");
    withoutStore(stage, "a");
    stage.until(() => stage.serving()[0] === "b", 10_000);
    stage.write(stage.place(0));
    for (let round = 0; round < 5; round += 1) {
      const answer = asker.read(stage.place(0));
      stage.until(() => answer.result !== null);
      expect(answer).toEqual({ result: "not-primary", value: null });
    }
    const value = stage.write(stage.place(0));
    heal(stage);
    expect(stage.read(stage.place(0))[0]).toBe(value);
  });
});
