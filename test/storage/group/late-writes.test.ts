import { describe, expect, test } from "bun:test";
import type { Change, Channel, CommandResult, Message } from "../../../src/wire/messages.ts";
import { SimulatedGateway, type Place } from "../../simulator/gateway.ts";
import { Portal } from "../../simulator/portal.ts";
import { Stage } from "./stage.ts";

/** A second portal, on a server of its own, that takes BUSY for an answer. Without a history: its host has gone on elsewhere. */
function portalOf(stage: Stage): SimulatedGateway {
  const gateway = new SimulatedGateway(stage.cluster, "p", 7);
  gateway.busyIsFinal = true;
  // Its channel is open and it knows the primary's clock.
  let open = false;
  gateway.write(stage.place(1000), () => (open = true));
  stage.until(() => open);
  return gateway;
}
function writeBy(gateway: SimulatedGateway, place: Place): { value: number; result: CommandResult | null } {
  const begun: { value: number; result: CommandResult | null } = { value: 0, result: null };
  begun.value = gateway.write(place, (result) => (begun.result = result));
  return begun;
}
/** For what the stage's own history does not know. */
function readBy(stage: Stage, gateway: SimulatedGateway, place: Place): number | undefined {
  let values: readonly number[] | null = null;
  gateway.read(place, (read) => (values = read));
  stage.until(() => values !== null);
  return (values as unknown as readonly number[])[0];
}
/** Gives the primary a message once more, as a connection that was slow would, and tells what it answers. */
function repeat(stage: Stage, message: Change): CommandResult | null {
  let result: CommandResult | null = null;
  const [primary] = stage.serving();
  const send = (answer: Message): void => {
    if (answer.type === "done") result = answer.result;
  };
  const channel: Channel = { peer: { kind: "gateway", id: String(message.gateway), instance: message.gateway }, queuedBytes: 0, send, close() {} };
  stage.cluster.host(primary as string).running?.process.happen(() => stage.cluster.group(primary as string, stage.group)?.command(channel, message));
  stage.until(() => result !== null);
  return result;
}
/** Every change of a gateway, as it was sent. */
function changesOf(stage: Stage, gateway: SimulatedGateway): Change[] {
  const changes: Change[] = [];
  const { network } = stage.cluster;
  const before = network.sent;
  network.sent = (end, message) => {
    before(end, message);
    if ("stampMs" in message && message.gateway === gateway.instance) changes.push(message);
  };
  return changes;
}

describe("X31: a write of a portal that died, still on its way when its host has gone on elsewhere", () => {
  test("does not undo what the host has written since", () => {
    const stage = new Stage();
    const portal = portalOf(stage);
    stage.cluster.block("p", "s1");
    const old = writeBy(portal, stage.place(0));
    stage.pass(50);
    portal.process.kill();
    stage.pass(800);
    stage.write(stage.place(0));
    const newest = stage.write(stage.place(0));
    stage.pass(300);
    stage.cluster.unblock("p", "s1");
    stage.pass(1000);
    expect(old.value).not.toBe(newest);
    expect(stage.read(stage.place(0))[0]).toBe(newest);
    stage.whole();
  });

  test("does not bring back what was unmapped since, and neither does an unmap take away what was written", () => {
    const stage = new Stage();
    const portal = portalOf(stage);
    stage.write(stage.place(0, 8));
    stage.cluster.block("p", "s1");
    const results: (CommandResult | null)[] = [];
    portal.write(stage.place(0), (result) => results.push(result));
    portal.unmap(stage.place(4, 2), (result) => results.push(result));
    stage.pass(1000);
    stage.unmap(stage.place(0));
    const kept = stage.write(stage.place(5));
    stage.pass(10);
    stage.cluster.unblock("p", "s1");
    stage.until(() => results.length === 2);
    expect(results).toEqual(["late", "late"]);
    expect(stage.read(stage.place(0))[0]).toBe(0);
    expect(stage.read(stage.place(5))[0]).toBe(kept);
  });

  test("is taken when nothing else was acknowledged there, and when it is young", () => {
    const stage = new Stage();
    const portal = portalOf(stage);
    stage.cluster.block("p", "s1");
    const alone = writeBy(portal, stage.place(0));
    const beside = writeBy(portal, { ...stage.place(3), sectors: 2 });
    stage.pass(600);
    stage.write(stage.place(1));
    stage.write(stage.place(2));
    const young = writeBy(portal, stage.place(1));
    stage.pass(100);
    stage.cluster.unblock("p", "s1");
    stage.until(() => [alone, beside, young].every(({ result }) => result !== null));
    expect([alone.result, beside.result, young.result]).toEqual(["done", "done", "done"]);
  });
});

describe("X32: a portal that stood still", () => {
  test("reads the clocks of now before the bytes of then, and still stamps them as of then", () => {
    const stage = new Stage();
    const portal = new Portal(stage.cluster, "portal", "p", 5);
    portal.start();
    stage.until(() => portal.running?.ready ?? false);
    let open = false;
    portal.submit(stage.volume, (volume) => volume.write(8000, Buffer.alloc(512, 1)), () => (open = true));
    stage.until(() => open);
    stage.pass(500);
    portal.stall();
    stage.pass(1500);
    const newest = stage.write(stage.place(0));
    let answer = "";
    stage.pass(500);
    // Clocks and ticks of the stall come first; in the socket this has lain since it began.
    portal.submit(stage.volume, (volume) => volume.write(0, Buffer.alloc(4096, 9)), (result) => (answer = result.ok ? "done" : result.error));
    portal.resume();
    stage.until(() => answer !== "");
    expect(answer).toBe("unavailable");
    expect(stage.read(stage.place(0))[0]).toBe(newest);
  });
});

describe("X37: a new primary", () => {
  test("takes what its tail holds as acknowledged just now: a repetition of an abandoned write does not undo it", () => {
    const stage = new Stage();
    const portal = portalOf(stage);
    stage.cluster.block("p", "s1");
    const old = writeBy(portal, stage.place(0));
    stage.pass(400);
    stage.write(stage.place(0));
    const newest = stage.write(stage.place(0));
    stage.pass(100);
    stage.cluster.kill("a", true);
    stage.until(() => old.result !== null);
    expect(stage.serving()).toEqual(["b"]);
    expect(old.result).toBe("late");
    expect(stage.read(stage.place(0))[0]).toBe(newest);
    stage.cluster.unblock("p", "s1");
    stage.cluster.start("a");
    stage.whole();
  });

  test("takes what was on its way over the failover when nothing has touched its blocks", () => {
    const stage = new Stage();
    const portal = portalOf(stage);
    stage.cluster.block("p", "s1");
    const waiting = writeBy(portal, stage.place(0));
    stage.pass(400);
    stage.cluster.kill("a", true);
    stage.until(() => waiting.result !== null);
    expect(waiting.result).toBe("done");
    expect(readBy(stage, portal, stage.place(0))).toBe(waiting.value);
  });
});

describe("X34: a write that lands after every portal was accounted for", () => {
  test("is refused when it is older than the limit, whatever was acknowledged", () => {
    const stage = new Stage();
    const portal = portalOf(stage);
    stage.cluster.block("p", "s1");
    const old = writeBy(portal, stage.place(0));
    stage.pass(4_100);
    stage.cluster.unblock("p", "s1");
    stage.until(() => old.result !== null);
    expect(old.result).toBe("late");
    expect(stage.read(stage.place(0))[0]).toBe(0);
  });

  test("is refused when it was stamped by the clock of another instance, or of none", () => {
    const stage = new Stage();
    const portal = portalOf(stage);
    const changes = changesOf(stage, portal);
    stage.cluster.network.cuts = (message) => message.type === "write" && message.gateway === portal.instance;
    writeBy(portal, stage.place(0));
    stage.pass(20);
    portal.process.kill();
    const message = changes[0] as Change;
    expect(repeat(stage, { ...message, operation: message.operation + 10, stampInstance: 0 as never })).toBe("late");
    expect(repeat(stage, { ...message, operation: message.operation + 11, stampInstance: (message.stampInstance + 1) as never })).toBe("late");
    expect(repeat(stage, { ...message, operation: message.operation + 12, stampMs: NaN })).toBe("late");
    expect(repeat(stage, { ...message, operation: message.operation + 13, stampMs: message.stampMs + 60_000 })).toBe("late");
    expect(stage.read(stage.place(0))[0]).toBe(0);
    expect(repeat(stage, { ...message, operation: message.operation + 14 })).toBe("done");
  });

  test("is judged when it is assigned, not when it came", () => {
    const stage = new Stage();
    const portal = portalOf(stage);
    // A write in flight holds up the merge of a part of its block.
    stage.cluster.hang("b");
    const first = stage.begin(stage.place(0));
    stage.pass(100);
    const part = writeBy(portal, { ...stage.place(0), sectors: 2 });
    stage.pass(900);
    stage.cluster.unhang("b");
    stage.until(() => part.result !== null && first.result !== null);
    expect([first.result, part.result]).toEqual(["done", "late"]);
    expect(stage.read(stage.place(0))[0]).toBe(first.value);
  });
});

describe("an operation (R16)", () => {
  test("that is known is answered as it was, however old", () => {
    const stage = new Stage();
    const portal = portalOf(stage);
    const changes = changesOf(stage, portal);
    const begun = writeBy(portal, stage.place(0));
    stage.until(() => begun.result === "done");
    const newest = stage.write(stage.place(0));
    stage.pass(6_000);
    expect(repeat(stage, changes[0] as Change)).toBe("done");
    expect(stage.read(stage.place(0))[0]).toBe(newest);
  });

  test("that its gateway waits for no more does not run again when a copy of it comes late", () => {
    const stage = new Stage();
    const portal = portalOf(stage);
    const changes = changesOf(stage, portal);
    const first = writeBy(portal, stage.place(0));
    stage.until(() => first.result === "done");
    const second = writeBy(portal, stage.place(0));
    stage.until(() => second.result === "done");
    for (const name of ["a", "b"]) expect([...(stage.image(name).operations.get(portal.instance)?.keys() ?? [])]).toEqual([(changes[1] as Change).operation]);
    // Young enough for R15.
    expect(repeat(stage, changes[0] as Change)).toBe("late");
    expect(readBy(stage, portal, stage.place(0))).toBe(second.value);
    expect(repeat(stage, changes[1] as Change)).toBe("done");
  });
});
