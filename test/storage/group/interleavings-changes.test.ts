import { describe, expect, test } from "bun:test";
import { Chance } from "../../simulator/chance.ts";
import { findPages, inflict } from "../../simulator/rot.ts";
import type { Transaction } from "../../../src/platform/store.ts";
import type { TransactionFate } from "../../../src/platform/store/memory.ts";
import { Asker } from "./asker.ts";
import { Stage } from "./stage.ts";

const changesGroup = ({ puts }: Transaction): boolean => puts?.some(({ key }) => key.startsWith("pg/")) ?? false;
/** What becomes of the first change of the group's configuration that the drive sends; the others are normal. Tells how many there were. */
function firstChange(stage: Stage, name: string, fate: TransactionFate): () => number {
  let count = 0;
  stage.cluster.fate = (transaction, client) => {
    if (client !== name || !changesGroup(transaction)) return "normal";
    count += 1;
    return count === 1 ? fate : "normal";
  };
  return () => count;
}
function apart(stage: Stage, one: string, other: string): void {
  stage.cluster.block(one, other);
  stage.cluster.block(other, one);
}

describe("X13: a drive whose journal rotted in the middle of what was acknowledged", () => {
  function rotten(): { stage: Stage; values: number[] } {
    const stage = new Stage();
    const values = Array.from({ length: 8 }, (_, extent) => stage.write(stage.place(3, 1, extent)));
    stage.pass(1000);
    for (const name of ["a", "b"]) stage.cluster.kill(name);
    return { stage, values };
  }
  function rots(stage: Stage, name: string): void {
    const chance = new Chance(1);
    // An early one: good batches follow, so that this is no torn end.
    inflict(stage.cluster.host(name), "rotten journal", (findPages(stage.cluster, name, "rotten journal", chance) ?? []).slice(0, 1), chance);
  }
  function holds(stage: Stage, values: readonly number[]): void {
    values.forEach((value, extent) => expect(stage.read(stage.place(3, 1, extent))[0]).toBe(value));
    stage.whole();
    values.forEach((value, extent) => expect(stage.read(stage.place(3, 1, extent))[0]).toBe(value));
  }

  test("takes over from nobody, and overwrites nothing when the other returns", () => {
    const { stage, values } = rotten();
    rots(stage, "b");
    stage.cluster.publishDeath("a");
    stage.cluster.start("b");
    stage.pass(30_000);
    expect(stage.image("b").damaged).toBe(true);
    expect(stage.serving()).toEqual([]);
    stage.cluster.start("a");
    holds(stage, values);
  });

  test("hands over when it is the configuration's primary itself", () => {
    const { stage, values } = rotten();
    rots(stage, "a");
    stage.cluster.start("a");
    stage.cluster.start("b");
    stage.until(() => stage.serving().length === 1);
    expect(stage.serving()).toEqual(["b"]);
    holds(stage, values);
  });
});

describe("X36: a drive that starts without its journal's disk", () => {
  for (const checkpoint of ["of before the group", "of just now"] as const)
    test(`serves nothing of what it remembers otherwise, its last checkpoint being ${checkpoint}`, () => {
      const stage = new Stage();
      if (checkpoint === "of just now") stage.cluster.host("b").medium.tuning.checkpointIntervalMs = 200;
      stage.cluster.restart("b", true);
      stage.whole();
      const values = Array.from({ length: 8 }, (_, extent) => stage.write(stage.place(3, 1, extent)));
      stage.pass(2000);
      for (const name of ["a", "b"]) stage.cluster.kill(name, true);
      const { disk } = stage.cluster.host("b").medium;
      const segments = [...disk.list("/drive/journal")];
      for (const name of segments) disk.remove(`/drive/journal/${name}`);
      disk.syncDirectory("/drive/journal");
      expect(segments.length).toBeGreaterThan(0);
      stage.cluster.start("b");
      stage.pass(30_000);
      expect(stage.image("b").damaged).toBe(true);
      expect(stage.serving()).toEqual([]);
      stage.cluster.start("a");
      stage.whole();
      expect(stage.image("b").damaged).toBe(false);
      stage.cluster.kill("a", true);
      stage.until(() => stage.serving()[0] === "b", 10_000);
      values.forEach((value, extent) => expect(stage.read(stage.place(3, 1, extent))[0]).toBe(value));
    });
});

describe("X15: a primary whose removal of a silent member gets no answer", () => {
  test("goes on without that member when the removal took effect, and does not wait for it for ever", () => {
    const stage = new Stage();
    const count = firstChange(stage, "a", "unanswered");
    stage.write(stage.place(0));
    stage.cluster.kill("b");
    const begun = stage.begin(stage.place(0));
    stage.until(() => begun.result !== null, 20_000);
    expect(begun.result).toBe("done");
    expect(count()).toBeGreaterThan(1);
    expect(stage.members()).toEqual(["a"]);
    expect(stage.cluster.group("a", stage.group)?.term?.epoch).toBe(stage.cluster.config(stage.group).epoch);
    expect(stage.logged("no longer primary")).toEqual([]);
    stage.cluster.start("b");
    stage.whole();
  });

  test("does not take the old configuration for an answer when it takes effect late", () => {
    const stage = new Stage();
    stage.write(stage.place(0));
    const count = firstChange(stage, "a", { lateMs: 1500 });
    const { epoch } = stage.cluster.config(stage.group);
    // b is back before the removal lands, and confirms and acknowledges as ever.
    apart(stage, "s1", "s2");
    stage.until(() => count() === 1, 5000);
    stage.cluster.network.unblockAll();
    const during = stage.begin(stage.place(1));
    stage.until(() => stage.cluster.config(stage.group).epoch > epoch, 5000);
    stage.until(() => during.result === "done");
    const after = stage.write(stage.place(2));
    stage.until(() => stage.cluster.group("a", stage.group)?.term?.epoch === stage.cluster.config(stage.group).epoch);
    expect(stage.logged("no longer primary")).toEqual([]);
    stage.whole();
    expect([stage.read(stage.place(1))[0], stage.read(stage.place(2))[0]]).toEqual([during.value, after]);
  });

  test("acknowledges nothing that the member lacks, which may be promoted when the removal never arrived", () => {
    const stage = new Stage();
    const old = stage.write(stage.place(0));
    firstChange(stage, "a", "lost");
    apart(stage, "s1", "s2");
    stage.cluster.block("g", "s2");
    const begun = stage.begin(stage.place(0));
    stage.until(() => stage.serving()[0] === "b", 10_000);
    expect(begun.result).toBeNull();
    const asker = new Asker(stage, "b");
    const answer = asker.read(stage.place(0));
    stage.until(() => answer.result !== null);
    expect(answer).toEqual({ result: "done", value: old });
    stage.cluster.network.unblockAll();
    stage.until(() => begun.result !== null);
    stage.whole();
    expect(stage.read(stage.place(0))[0]).toBe(begun.value);
  });
});

describe("X16: a store client that sends each compare-and-set twice", () => {
  /** The first copy takes effect, and what is answered is that the second was refused. */
  function repeats(stage: Stage): () => number {
    let count = 0;
    stage.cluster.fate = (transaction, client) => {
      if (client === "admin" || !changesGroup(transaction)) return "normal";
      if (stage.cluster.store.apply(transaction).outcome === "success") count += 1;
      return "normal";
    };
    return () => count;
  }
  test("lets a member know that it won: the group has a primary", () => {
    const stage = new Stage();
    const value = stage.write(stage.place(0));
    const count = repeats(stage);
    stage.cluster.kill("a", true);
    stage.until(() => stage.serving()[0] === "b", 10_000);
    expect(count()).toBe(1);
    expect(stage.read(stage.place(0))[0]).toBe(value);
    stage.cluster.start("a");
    stage.whole();
    // The learner was named, taken in, and made primary.
    expect(count()).toBeGreaterThanOrEqual(4);
  });
});

describe("X26: a primary that hands over and does not hear what came of it", () => {
  test("reads no more while the other serves", () => {
    const stage = new Stage();
    const old = stage.write(stage.place(0));
    const asker = new Asker(stage, "a");
    const early = asker.read(stage.place(0));
    stage.until(() => early.result !== null);
    expect(early.value).toBe(old);
    const { epoch } = stage.cluster.config(stage.group);
    stage.cluster.fate = (transaction, client) => {
      if (client !== "a" || !changesGroup(transaction)) return "normal";
      // It has effect; from now on a hears neither the store nor b, whose last promise still runs.
      stage.cluster.time.soon(() => {
        stage.cluster.block("s2", "s1");
        stage.cluster.block("s1", "s2");
      });
      return "unanswered";
    };
    stage.cluster.host("a").running?.store.lag();
    const running = stage.cluster.host("a").running;
    stage.cluster.plan(stage.group, ["b", "a"]);
    running?.store.catchUp();
    stage.until(() => stage.cluster.group("a", stage.group)?.state === "handing-over", 10_000);
    running?.store.lag();
    stage.until(() => stage.cluster.config(stage.group).epoch > epoch);
    running?.client.setReachable(false);
    let refused = 0;
    stage.until(() => {
      const answer = asker.read(stage.place(0));
      stage.until(() => answer.result !== null);
      expect(answer).toEqual({ result: "not-primary", value: null });
      refused += 1;
      return stage.serving()[0] === "b";
    }, 10_000);
    expect(refused).toBeGreaterThan(10);
    expect(stage.cluster.group("a", stage.group)?.state).toBe("handing-over");
    const value = stage.write(stage.place(0));
    const late = asker.read(stage.place(0));
    stage.until(() => late.result !== null);
    expect(late.result).toBe("not-primary");
    stage.cluster.fate = () => "normal";
    stage.cluster.network.unblockAll();
    running?.store.catchUp();
    running?.client.setReachable(true);
    stage.whole();
    expect(stage.read(stage.place(0))[0]).toBe(value);
  });
});
