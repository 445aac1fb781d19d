import { expect, test } from "bun:test";
import { keys } from "../../../src/cluster/schema.ts";
import type { CommandResult } from "../../../src/wire/messages.ts";
import { Chance } from "../../simulator/chance.ts";
import type { Place } from "../../simulator/gateway.ts";
import { FORGETS_ALL, keep, Load, whenDelivered } from "./recovery-stage.ts";
import { found, loseTrailer, rot, trailerOf } from "./rot.ts";
import { Stage } from "./stage.ts";

// R25, R9: a block that is bad on all members travels to a learner as a lost one and keeps nobody out.

function resultOf(stage: Stage, place: Place): CommandResult | null {
  let result: CommandResult | null = null;
  stage.gateway.read(place, (_values, answered) => (result = answered));
  stage.until(() => result !== null);
  return result;
}
/** Lost blocks and bytes of others that travel to learners from now on. */
function copies(stage: Stage): { lost: number[]; bytes: number } {
  const seen = { lost: [] as number[], bytes: 0 };
  whenDelivered(stage, (message) => {
    if (message.type !== "copy") return false;
    if (message.lost) for (let i = 0; i < message.range.count; i += 1) seen.lost.push(message.range.first + i);
    seen.bytes += message.data.length;
    return false;
  });
  return seen;
}
/** b leaves. */
function without(stage: Stage, name = "b"): void {
  stage.cluster.kill(name);
  stage.until(() => !stage.members().includes(name));
}
function back(stage: Stage, name = "b"): void {
  stage.cluster.start(name);
  stage.until(() => stage.cluster.whole());
  // A moment later its primary counts it as a member, too.
  stage.pass(100);
}

test("a learner comes in beside a lost block, which no primary reads as anything and a write heals", () => {
  const stage = new Stage(1, { a: "s1", b: "s2" });
  const old = stage.write(stage.place(0, 4));
  stage.pass(40_000);
  without(stage);
  const value = stage.write(stage.place(1, 2));
  stage.pass(40_000);
  rot(stage, "a", [1]);
  const copied = copies(stage);
  back(stage);
  expect(copied).toEqual({ lost: [1], bytes: 4096 });
  expect(found(stage, "a")).toEqual({ a: { repaired: 0, lost: 1, differs: 0 } });
  expect(trailerOf(stage, "b").digest()).toBe(trailerOf(stage, "a").digest());
  expect(resultOf(stage, stage.place(1))).toBe("medium-error");
  // Its journal tells the same again.
  stage.cluster.kill("b", true);
  back(stage);
  expect(trailerOf(stage, "b").digest()).toBe(trailerOf(stage, "a").digest());
  expect(copied).toEqual({ lost: [1], bytes: 4096 });
  // What b had there before is neither read nor lost without a trace.
  expect(stage.cluster.host("b").running?.drive?.parked.files).toBe(1);
  stage.cluster.kill("a", true);
  stage.until(() => stage.serving().includes("b"));
  expect(resultOf(stage, stage.place(1))).toBe("medium-error");
  expect(stage.read(stage.place(0))[0]).toBe(old);
  expect(stage.read(stage.place(2, 2))).toEqual([...Array<number>(8).fill(value), ...Array<number>(8).fill(old)]);
  stage.cluster.start("a");
  stage.until(() => stage.cluster.whole());
  expect(resultOf(stage, { ...stage.place(1), sectors: 2 })).toBe("medium-error");
  const healed = stage.write(stage.place(1));
  stage.whole();
  expect(stage.read(stage.place(1))[0]).toBe(healed);
});

test("what the learner holds of it stays when it is the very block, and repairs it", () => {
  const stage = new Stage(1, { a: "s1", b: "s2" });
  keep(stage, FORGETS_ALL);
  const value = stage.write(stage.place(0, 8));
  stage.pass(40_000);
  without(stage);
  for (let block = 100; block < 120; block += 2) stage.write(stage.place(block));
  stage.pass(40_000);
  rot(stage, "a", [3]);
  const copied = copies(stage);
  back(stage);
  expect(copied).toEqual({ lost: [3], bytes: 10 * 4096 });
  expect(stage.cluster.host("b").running?.drive?.parked.files).toBe(0);
  expect(stage.read(stage.place(0, 8))).toEqual(Array<number>(64).fill(value));
  expect(found(stage, "a")).toEqual({ a: { repaired: 1, lost: 1, differs: 0 } });
  stage.whole();
});

test("a lost block is not copied again where nothing changed, and has nothing else copied where something did", () => {
  const stage = new Stage(1, { a: "s1", b: "s2" });
  keep(stage, FORGETS_ALL);
  stage.write(stage.place(0, 64));
  without(stage);
  for (let block = 0; block < 16; block += 2) stage.write(stage.place(block));
  stage.pass(40_000);
  rot(stage, "a", [2]);
  back(stage);
  for (let extent = 1; extent < 4; extent += 1) for (let block = 0; block < 8; block += 1) stage.write(stage.place(block, 1, extent));
  without(stage);
  for (let block = 10; block < 20; block += 1) stage.write(stage.place(block, 1, 1));
  const elsewhere = copies(stage);
  back(stage);
  expect(elsewhere).toEqual({ lost: [], bytes: 10 * 4096 });
  without(stage);
  for (let round = 0; round < 10; round += 1) stage.write(stage.place(40));
  stage.pass(40_000);
  const beside = copies(stage);
  back(stage);
  expect(beside).toEqual({ lost: [2], bytes: 4096 });
  expect(resultOf(stage, stage.place(2))).toBe("medium-error");
  expect(found(stage, "a")).toEqual({ a: { repaired: 0, lost: 1, differs: 0 } });
  stage.unmap(stage.place(2));
  stage.whole();
  expect(stage.read(stage.place(2))[0]).toBe(0);
});

test("blocks of which not even the checksum is known are lost, too; what the learner has there is kept aside", () => {
  const stage = new Stage(1, { a: "s1", b: "s2" });
  keep(stage, FORGETS_ALL);
  stage.write(stage.place(0, 8));
  without(stage);
  for (let round = 0; round < 10; round += 1) stage.write(stage.place(0));
  loseTrailer(stage, "a");
  const copied = copies(stage);
  back(stage);
  expect(copied.lost).toHaveLength(1024);
  expect(copied.bytes).toBe(0);
  expect(stage.cluster.host("b").running?.drive?.parked.files).toBeGreaterThan(0);
  expect(resultOf(stage, stage.place(5))).toBe("medium-error");
  const value = stage.write(stage.place(5));
  stage.cluster.kill("a", true);
  stage.until(() => stage.serving().includes("b"));
  expect(stage.read(stage.place(5))[0]).toBe(value);
  expect(resultOf(stage, stage.place(4))).toBe("medium-error");
});

test("a member that does not answer may have the block: the learner waits for it", () => {
  const stage = new Stage(2);
  const value = stage.write(stage.place(0, 4));
  without(stage, "c");
  stage.write(stage.place(1));
  stage.pass(40_000);
  rot(stage, "a", [1]);
  const copied = copies(stage);
  let cut = 0;
  // Beacons go on: nobody is given up.
  stage.cluster.network.cuts = (message) => message.type === "fetched" && ++cut > 0;
  stage.cluster.start("c");
  stage.until(() => cut > 0);
  stage.pass(3000);
  expect(stage.members()).toEqual(["a", "b"]);
  expect(copied.lost).toEqual([]);
  stage.cluster.network.cuts = () => false;
  stage.whole();
  expect(copied.lost).toEqual([]);
  expect(stage.read(stage.place(0))[0]).toBe(value);
  expect(found(stage, "a")).toEqual({ a: { repaired: 1, lost: 0, differs: 0 } });
});

test("hosts write beside and over lost blocks while a learner takes them over", () => {
  let carried = 0;
  for (let seed = 1; seed <= 4; seed += 1) {
    const stage = new Stage(1, { a: "s1", b: "s2" }, seed);
    if (seed % 2 === 0) keep(stage, FORGETS_ALL);
    for (let block = 0; block < 1024; block += 128) stage.write(stage.place(block, 128));
    stage.pass(40_000);
    without(stage);
    for (let block = 0; block < 1024; block += 3) stage.write(stage.place(block));
    stage.pass(40_000);
    const lost = Array.from({ length: 60 }, (_, i) => 15 * i);
    rot(stage, "a", lost);
    const copied = copies(stage);
    const load = new Load(stage, new Chance(seed, "load"), 1);
    load.start();
    back(stage);
    load.stop();
    carried += copied.lost.length;
    for (const block of lost) if (!load.written.has(`0.${block}`)) expect(resultOf(stage, stage.place(block))).toBe("medium-error");
    for (const block of lost) stage.write(stage.place(block));
    stage.whole();
    expect(stage.cluster.failures).toEqual([]);
  }
  expect(carried).toBeGreaterThan(60);
});

test("a deep scrub tells of a lost block once, and writes nothing for it", () => {
  const stage = new Stage(1, { a: "s1", b: "s2" });
  stage.write(stage.place(0, 4));
  without(stage);
  stage.write(stage.place(1));
  stage.pass(40_000);
  rot(stage, "a", [1]);
  back(stage);
  const before = stage.image("a").log.last;
  for (let pass = 0; pass < 2; pass += 1) {
    const atMs = Math.ceil(stage.cluster.host("a").running?.process.wallMs() ?? 0);
    stage.cluster.put(keys.scrubWanted, { lightAtMs: atMs, deepAtMs: atMs });
    const done = (): number => (JSON.parse(stage.cluster.store.find(keys.scrub(stage.group))?.value ?? '{"deepAtMs":0}') as { deepAtMs: number }).deepAtMs;
    stage.until(() => done() >= atMs, 120_000);
    stage.pass(1000);
  }
  expect(found(stage, "a")).toEqual({ a: { repaired: 0, lost: 1, differs: 0 } });
  expect(stage.logged("are bad on every copy")).toHaveLength(1);
  expect(stage.image("a").log.last).toEqual(before);
});

test("a block that only an absent member has is lost meanwhile, and comes back with it", () => {
  const stage = new Stage(2);
  const value = stage.write(stage.place(0, 4));
  without(stage, "c");
  stage.write(stage.place(2));
  const mine = stage.write(stage.place(1));
  stage.pass(40_000);
  without(stage, "b");
  stage.write(stage.place(3));
  stage.pass(40_000);
  rot(stage, "a", [1]);
  // c, which has an older one, comes in with a lost block and is left alone with it.
  stage.cluster.start("c");
  stage.until(() => stage.members().join() === "a,c");
  stage.pass(100);
  expect(resultOf(stage, stage.place(1))).toBe("medium-error");
  stage.cluster.kill("a", true);
  stage.until(() => stage.serving().includes("c"));
  expect(resultOf(stage, stage.place(1))).toBe("medium-error");
  stage.cluster.start("b");
  stage.until(() => stage.members().includes("b"));
  stage.pass(100);
  expect(stage.read(stage.place(1))[0]).toBe(mine);
  back(stage, "a");
  stage.whole();
  expect(stage.read(stage.place(0))[0]).toBe(value);
  expect(stage.read(stage.place(1))[0]).toBe(mine);
});
