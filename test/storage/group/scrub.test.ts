import { describe, expect, test } from "bun:test";
import { keys } from "../../../src/cluster/schema.ts";
import { PARKED } from "../../../src/storage/drive/layout.ts";
import { Chance } from "../../simulator/chance.ts";
import { DIRECTORY } from "../../simulator/drive.ts";
import { SimulatedGateway } from "../../simulator/gateway.ts";
import { History } from "../../simulator/history.ts";
import { slots, Workload } from "../../simulator/workload.ts";
import { found, loseTrailer, pathOf, rot } from "./rot.ts";
import { Stage } from "./stage.ts";

const TWO = { a: "s1", b: "s2" };

/** As an administrator asks for it. */
function ask(stage: Stage, kind: "light" | "deep"): number {
  const atMs = Math.ceil(stage.cluster.host("a").running?.process.wallMs() ?? stage.cluster.time.nowMs());
  stage.cluster.put(keys.scrubWanted, { lightAtMs: atMs, deepAtMs: kind === "deep" ? atMs : 0 });
  return atMs;
}
function record(stage: Stage): { lightAtMs: number; deepAtMs: number } {
  return JSON.parse(stage.cluster.store.find(keys.scrub(stage.group))?.value ?? '{"lightAtMs":0,"deepAtMs":0}') as { lightAtMs: number; deepAtMs: number };
}
function scrub(stage: Stage, kind: "light" | "deep"): void {
  const atMs = ask(stage, kind);
  stage.until(() => record(stage)[`${kind}AtMs`] >= atMs, 120_000);
}
function parkedOn(stage: Stage, name: string): number {
  return stage.cluster.host(name).medium.disk.list(`${DIRECTORY}/${PARKED}`).length;
}

describe("R25: a deep scrub", () => {
  test("finds bad blocks on every copy and repairs them from another one", () => {
    const stage = new Stage(2);
    for (const extent of [0, 3]) stage.write(stage.place(100, 40, extent));
    stage.pass(100);
    rot(stage, "a", [101, 102]);
    rot(stage, "b", [102, 120]);
    rot(stage, "c", [101], 3);
    scrub(stage, "deep");
    stage.whole();
    // What is written anew for one copy is written on all of them: block 102 counts for a alone.
    expect(found(stage, "a")).toEqual({ a: { repaired: 2, lost: 0, differs: 0 }, b: { repaired: 1, lost: 0, differs: 0 }, c: { repaired: 1, lost: 0, differs: 0 } });
  });

  test("finds nothing where nothing is wrong, and writes nothing", () => {
    const stage = new Stage(1, TWO);
    stage.write(stage.place(0, 40));
    stage.unmap(stage.place(8, 4));
    const before = stage.image("a").log.last;
    scrub(stage, "deep");
    expect(stage.image("a").log.last).toEqual(before);
    expect(found(stage, "a")).toEqual({});
  });

  test("beside the writes of hosts finds nothing either, and ends", () => {
    const stage = new Stage();
    const history = new History();
    const loaders = [2, 3].map((number) => new SimulatedGateway(stage.cluster, "g", number, history));
    const workload = new Workload(new Chance(1, "load"), loaders, slots(new Chance(1, "slots"), [1], 3, 6), 60);
    workload.start();
    scrub(stage, "deep");
    scrub(stage, "light");
    workload.stop();
    stage.until(() => loaders.every((gateway) => gateway.openCount === 0));
    expect(found(stage, "a")).toEqual({});
    stage.whole();
  });

  test("that ends with its primary is begun anew by the next one", () => {
    const stage = new Stage();
    for (let extent = 0; extent < 8; extent += 1) stage.write(stage.place(0, 300, extent));
    stage.pass(100);
    const atMs = ask(stage, "deep");
    stage.until(() => stage.cluster.host("a").running?.node?.scrubber.running?.kind === "deep");
    stage.cluster.kill("a", true);
    stage.until(() => stage.serving()[0] === "b");
    expect(record(stage).deepAtMs).toBeLessThan(atMs);
    stage.cluster.start("a");
    stage.until(() => record(stage).deepAtMs >= atMs, 200_000);
    stage.whole();
  });

  test("of a group that is short of a copy looks at those that are there", () => {
    const stage = new Stage();
    stage.write(stage.place(0, 4));
    stage.cluster.kill("b");
    stage.until(() => stage.members().length === 1);
    const atMs = ask(stage, "deep");
    stage.until(() => record(stage).deepAtMs >= atMs);
    stage.cluster.start("b");
    stage.whole();
  });
});

describe("R25: a light scrub", () => {
  test("finds an extent whose checksums a member has lost, and repairs it", () => {
    const stage = new Stage(1, TWO);
    stage.write(stage.place(3, 4));
    loseTrailer(stage, "b");
    stage.until(() => stage.cluster.whole());
    scrub(stage, "light");
    stage.whole();
    expect(found(stage, "a")["b"]?.repaired).toBe(1024);
  });

  test("finds an extent that only a member holds: it is parked there, and gone", () => {
    const stage = new Stage(1, TWO);
    stage.write(stage.place(3, 4));
    stage.write(stage.place(3, 4, 2));
    stage.pass(40_000);
    stage.cluster.kill("a", true);
    stage.cluster.host("a").medium.disk.remove(pathOf(stage, 2));
    stage.cluster.start("a");
    stage.until(() => stage.cluster.whole());
    scrub(stage, "light");
    stage.whole();
    expect(found(stage, "a")).toEqual({ b: { repaired: 0, lost: 0, differs: 4 } });
    expect(parkedOn(stage, "b")).toBe(1);
  });

  test("finds copies that differ though both verify: both are parked, and the primary's stands", () => {
    const stage = new Stage(1, TWO);
    stage.write(stage.place(0, 2));
    const { disk } = stage.cluster.host("b").medium;
    stage.pass(40_000);
    const old = new Map([...(disk.find(pathOf(stage))?.pages ?? [])].map(([page, bytes]) => [page, Buffer.from(bytes)]));
    const value = stage.write(stage.place(0, 2));
    stage.pass(40_000);
    stage.cluster.kill("b");
    for (const [page, bytes] of old) disk.find(pathOf(stage))?.pages.set(page, bytes);
    stage.cluster.start("b");
    stage.until(() => stage.cluster.whole());
    scrub(stage, "light");
    stage.whole();
    expect(found(stage, "a")).toEqual({ b: { repaired: 0, lost: 0, differs: 2 } });
    expect([parkedOn(stage, "a"), parkedOn(stage, "b")]).toEqual([1, 1]);
    expect(stage.read(stage.place(0))[0]).toBe(value);
    expect(stage.logged("copies of a group differ")).toHaveLength(1);
  });
});
