import { describe, expect, test } from "bun:test";
import { Arrival } from "../../../src/base/arrival.ts";
import { BLOCK_BYTES } from "../../../src/base/geometry.ts";
import { awaitFence, fencePut } from "../../../src/cluster/fence.ts";
import { keys } from "../../../src/cluster/schema.ts";
import type { CommandResult } from "../../../src/wire/messages.ts";
import { SimulatedGateway } from "../../simulator/gateway.ts";
import { Portal } from "../../simulator/portal.ts";
import { Stage } from "./stage.ts";

const PORTAL = 7;
const LONG_MS = 60_000;

/** A portal on a server of its own, which has a way to all drives; its lease in the store has run out. Its host begins a new write whenever it is told to. */
class Silent {
  readonly stage: Stage;
  readonly portal: SimulatedGateway;
  readonly begun: { value: number; result: CommandResult | null }[] = [];

  constructor(stage: Stage) {
    this.stage = stage;
    stage.cluster.put(keys.gateway(PORTAL), { instance: PORTAL, server: "p", serving: true });
    this.portal = new SimulatedGateway(stage.cluster, "p", PORTAL);
    this.portal.busyIsFinal = true;
    const first = this.write(1000);
    stage.until(() => first.result === "done");
    stage.cluster.store.apply({ compares: [], deletes: [keys.upGateway(PORTAL)] });
    // It hears nothing of the store: of no ban, and of no other primary either.
    this.portal.store.lag();
  }
  write(block: number): { value: number; result: CommandResult | null } {
    const begun: { value: number; result: CommandResult | null } = { value: 0, result: null };
    begun.value = this.portal.write(this.stage.place(block), (result) => (begun.result = result));
    this.begun.push(begun);
    return begun;
  }
  /** What the drives hold, read through another portal that keeps no history. */
  read(block: number): number | undefined {
    const other = new SimulatedGateway(this.stage.cluster, "q", PORTAL + 1 + this.begun.length);
    let values: readonly number[] | null = null;
    other.read(this.stage.place(block), (read) => (values = read));
    this.stage.until(() => values !== null);
    return (values as unknown as readonly number[])[0];
  }
  /** PREEMPT, an unmapping, a deletion: over when this is. */
  fence(): { passed: boolean } {
    const { cluster } = this.stage;
    cluster.store.apply({ compares: [], puts: [fencePut(1, { what: "test", atMs: 0 })] });
    const fence = { passed: false };
    void awaitFence({ store: cluster.admin, clock: cluster.time }, 1, LONG_MS).then((left) => {
      cluster.note("the fence is passed");
      fence.passed = left.length === 0;
    });
    return fence;
  }
}

describe("X34: a write of a preempted host through a portal that is silent and not proved dead", () => {
  test("does not land after the PREEMPT: primaries shut the portal out first", () => {
    const stage = new Stage();
    const silent = new Silent(stage);
    const fence = silent.fence();
    stage.until(() => fence.passed);
    const late = silent.write(0);
    let answered = false;
    silent.portal.read(stage.place(0), () => (answered = true));
    stage.pass(20_000);
    expect(late.result).toBeNull();
    expect(answered).toBe(false);
    expect(silent.read(0)).toBe(0);
    expect(stage.cluster.store.find(keys.banned(PORTAL))).not.toBeNull();
  });

  test("does not land when it had reached the primary before and waits there", () => {
    const stage = new Stage();
    const silent = new Silent(stage);
    // A read of many blocks holds the write up, and the disk holds the read up.
    const { running } = stage.cluster.host(stage.serving()[0] as string);
    const range = { volume: stage.volume, lineage: stage.volume, layer: 0, extent: 0, first: 0, count: 8 } as never;
    let release: (() => void) | null = null;
    running?.process.happen(() => running.node?.groups.get(stage.group)?.serving?.ranges.lock(range, (free) => (release = free)));
    stage.until(() => release !== null);
    const late = silent.write(0);
    stage.pass(500);
    const fence = silent.fence();
    // Before its age alone would refuse it.
    stage.cluster.store.apply({ compares: [], puts: [{ key: keys.banned(PORTAL), value: JSON.stringify({ instance: PORTAL, server: "p", atMs: 0 }) }] });
    stage.until(() => fence.passed, 3_000);
    running?.process.happen(() => (release as unknown as () => void)());
    stage.pass(5_000);
    expect(late.result).toBeNull();
    expect(silent.read(0)).toBe(0);
  });

  test("is still taken by a primary that is cut off from the store and has not heard of the ban: so that one is waited for", () => {
    const stage = new Stage();
    const silent = new Silent(stage);
    const client = stage.cluster.host("a").running?.client;
    expect(stage.serving()).toEqual(["a"]);
    client?.setReachable(false);
    const fence = silent.fence();
    stage.pass(20_000);
    const taken = silent.write(0);
    stage.until(() => taken.result === "done");
    expect(fence.passed).toBe(false);
    client?.setReachable(true);
    stage.until(() => fence.passed);
    const late = silent.write(0);
    stage.pass(20_000);
    expect(late.result).toBeNull();
    expect(silent.read(0)).toBe(taken.value);
  });

  test("is not adopted from a member that the next primary has not fenced yet", () => {
    const stage = new Stage(2);
    const silent = new Silent(stage);
    stage.cluster.host("a").running?.client.setReachable(false);
    for (const [from, to] of [["s1", "s2"], ["s2", "s1"], ["s2", "s3"], ["s3", "s2"]] as const) stage.cluster.block(from, to);
    const fence = silent.fence();
    let after: { value: number; result: CommandResult | null } | null = null;
    stage.until(() => {
      if (fence.passed) after = silent.write(0);
      return fence.passed || stage.cluster.config(stage.group).epoch > 2 && stage.cluster.nameOf(stage.cluster.config(stage.group).primary) !== "a";
    });
    // The one who was displaced goes on to send what it is asked for, to whoever still takes it.
    for (let time = 0; time < 12 && !fence.passed; time += 1) stage.pass(100);
    after ??= silent.write(0);
    const passedBefore = fence.passed;
    stage.pass(200);
    stage.cluster.network.unblockAll();
    stage.cluster.host("a").running?.client.setReachable(true);
    stage.until(() => fence.passed);
    stage.whole();
    if (passedBefore) expect(silent.read(0)).toBe(0);
    const late = silent.write(8);
    stage.pass(10_000);
    expect(late.result).toBeNull();
    expect(silent.read(8)).toBe(0);
  });

  test("is not taken by a primary that began after the fence and has not seen the store of its own beginning", () => {
    const stage = new Stage();
    const silent = new Silent(stage);
    stage.cluster.host("b").running?.store.lag();
    const fence = silent.fence();
    stage.until(() => fence.passed);
    stage.cluster.kill("a");
    stage.until(() => stage.serving().join() === "b");
    silent.portal.store.catchUp();
    const late = silent.write(0);
    stage.pass(10_000);
    expect(late.result).toBeNull();
    stage.cluster.host("b").running?.store.catchUp();
    stage.cluster.start("a");
    stage.whole();
    expect(silent.read(0)).toBe(0);
  });

  test("a ban holds up nobody else, and a server without power holds up no fence for good", () => {
    const stage = new Stage();
    const silent = new Silent(stage);
    // The portal's server is the primary's, and its power is gone.
    silent.portal.process.kill();
    stage.cluster.powerOff("s1");
    const fence = silent.fence();
    stage.until(() => fence.passed);
    expect(stage.serving()).toEqual(["b"]);
    stage.write(stage.place(0));
  });
});

describe("X34: a write that a portal has given up after it was sent, since its host is gone and the channel broke", () => {
  test("does not land after the portal has said that it obeys the fence", () => {
    const stage = new Stage();
    const { cluster } = stage;
    const portal = new Portal(cluster, "p1", "p", 1);
    portal.start();
    stage.until(() => portal.takesHosts);
    const gateway = portal.running?.gateway;
    let first = false;
    portal.submit(stage.volume, (volume) => volume.write(8000, Buffer.alloc(BLOCK_BYTES, 9)), () => (first = true));
    stage.until(() => first);
    // It has reached the primary and waits there.
    const { running } = cluster.host(stage.serving()[0] as string);
    const range = { volume: stage.volume, lineage: stage.volume, layer: 0, extent: 0, first: 0, count: 8 } as never;
    let release: (() => void) | null = null;
    running?.process.happen(() => running.node?.groups.get(stage.group)?.serving?.ranges.lock(range, (free) => (release = free)));
    stage.until(() => release !== null);
    const arrival = new Arrival(portal.running?.process.nowMs() ?? 0);
    let ended = false;
    portal.submit(stage.volume, (volume) => volume.write(0, Buffer.alloc(BLOCK_BYTES, 9), arrival), () => (ended = true));
    stage.pass(500);
    arrival.cancel();
    for (const end of [...cluster.network.ends]) if (end.self.kind === "gateway" && end.self.instance === portal.running?.instance) cluster.network.cut(end);
    stage.until(() => ended);
    let obeys = false;
    void gateway?.leftBehind.settled().then(() => (obeys = true));
    stage.until(() => obeys);
    running?.process.happen(() => (release as unknown as () => void)());
    stage.pass(2000);
    expect(stage.read(stage.place(0))[0]).toBe(0);
  });
});
