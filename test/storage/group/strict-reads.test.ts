import { describe, expect, test } from "bun:test";
import { keys } from "../../../src/cluster/schema.ts";
import { Chance } from "../../simulator/chance.ts";
import { SimulatedGateway } from "../../simulator/gateway.ts";
import { History } from "../../simulator/history.ts";
import { slots, Workload } from "../../simulator/workload.ts";
import { Asker, type Answer } from "./asker.ts";
import { Stage } from "./stage.ts";

function strictStage(strictReads: boolean, factor: 1 | 2 = 1): Stage {
  const stage = new Stage(factor);
  stage.cluster.put(keys.settings, { loneSurvivor: "confirm", strictReads });
  stage.pass(500);
  return stage;
}
/** a's virtual machine is paused for a minute; when it goes on, what a gateway with an old map has asked meanwhile is in its socket. */
function askedWhilePaused(stage: Stage): { old: number; newest: number; answer: Answer } {
  const old = stage.write(stage.place(0));
  const asker = new Asker(stage, "a");
  const running = stage.cluster.host("a").running;
  stage.until(() => stage.serving()[0] === "a");
  stage.cluster.block("s2", "s1");
  running?.client.setReachable(false);
  running?.process.pause();
  stage.until(() => stage.cluster.group("b", stage.group)?.state === "serving", 10_000);
  const newest = stage.write(stage.place(0));
  stage.pass(60_000);
  const answer = asker.read(stage.place(0));
  stage.pass(100);
  running?.process.unpause();
  return { old, newest, answer };
}

describe("X4: a primary whose virtual machine was paused, and its clock with it", () => {
  test("answers no read from before its pause under strictReads", () => {
    const stage = strictStage(true);
    const { answer } = askedWhilePaused(stage);
    stage.until(() => answer.result !== null);
    expect(answer).toEqual({ result: "not-primary", value: null });
    stage.cluster.network.unblockAll();
    stage.cluster.host("a").running?.client.setReachable(true);
    stage.whole();
  });

  test("would answer without it: by its clock its lease still runs", () => {
    const stage = strictStage(false);
    // The simulator ends the story: two of them may answer.
    expect(() => askedWhilePaused(stage)).toThrow("I1: a and b serve");
  });
});

describe("strictReads", () => {
  test("let many reads share a round trip to the members", () => {
    const stage = strictStage(true, 2);
    const values = Array.from({ length: 50 }, (_, block) => stage.write(stage.place(block)));
    let beacons = 0;
    const { sent } = stage.cluster.network;
    stage.cluster.network.sent = (from, message) => {
      if (message.type === "beacon") beacons += 1;
      sent(from, message);
    };
    // The next ordinary one is half a second away: these reads have their own.
    stage.until(() => beacons > 0);
    stage.pass(10);
    beacons = 0;
    const read: (readonly number[])[] = [];
    values.forEach((_, block) => stage.gateway.read(stage.place(block), (found) => (read[block] = found)));
    stage.until(() => read.filter(Boolean).length === values.length, 300);
    expect(read.map(([value]) => value)).toEqual(values);
    expect(beacons).toBeGreaterThan(0);
    expect(beacons).toBeLessThan(values.length);
  });

  test("wait for every member: one that is cut off but not removed yet holds them up", () => {
    const stage = strictStage(true, 2);
    const value = stage.write(stage.place(0));
    stage.cluster.store.setAvailable(false);
    stage.cluster.block("s1", "s3");
    let answered: readonly number[] | null = null;
    stage.gateway.read(stage.place(0), (found) => (answered = found));
    stage.pass(1000);
    expect(stage.cluster.group("a", stage.group)?.serving?.hasLeases()).toBe(true);
    expect(answered).toBeNull();
    stage.cluster.network.unblockAll();
    stage.until(() => answered !== null, 20_000);
    expect((answered as unknown as readonly number[])[0]).toBe(value);
    stage.cluster.store.setAvailable(true);
    stage.whole();
  });

  test("are right under load, over failovers and hand-overs", () => {
    const stage = strictStage(true, 2);
    const history = new History();
    const loaders = [2, 3].map((number) => new SimulatedGateway(stage.cluster, "g", number, history));
    const workload = new Workload(new Chance(1, "load"), loaders, slots(new Chance(1, "slots"), [2], 2, 6), 30);
    workload.start();
    stage.pass(1000);
    stage.cluster.kill("a", true);
    stage.pass(3000);
    stage.cluster.start("a");
    stage.until(() => stage.serving()[0] === "a");
    const before = workload.done;
    stage.pass(1000);
    expect(workload.done).toBeGreaterThan(before);
    workload.stop();
    stage.until(() => loaders.every((gateway) => gateway.openCount === 0));
    stage.whole();
  });
});
