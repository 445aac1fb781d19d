import { afterEach, describe, expect, test } from "bun:test";
import type { Channel, Message } from "../../../src/wire/messages.ts";
import { SimulatedGateway } from "../../simulator/gateway.ts";
import { History } from "../../simulator/history.ts";
import { FORGETS_ALL, FORGETS_LOG, giveAll, keep, whenDelivered, withhold } from "./recovery-stage.ts";
import { trailerOf } from "./rot.ts";
import { Stage } from "./stage.ts";

afterEach(giveAll);

/** Blocks that a drive parked, by extent and first block. */
function parked(stage: Stage, name: string): number {
  return [...stage.cluster.host(name).medium.disk.list("/drive/parked")].filter((file) => !file.endsWith(".new")).length;
}
/** The drives' processes reach each other and the store, and those that were killed run. */
function heal(stage: Stage): void {
  stage.cluster.network.unblockAll();
  stage.cluster.network.cuts = () => false;
  for (const [name, host] of stage.cluster.hosts) {
    host.running?.client.setReachable(true);
    host.medium.unhang();
    stage.cluster.start(name);
  }
}
/** The primary is cut off and begins writes that only it gets and nobody repeats; it is killed, and the other takes over. */
function diverge(stage: Stage, blocks: readonly number[], extent: number): void {
  const host = new SimulatedGateway(stage.cluster, "h", 2, new History());
  // Just acknowledged: the primary will save that this is committed while entries above it are in its log (R20).
  stage.write(stage.place(1000));
  stage.cluster.isolate("s1");
  stage.cluster.host("a").running?.client.setReachable(false);
  for (const block of blocks) host.write(stage.place(block, 1, extent));
  stage.until(() => stage.image("a").log.entries.filter((entry) => entry.extent === extent && entry.gateway === host.instance).length === blocks.length, 1000);
  host.process.kill();
  stage.pass(1200);
  stage.cluster.kill("a", true);
  stage.until(() => stage.serving()[0] === "b", 10_000);
  // What was on its way comes too late.
  stage.cluster.network.unblockAll();
}
/** What the two drives hold of an extent is the same. */
function same(stage: Stage, one: string, other: string, extent = 0): void {
  const [a, b] = [trailerOf(stage, one, extent), trailerOf(stage, other, extent)];
  expect([...a.checksums]).toEqual([...b.checksums]);
  expect(a.version).toEqual(b.version);
}

describe("X35: a primary that has pulled part of another's longer tail when that one dies", () => {
  test("is made equal to the others in the blocks that it pulled, too", () => {
    const stage = new Stage(2);
    stage.write(stage.place(0, 256));
    stage.pass(1500);
    // The primary assigns eight entries that its own journal does not take and c never sees.
    stage.cluster.block("s1", "s3");
    stage.cluster.host("a").medium.hang();
    for (let i = 0; i < 8; i += 1) stage.begin(stage.place(i * 32));
    stage.pass(200);
    stage.cluster.kill("a");
    stage.cluster.host("a").medium.unhang();
    for (const end of stage.cluster.network.ends) if (end.server === "s3") end.lose();
    stage.cluster.network.unblockAll();
    // The gateway's repetitions would write the same blocks anew and hide what differs.
    stage.cluster.block("g", "s1");
    let pulled = 0;
    whenDelivered(stage, (message, from) => {
      if (message.type !== "fetched" || from !== "b") return false;
      pulled += 1;
      if (pulled === 5) stage.cluster.time.soon(() => stage.cluster.kill("b"));
      return pulled === 5;
    });
    stage.cluster.start("a");
    stage.until(() => pulled === 5);
    stage.until(() => stage.members().join() === "a,c" && stage.serving().length === 1, 20_000);
    stage.pass(500);
    expect([...trailerOf(stage, "a").checksums]).toEqual([...trailerOf(stage, "c").checksums]);
    heal(stage);
    stage.whole();
  });
});

describe("X21: a learner that holds an entry which its dead primary alone had acknowledged to nobody", () => {
  test("gives it up when a member that never had it goes on", () => {
    const stage = new Stage(2);
    stage.write(stage.place(0, 8));
    stage.write(stage.place(100));
    stage.cluster.kill("b");
    stage.until(() => stage.members().length === 2);
    stage.write(stage.place(1));
    stage.pass(200);
    // A block that nobody gives keeps b a learner.
    withhold(1);
    stage.cluster.start("b");
    stage.until(() => stage.logged("cannot be copied to a learner").length > 0);
    stage.cluster.block("s1", "s3");
    const lost = stage.begin(stage.place(100));
    stage.until(() => stage.image("b").log.entries.some((entry) => entry.kind === "write" && entry.first === 100 && entry.seq > stage.image("c").log.last.seq));
    stage.pass(50);
    expect(lost.result).toBeNull();
    stage.cluster.block("g", "s3");
    stage.cluster.kill("a", true);
    stage.until(() => stage.serving()[0] === "c", 10_000);
    stage.cluster.network.unblock("s1", "s3");
    stage.until(() => stage.logged("bringing a learner into sync").length >= 2);
    stage.pass(500);
    const [learner, member] = [trailerOf(stage, "b"), trailerOf(stage, "c")];
    expect(learner.checksums[100]).toBe(member.checksums[100] as number);
    expect(parked(stage, "b")).toBeGreaterThan(0);
    heal(stage);
    giveAll();
    stage.whole();
  });
});

describe("X22, X25: a primary that was cut off and returns with entries of its own", () => {
  for (const keeping of [FORGETS_LOG, FORGETS_ALL])
    test(`loses them to what the group went on with, ${keeping === FORGETS_ALL ? "compared by manifests" : "however many they are"}`, () => {
      const stage = new Stage();
      keep(stage, keeping);
      stage.write(stage.place(0, 64, 3));
      for (let block = 0; block < 20; block += 1) stage.write(stage.place(block));
      stage.pass(1500);
      diverge(stage, Array.from({ length: 12 }, (_, i) => i * 5), 3);
      for (let block = 0; block < 20; block += 1) stage.write(stage.place(block));
      stage.pass(2500);
      stage.cluster.start("a");
      stage.until(() => stage.members().length === 2);
      expect(stage.logged("bringing a learner into sync").at(-1)?.includes("manifests")).toBe(keeping === FORGETS_ALL);
      same(stage, "a", "b", 3);
      expect(parked(stage, "a")).toBeGreaterThan(0);
      stage.whole();
    });

  test("loses them although it is killed when its log has been replaced already", () => {
    const stage = new Stage();
    keep(stage, FORGETS_LOG);
    stage.write(stage.place(0, 64, 3));
    stage.pass(1500);
    diverge(stage, [7, 8, 9], 3);
    stage.cluster.network.cuts = (message) => message.type === "copy";
    stage.cluster.start("a");
    stage.until(() => stage.image("a").incomplete);
    stage.cluster.kill("a");
    expect(stage.image("a").diverged).toHaveLength(3);
    stage.cluster.network.cuts = () => false;
    stage.cluster.start("a");
    stage.until(() => stage.members().length === 2);
    same(stage, "a", "b", 3);
    stage.whole();
  });
});

describe("R7d: a member whose content reconcile overwrites", () => {
  test("parks what of it is not adopted, and only that", () => {
    const stage = new Stage(2);
    stage.write(stage.place(0));
    stage.write(stage.place(16));
    stage.pass(100);
    const running = stage.cluster.host("c").running;
    const group = running?.node?.groups.get(stage.group);
    const config = stage.cluster.config(stage.group);
    const log = stage.image("c").log;
    const [first, second] = log.entries.slice(-2);
    if (!running || !group || !first || !second) throw new Error("c holds two entries");
    const epoch = (config.epoch + 1) as typeof config.epoch;
    const heir = stage.cluster.host("b");
    const fenced = { ...config, epoch, primary: heir.id, primaryInstance: heir.instance, nonce: 9 };
    const sent: Message[] = [];
    const channel: Channel = { peer: { kind: "drive", id: heir.id, instance: heir.instance }, queuedBytes: 0, send: (message) => void sent.push(message), close() {} };
    const shared = { group: stage.group, epoch, tag: 1 };
    const settled = (count: number): void => stage.until(() => sent.filter(({ type }) => type === "settled").length === count, 5000);
    running.process.happen(() => group.fromPrimary(channel, { ...shared, type: "fence", config: fenced, dead: [] }));
    stage.until(() => sent.some(({ type }) => type === "tail"), 5000);
    const range = (block: number) => ({ volume: second.volume, lineage: second.lineage, layer: 0, extent: second.extent, first: block, count: 16 });
    const { epoch: common, seq } = first.previous;
    running.process.happen(() => group.fromPrimary(channel, { ...shared, type: "mark", ranges: [range(0), range(16)], common: { epoch: common, seq }, adopted: [{ epoch: first.epoch, seq: first.seq }] }));
    settled(1);
    for (const block of [0, 16])
      running.process.happen(() => group.fromPrimary(channel, { ...shared, type: "copy", allocates: 0, lost: false, range: range(block), version: first, checksums: new Uint32Array(16), data: Buffer.alloc(0), clean: { first: 0, count: 0 } }));
    settled(3);
    expect(parked(stage, "c")).toBe(1);
  });
});

describe("R7b: a member that is incomplete", () => {
  test("is no copy to reconcile with: it leaves, and is filled as a learner", () => {
    const stage = new Stage(2);
    const value = stage.write(stage.place(0, 8));
    stage.pass(100);
    // No way leads there; the second line behind R9 and R11 must hold nevertheless.
    Object.assign(stage.image("c"), { incomplete: true });
    stage.cluster.restart("a");
    stage.until(() => stage.logged("lost acknowledged data").length > 0, 10_000);
    stage.until(() => !stage.members().includes("c") || stage.cluster.config(stage.group).learners.length > 0, 10_000);
    stage.whole();
    expect(stage.logged("bringing a learner into sync")).toHaveLength(1);
    expect(stage.read(stage.place(0))[0]).toBe(value);
  });
});

describe("X2: a read that a write overtakes", () => {
  test("is not answered with the write's bytes before every member has it: a failover would undo them", () => {
    const stage = new Stage();
    const history = new History();
    const [reader, writer] = [2, 3].map((number) => new SimulatedGateway(stage.cluster, number === 2 ? "g" : "h", number, history)) as [SimulatedGateway, SimulatedGateway];
    let written = false;
    writer.write(stage.place(0, 4), () => (written = true));
    stage.until(() => written);
    stage.pass(100);
    const { medium } = stage.cluster.host("a");
    // The read is under way at the disk when the write comes, which only this drive gets.
    stage.cluster.block("s1", "s2");
    medium.slowness = 500;
    let begun = false;
    whenDelivered(stage, ({ type }) => {
      if (type !== "read") return false;
      stage.cluster.time.soon(() => {
        medium.slowness = 1;
        begun = true;
        writer.write(stage.place(1));
      });
      return true;
    });
    let answered: readonly number[] | null = null;
    reader.read(stage.place(0, 4), (values) => (answered = values));
    stage.until(() => begun, 1000);
    stage.until(() => trailerOf(stage, "a").version.seq === stage.image("a").log.last.seq && stage.image("a").log.last.seq > stage.image("b").log.last.seq, 1000);
    // Longer than the slow read takes, shorter than it takes to give the silent member up.
    stage.pass(600);
    expect(answered).toBeNull();
    writer.process.kill();
    stage.cluster.kill("a", true);
    stage.until(() => stage.serving()[0] === "b", 10_000);
    stage.cluster.network.unblockAll();
    stage.until(() => answered !== null);
    stage.cluster.start("a");
    stage.whole();
  });
});
