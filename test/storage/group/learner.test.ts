import { afterEach, describe, expect, test } from "bun:test";
import { compareIds } from "../../../src/wire/entry.ts";
import { FORGETS_ALL, giveAll, keep, whenDelivered, withhold } from "./recovery-stage.ts";
import { trailerOf } from "./rot.ts";
import { Stage } from "./stage.ts";

afterEach(giveAll);

/** b is away while block 1 changes, and stays a learner after its return since nobody gives that block. */
function keptLearner(stage: Stage): void {
  stage.write(stage.place(0, 64));
  stage.cluster.kill("b");
  stage.until(() => !stage.members().includes("b"));
  stage.write(stage.place(1));
  stage.write(stage.place(40));
  stage.pass(200);
  withhold(1);
  stage.cluster.start("b");
  stage.until(() => stage.logged("cannot be copied to a learner").length > 0);
  stage.pass(100);
}

describe("X20: a live write into a chunk that a learner does not have in sync", () => {
  test("does not give it the primary's version without its content, and is copied later", () => {
    const stage = new Stage();
    keptLearner(stage);
    const before = trailerOf(stage, "b").checksums[2];
    const value = stage.write(stage.place(2));
    stage.pass(100);
    expect(compareIds(stage.image("b").log.last, stage.image("a").log.last)).toBe(0);
    expect(trailerOf(stage, "b").checksums[2]).toBe(before as number);
    expect(compareIds(trailerOf(stage, "b").version, trailerOf(stage, "a").version)).toBeLessThan(0);
    // In a chunk that is in sync it is applied at once.
    stage.write(stage.place(50));
    stage.pass(100);
    expect(trailerOf(stage, "b").checksums[50]).toBe(trailerOf(stage, "a").checksums[50] as number);
    giveAll();
    stage.whole();
    expect(stage.read(stage.place(2))[0]).toBe(value);
  });
});

describe("X20: an extent that a learner holds in part", () => {
  test("is not taken for the same by its version, which a live write into a chunk in sync has set", () => {
    const stage = new Stage();
    keep(stage, FORGETS_ALL);
    keptLearner(stage);
    stage.write(stage.place(50));
    stage.pass(100);
    expect(trailerOf(stage, "b").version).toEqual(trailerOf(stage, "a").version);
    expect(trailerOf(stage, "b").checksums[1]).not.toBe(trailerOf(stage, "a").checksums[1] as number);
    stage.cluster.kill("b");
    for (let extent = 1; extent < 10; extent += 1) stage.write(stage.place(7, 1, extent));
    stage.pass(3000);
    giveAll();
    stage.cluster.start("b");
    stage.whole();
    expect(stage.logged("bringing a learner into sync").at(-1)).toContain("manifests");
  });
});

describe("X19: a learner that is killed before everything is copied", () => {
  test("counts from what it held completely, not from what it journalled live", () => {
    const stage = new Stage();
    keptLearner(stage);
    const { completeThrough } = stage.image("b");
    stage.write(stage.place(3));
    stage.pass(100);
    expect(compareIds(stage.image("b").log.last, completeThrough)).toBeGreaterThan(0);
    stage.cluster.kill("b");
    stage.pass(200);
    stage.write(stage.place(60));
    stage.cluster.start("b");
    stage.pass(3000);
    expect(stage.image("b").incomplete).toBe(true);
    expect(stage.image("b").completeThrough).toEqual(completeThrough);
    expect(stage.members()).toEqual(["a"]);
    giveAll();
    stage.whole();
  });

  test("is no whole copy to a reconcile: the group waits for one that is", () => {
    const stage = new Stage();
    keptLearner(stage);
    const value = stage.write(stage.place(70));
    stage.cluster.kill("a", true);
    stage.pass(30_000);
    expect(stage.serving()).toEqual([]);
    expect(stage.cluster.config(stage.group).members).toEqual([stage.cluster.host("a").id]);
    stage.cluster.start("a");
    stage.until(() => stage.serving().length === 1);
    giveAll();
    stage.whole();
    expect(stage.read(stage.place(70))[0]).toBe(value);
  });
});

describe("X17: a learner whose taking in is not settled", () => {
  test("holds everything that is acknowledged meanwhile, when the change took effect without an answer", () => {
    const stage = new Stage();
    stage.cluster.kill("b");
    stage.until(() => stage.members().length === 1);
    for (let block = 0; block < 64; block += 4) stage.write(stage.place(block));
    let asked = 0;
    // Took effect; no answer comes, nor to any later try or question.
    stage.cluster.fate = ({ puts }, client) => {
      if (client !== "a" || !puts?.some(({ key, value }) => key.startsWith("pg/") && /"members":\["\w+","\w+"\]/.test(value))) return "normal";
      asked += 1;
      stage.cluster.time.timer(20, () => stage.cluster.host("a").running?.client.setReachable(false));
      return "unanswered";
    };
    stage.cluster.start("b");
    stage.until(() => asked > 0);
    stage.cluster.block("s1", "s2");
    const begun = stage.begin(stage.place(0));
    stage.until(() => stage.members().length === 2, 2000);
    stage.pass(1000);
    expect(begun.result).toBeNull();
    stage.cluster.block("g", "s1");
    stage.cluster.kill("a", true);
    stage.cluster.fate = () => "normal";
    stage.until(() => stage.serving()[0] === "b", 10_000);
    stage.until(() => begun.result === "done");
    expect(stage.read(stage.place(0))[0]).toBe(begun.value);
    stage.cluster.network.unblockAll();
    stage.cluster.start("a");
    stage.whole();
  });
});

describe("X23: an extent that a write makes", () => {
  for (const moment of ["manifest", "differs"] as const)
    test(`after the first ${moment === "manifest" ? "manifest was sent" : "comparison came back"} is not dropped by the learner as not listed`, () => {
      const stage = new Stage();
      keep(stage, FORGETS_ALL);
      for (let extent = 0; extent < 80; extent += 2) stage.write(stage.place(7, 1, extent));
      stage.pass(1500);
      stage.cluster.kill("b");
      stage.until(() => stage.members().length === 1);
      for (let extent = 0; extent < 80; extent += 2) stage.write(stage.place(9, 1, extent));
      stage.pass(1500);
      const made: { value: number }[] = [];
      whenDelivered(stage, ({ type }) => {
        if (type !== moment) return false;
        // In the interval of this manifest, and of those to come.
        stage.cluster.time.soon(() => void made.push(...[1, 11, 33, 51, 79, 81].map((extent) => stage.begin(stage.place(5, 1, extent)))));
        return true;
      });
      stage.cluster.start("b");
      stage.until(() => made.length === 6);
      stage.whole();
      expect(stage.logged("manifests").length).toBeGreaterThan(0);
      for (const [index, extent] of [1, 11, 33, 51, 79, 81].entries()) expect(stage.read(stage.place(5, 1, extent))[0]).toBe(made[index]?.value as number);
    });
});

describe("X24: an extent that was unmapped while a copy was away", () => {
  for (const keeping of [FORGETS_ALL, { ...FORGETS_ALL, changes: 1000 }])
    test(`is gone from that copy, too, ${keeping === FORGETS_ALL ? "when the learner is compared" : "when the log was cut"}`, () => {
      const stage = new Stage();
      keep(stage, keeping);
      for (let extent = 0; extent < 6; extent += 1) stage.write(stage.place(7, 2, extent));
      stage.pass(1500);
      stage.cluster.kill("b");
      stage.until(() => stage.members().length === 1);
      stage.unmap(stage.place(7, 2, 3));
      stage.unmap(stage.place(7, 1, 4));
      for (let block = 0; block < 20; block += 1) stage.write(stage.place(block, 1, 5));
      stage.pass(1500);
      stage.cluster.start("b");
      stage.whole();
      expect(stage.logged("bringing a learner into sync").at(-1)?.includes("manifests")).toBe(keeping === FORGETS_ALL);
      expect(stage.cluster.host("b").running?.drive?.extents().map(({ extent }) => Number(extent)).sort()).toEqual([0, 1, 2, 4, 5]);
    });
});
