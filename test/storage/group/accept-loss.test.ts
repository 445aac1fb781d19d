import { describe, expect, test } from "bun:test";
import { keys } from "../../../src/cluster/schema.ts";
import { differences } from "../../simulator/contents.ts";
import { PARKED } from "../../../src/storage/drive/layout.ts";
import { DIRECTORY } from "../../simulator/drive.ts";
import { LossStage } from "./losing.ts";

/** a is gone with what it alone had acknowledged; b, which had left before, has come back. */
function oldCopy(): { stage: LossStage; old: number; lost: number } {
  const stage = new LossStage();
  const old = stage.write(stage.place(0));
  stage.cluster.kill("b");
  stage.until(() => stage.members().length === 1);
  const lost = stage.write(stage.place(0));
  stage.cluster.kill("a");
  stage.cluster.start("b");
  stage.told();
  return { stage, old, lost };
}
/** Both copies are gone. */
function noCopy(): LossStage {
  const stage = new LossStage();
  stage.write(stage.place(0, 4));
  stage.cluster.kill("a");
  stage.cluster.kill("b");
  stage.told();
  return stage;
}

describe("R23: what is given up", () => {
  test("nothing while another member may come back whole", () => {
    const stage = new LossStage();
    stage.write(stage.place(0));
    stage.cluster.kill("a");
    stage.cluster.kill("b");
    stage.told();
    const plan = stage.plan(["a"]);
    expect(plan.groups).toEqual([]);
    expect(plan.left.map(({ why }) => why).join()).toContain(`it may come back with drive ${stage.cluster.host("b").id}`);
  });

  test("nothing of a group that serves", () => {
    const stage = new LossStage();
    stage.cluster.kill("b");
    stage.until(() => stage.serving().length === 1 && stage.members().length === 1);
    stage.told();
    expect(stage.plan(["b"])).toMatchObject({ groups: [], left: [] });
  });

  test("is listed with the copy that is chosen, and what it lacks", () => {
    const { stage } = oldCopy();
    const { epoch } = stage.cluster.config(stage.group);
    const [group] = stage.plan(["a"]).groups;
    expect(group?.copy?.drive).toBe(stage.cluster.host("b").id);
    expect(group?.lacks).toContain(`the group was at ${epoch}`);
    expect(group?.config.epoch).toBeGreaterThan(epoch + 1000);
  });
});

describe("R23: an old copy", () => {
  test("serves what it has, and takes writes again", () => {
    const { stage, old } = oldCopy();
    stage.pass(30_000);
    expect(stage.serving()).toEqual([]);
    stage.accept("a");
    stage.until(() => stage.serving()[0] === "b");
    expect(stage.readNow(stage.place(0))).toMatchObject({ result: "done", values: { 0: old } });
    expect(stage.readNow(stage.place(5))).toMatchObject({ result: "done", values: { 0: 0 } });
    const { value, result } = stage.writeNow(stage.place(1));
    expect(result).toBe("done");
    expect(stage.readNow(stage.place(1)).values[0]).toBe(value);
  });

  test("is not the damaged one beside it that knows less, and not by name but by what it knows", () => {
    const stage = new LossStage(2);
    stage.write(stage.place(0));
    stage.cluster.kill("c");
    stage.until(() => stage.members().length === 2);
    stage.write(stage.place(0));
    stage.cluster.kill("b");
    stage.until(() => stage.members().length === 1);
    stage.write(stage.place(0));
    stage.cluster.kill("a");
    stage.cluster.start("c");
    stage.cluster.start("b");
    stage.told();
    expect(stage.plan(["a"]).groups[0]?.copy?.drive).toBe(stage.cluster.host("b").id);
  });

  test("goes on alone when the lost drive comes back, which is copied anew and parks what it had", () => {
    const { stage, old } = oldCopy();
    stage.accept("a");
    stage.until(() => stage.serving()[0] === "b");
    const { value } = stage.writeNow(stage.place(1));
    const { epoch } = stage.cluster.config(stage.group);
    stage.cluster.start("a");
    stage.until(() => stage.image("a").givenUp);
    expect(stage.image("a").damaged).toBe(true);
    expect(stage.cluster.config(stage.group).epoch).toBeGreaterThanOrEqual(epoch);
    stage.until(() => stage.members().length === 2);
    stage.whole();
    expect(stage.image("a")).toMatchObject({ damaged: false, givenUp: false });
    expect(stage.readNow(stage.place(0)).values[0]).toBe(old);
    expect(stage.readNow(stage.place(1)).values[0]).toBe(value);
    expect(stage.cluster.host("a").medium.disk.list(`${DIRECTORY}/${PARKED}`).length).toBeGreaterThan(0);
  });

  test("is equal to the lost drive's after that also where its log says that they have always been", () => {
    // b was being copied when its source was lost: its log is a's, its content is not.
    const stage = new LossStage();
    for (let block = 0; block < 64; block += 1) stage.write(stage.place(block));
    stage.cluster.kill("b");
    stage.until(() => stage.members().length === 1);
    for (let block = 0; block < 64; block += 1) stage.write(stage.place(block));
    stage.cluster.start("b");
    stage.until(() => stage.image("b").incomplete);
    stage.cluster.kill("a");
    stage.told();
    expect(stage.image("b").incomplete).toBe(true);
    stage.accept("a");
    stage.until(() => stage.serving()[0] === "b");
    stage.cluster.start("a");
    stage.whole();
  });

  test("keeps the lost drive's copy aside when the group is whole without it", () => {
    const { stage, lost } = oldCopy();
    stage.accept("a");
    stage.until(() => stage.serving()[0] === "b");
    stage.cluster.plan(stage.group, ["b", "c"]);
    stage.until(() => stage.cluster.whole());
    stage.cluster.start("a");
    stage.pass(60_000);
    expect(stage.image("a").blank).toBe(false);
    expect(stage.cluster.host("a").running?.drive?.extents().length).toBe(1);
    expect(lost).toBeGreaterThan(0);
  });
});

describe("R23: a damaged copy", () => {
  function damaged(): { stage: LossStage; value: number } {
    const stage = new LossStage();
    const value = stage.write(stage.place(0));
    stage.pass(3000);
    stage.cluster.kill("a");
    stage.cluster.kill("b");
    stage.startDamaged("b");
    stage.told();
    return { stage, value };
  }

  test("serves by the administrator's word, and the word outlives its process", () => {
    const { stage, value } = damaged();
    expect(stage.serving()).toEqual([]);
    expect(stage.accept("a").groups[0]?.lacks).toContain("damaged");
    stage.until(() => stage.serving()[0] === "b");
    stage.cluster.restart("b");
    stage.until(() => stage.serving()[0] === "b");
    expect(stage.readNow(stage.place(0)).values[0]).toBe(value);
  });

  test("goes on wherever it is killed on the way", () => {
    for (let afterMs = 0; afterMs < 60; afterMs += 3) {
      const { stage, value } = damaged();
      stage.accept("a");
      stage.pass(afterMs);
      stage.cluster.restart("b");
      stage.until(() => stage.serving()[0] === "b");
      expect(stage.readNow(stage.place(0)).values[0]).toBe(value);
    }
  });

  test("that is damaged again later is not covered by the word", () => {
    const { stage } = damaged();
    const before = stage.cluster.config(stage.group);
    stage.accept("a");
    stage.until(() => stage.serving()[0] === "b");
    stage.writeNow(stage.place(1));
    stage.cluster.kill("b");
    // It does not even remember that it has obeyed the word.
    stage.startDamaged("b", before);
    stage.pass(30_000);
    expect(stage.serving()).toEqual([]);
    // Until an administrator says so again.
    const [again] = stage.accept("a").groups;
    expect(again?.copy?.word.damaged).toBe(true);
    stage.until(() => stage.serving()[0] === "b");
  });
});

describe("R23: no copy left", () => {
  test("what was not written since is a medium error, what was written or released is not", () => {
    const stage = noCopy();
    const [group] = stage.accept("a", "b").groups;
    expect(group?.copy).toBeNull();
    stage.until(() => stage.serving()[0] === "c");
    expect(stage.readNow(stage.place(0)).result).toBe("medium-error");
    // Also where nobody ever wrote: that is not known any more.
    expect(stage.readNow(stage.place(100)).result).toBe("medium-error");
    const { value } = stage.writeNow(stage.place(0));
    expect(stage.readNow(stage.place(0))).toMatchObject({ result: "done", values: { 0: value } });
    expect(stage.readNow(stage.place(0, 2)).result).toBe("medium-error");
    expect(stage.unmapNow(stage.place(1))).toBe("done");
    expect(stage.readNow(stage.place(0, 2))).toMatchObject({ result: "done", values: { 0: value, 8: 0 } });
  });

  test("a part of an unknown block cannot be written, nor compared", () => {
    const stage = noCopy();
    stage.accept("a", "b");
    stage.until(() => stage.serving()[0] === "c");
    const part = { ...stage.place(2), sectors: 1 };
    expect(stage.writeNow(part).result).toBe("medium-error");
    let compared: string | null = null;
    stage.later.compareAndWrite(part, 0, (result) => (compared = result));
    stage.until(() => compared !== null);
    expect(compared as string | null).toBe("medium-error");
    expect(stage.unmapNow(stage.place(2))).toBe("done");
    expect(stage.writeNow(part).result).toBe("done");
  });

  test("a whole extent may be released", () => {
    const stage = noCopy();
    stage.accept("a", "b");
    stage.until(() => stage.serving()[0] === "c");
    expect(stage.unmapNow(stage.place(0, 1024))).toBe("done");
    expect(stage.readNow(stage.place(1000, 24))).toMatchObject({ result: "done", values: { 0: 0 } });
    expect(stage.readNow(stage.place(0, 1, 3)).result).toBe("medium-error");
  });

  test("holds for copies that are made later, and after all of them were killed", () => {
    const stage = noCopy();
    stage.accept("a", "b");
    stage.until(() => stage.serving()[0] === "c");
    const { value } = stage.writeNow(stage.place(0));
    stage.unmapNow(stage.place(1));
    stage.cluster.addDrive("d", "s4");
    stage.cluster.start("d");
    stage.cluster.plan(stage.group, ["d", "c"]);
    stage.until(() => stage.cluster.whole());
    stage.cluster.kill("c");
    stage.until(() => stage.serving()[0] === "d");
    stage.cluster.restart("d");
    stage.until(() => stage.serving()[0] === "d");
    expect(stage.readNow(stage.place(0, 2))).toMatchObject({ result: "done", values: { 0: value, 8: 0 } });
    expect(stage.readNow(stage.place(2)).result).toBe("medium-error");
  });

  test("volumes created later are not touched", () => {
    const stage = noCopy();
    stage.accept("a", "b");
    stage.cluster.put(keys.volume(3 as never), { id: 3, name: "later", sizeBytes: 2 ** 30, factor: 1, lineage: 3, createdAtMs: 0 });
    stage.until(() => stage.serving()[0] === "c");
    expect(stage.readNow({ ...stage.place(0), volume: 3 })).toMatchObject({ result: "done", values: { 0: 0 } });
  });

  test("the lost drives come back as learners, and bring nothing in", () => {
    const stage = noCopy();
    stage.accept("a", "b");
    stage.until(() => stage.serving()[0] === "c");
    const { value } = stage.writeNow(stage.place(1));
    stage.cluster.start("a");
    stage.cluster.start("b");
    stage.whole();
    expect(stage.members()).toEqual(["a", "b"]);
    expect(stage.readNow(stage.place(1)).values[0]).toBe(value);
    expect(stage.readNow(stage.place(0)).result).toBe("medium-error");
  });
});

describe("R23 beside what still serves", () => {
  test("X34: a sole member that only lost the store is no primary any more when it is back, and what it acknowledged meanwhile is parked", () => {
    const stage = new LossStage();
    const { cluster } = stage;
    stage.write(stage.place(0));
    cluster.kill("b");
    stage.until(() => stage.members().length === 1 && stage.serving()[0] === "a");
    stage.write(stage.place(1));
    const reachable = (yes: boolean): void => cluster.host("a").running?.client.setReachable(yes);
    reachable(false);
    cluster.isolate("s1");
    cluster.start("b");
    stage.told();
    // By the administrator's word alone, and wrongly.
    cluster.lossOnMyWord = true;
    stage.accept("a");
    stage.until(() => cluster.group("b", stage.group)?.state === "serving");
    const { value } = stage.writeNow(stage.place(2));
    expect(cluster.group("a", stage.group)?.state).toBe("serving");
    // Both serve: that is what the word gives up. From here on a must not.
    cluster.network.unblockAll();
    reachable(true);
    stage.until(() => cluster.group("a", stage.group)?.state === "following");
    cluster.lossOnMyWord = false;
    stage.whole();
    expect(stage.readNow(stage.place(2)).values[0]).toBe(value);
    expect(stage.readNow(stage.place(1)).values[0]).toBe(0);
    expect(differences(cluster, stage.group)).toEqual([]);
  });

  test("is refused when a named drive has registered again, or a configuration has changed", () => {
    const { stage } = oldCopy();
    const before = stage.map();
    stage.cluster.start("a");
    stage.until(() => stage.serving()[0] === "a");
    stage.map = () => before;
    expect(() => stage.accept("a")).toThrow("accept-loss was refused");
    stage.cluster.failures.length = 0;
  });

  test("may be repeated, and when the chosen copy is lost as well", () => {
    const { stage } = oldCopy();
    stage.accept("a");
    expect(stage.plan(["a"]).groups).toEqual([]);
    stage.until(() => stage.serving()[0] === "b");
    stage.cluster.kill("b");
    stage.told();
    stage.accept("a", "b");
    stage.until(() => stage.serving()[0] === "c");
    expect(stage.readNow(stage.place(0)).result).toBe("medium-error");
  });
});
