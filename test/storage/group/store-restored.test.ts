import { describe, expect, test } from "bun:test";
import type { VolumeId } from "../../../src/base/ids.ts";
import { keys } from "../../../src/cluster/schema.ts";
import { RestoreStage } from "./restored.ts";

/** b writes on alone; the backup still names a and b. */
function aloneAfterBackup(stage: RestoreStage) {
  stage.write(stage.place(0));
  const backup = stage.cluster.store.backup();
  stage.cluster.kill("a");
  stage.until(() => stage.members().join() === "b");
  const value = stage.write(stage.place(0));
  return { backup, value, epoch: stage.cluster.config(stage.group).epoch };
}

describe("a store that was restored from a backup", () => {
  // X28
  test("does not let an outdated drive lead and overwrite what another wrote alone since", () => {
    const stage = new RestoreStage();
    const { backup, value, epoch } = aloneAfterBackup(stage);
    stage.killAll();
    stage.restore(backup, "restored");
    stage.cluster.start("a");
    stage.cluster.start("c");
    stage.pass(30_000);
    expect(stage.serving()).toEqual([]);
    expect(stage.logged("Bring them back").length).toBeGreaterThan(0);
    stage.cluster.start("b");
    stage.restored();
    expect(stage.read(stage.place(0))[0]).toBe(value);
    // X29: no epoch is used a second time.
    expect(stage.cluster.config(stage.group).epoch).toBeGreaterThan(epoch);
    stage.whole();
    expect(stage.read(stage.place(0))[0]).toBe(value);
  });

  test("is found out by what a drive remembers although the store does not know that it went back", () => {
    const stage = new RestoreStage();
    const { backup, value } = aloneAfterBackup(stage);
    stage.killAll();
    stage.restore(backup);
    stage.cluster.startAll();
    stage.restored();
    expect(stage.read(stage.place(0))[0]).toBe(value);
    stage.whole();
  });

  test("is found out while everything runs, and every acknowledged write is there afterwards", () => {
    const stage = new RestoreStage();
    stage.write(stage.place(0));
    const backup = stage.cluster.store.backup();
    stage.cluster.restart("b");
    stage.until(() => stage.cluster.whole());
    const value = stage.write(stage.place(0));
    const begun = stage.begin(stage.place(9));
    stage.restore(backup);
    stage.restored();
    stage.until(() => begun.result === "done");
    expect(stage.read(stage.place(0))[0]).toBe(value);
    stage.whole();
    expect(stage.record().incarnation).toBe(2);
  });

  test("is adopted once, whoever leads and however often the leader is killed or cut off from an answer", () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const stage = new RestoreStage(1, seed);
      const { backup, value } = aloneAfterBackup(stage);
      stage.killAll();
      stage.restore(backup, "restored");
      let count = 0;
      stage.cluster.fate = (_transaction, client) => {
        if (client !== "monitor") return "normal";
        count += 1;
        if (count % 3 === seed % 3) stage.cluster.time.soon(() => stage.lead());
        return count % 3 === seed % 3 ? (count % 2 === 0 ? "unanswered" : { lateMs: 3000 }) : "normal";
      };
      stage.cluster.startAll();
      for (let time = 0; time < 6; time += 1) {
        stage.pass(700 + seed * 130);
        stage.cluster.restart(["a", "b", "c"][time % 3] as string);
      }
      stage.restored();
      stage.cluster.fate = () => "normal";
      expect(stage.read(stage.place(0))[0]).toBe(value);
      stage.whole();
    }
  });

  test("may be restored a second time from the same backup", () => {
    const stage = new RestoreStage();
    const { backup } = aloneAfterBackup(stage);
    stage.killAll();
    stage.restore(backup, "restored");
    stage.cluster.startAll();
    stage.restored();
    stage.whole();
    const value = stage.write(stage.place(0));
    stage.restore(backup, "restored again");
    stage.restored();
    expect(stage.record().incarnation).toBe(3);
    expect(stage.read(stage.place(0))[0]).toBe(value);
    stage.whole();
  });

  test("may be taken back once more while it is being restored: who has reported already reports again", () => {
    const stage = new RestoreStage();
    const { backup, value } = aloneAfterBackup(stage);
    stage.killAll();
    stage.restore(backup, "restored");
    stage.cluster.start("a");
    const report = (name: string): string => keys.recovery(stage.cluster.host(name).id);
    stage.until(() => stage.record().restore?.done === false && stage.cluster.store.find(report("a")) !== null);
    stage.pass(1000);
    const half = stage.cluster.store.backup();
    stage.cluster.start("b");
    stage.until(() => stage.cluster.store.find(report("b")) !== null);
    stage.restore(half);
    stage.cluster.start("c");
    stage.restored();
    expect(stage.read(stage.place(0))[0]).toBe(value);
    stage.whole();
  });

  // X30
  test("purges nothing that it does not know, and lets the tombstones come back of what the drives know to be deleted", () => {
    const stage = new RestoreStage();
    const backup = stage.cluster.store.backup();
    const id = 1 as VolumeId;
    stage.write(stage.place(0));
    // To a backup of before, this volume's data belongs to nobody.
    const before = { ...backup, entries: backup.entries.filter(({ key }) => key !== keys.volume(id)) };
    stage.restore(before, "before it was made");
    stage.restored();
    stage.pass(20_000);
    for (const name of ["a", "b"]) expect(stage.extents(name)).toBe(1);
    // R21: it is told of.
    const unknown = (): unknown => (JSON.parse(stage.cluster.store.find(keys.observed(stage.cluster.host("a").id))?.value ?? "{}") as { unknownVolumes?: number[] }).unknownVolumes;
    stage.until(() => Array.isArray(unknown()));
    expect(unknown()).toEqual([1]);
    stage.cluster.put(keys.volume(id), JSON.parse(backup.entries.find(({ key }) => key === keys.volume(id))?.value ?? ""));
    stage.pass(1000);
    const value = stage.write(stage.place(0));
    expect(stage.read(stage.place(0))[0]).toBe(value);
    stage.cluster.deleteVolume(1);
    stage.until(() => ["a", "b"].every((name) => stage.extents(name) === 0));
    stage.restore(backup, "before it was deleted");
    stage.restored();
    expect(stage.cluster.store.find(keys.tombstone(id))).not.toBeNull();
    expect(stage.cluster.store.find(keys.volume(id))).toBeNull();
  });

  test("is obeyed again without a restore when it was the wrong one and the right one is put back", () => {
    const stage = new RestoreStage();
    const { backup, value } = aloneAfterBackup(stage);
    const right = stage.cluster.store.backup();
    stage.killAll();
    stage.restore(backup, "wrong");
    stage.cluster.start("b");
    stage.pass(300);
    stage.restore(right);
    stage.cluster.startAll();
    stage.until(() => stage.serving().length === 1);
    expect(stage.read(stage.place(0))[0]).toBe(value);
    expect(stage.record().restore).toBeUndefined();
    stage.whole();
  });
});

// R22
test("a disk whose drive is alive elsewhere reports nothing in its name to a store that was restored", () => {
  const stage = new RestoreStage();
  stage.write(stage.place(0));
  const { id } = stage.cluster.host("c");
  stage.cluster.kill("c");
  stage.restore(stage.cluster.store.backup(), "restored");
  stage.cluster.put(keys.drive(id), { id, server: "elsewhere", address: "elsewhere", port: 1, instance: 1, capacityBytes: 1 });
  stage.cluster.put(keys.upDrive(id), { instance: 1, sinceMs: 0 });
  stage.until(() => stage.record().restore?.done === false);
  stage.cluster.start("c");
  stage.pass(8000);
  expect(stage.cluster.store.find(keys.recovery(id))).toBeNull();
  stage.cluster.store.apply({ compares: [], deletes: [keys.upDrive(id)] });
  stage.restored();
  stage.whole();
});

describe("a drive that was away while the store was restored", () => {
  test("serves nothing and confirms nothing when it comes back after the others were adopted without it", () => {
    const stage = new RestoreStage();
    stage.write(stage.place(0));
    stage.cluster.kill("c");
    // Nobody names c any more.
    stage.cluster.store.apply({ compares: [], deletes: [keys.drive(stage.cluster.host("c").id)] });
    const backup = stage.cluster.store.backup();
    stage.restore(backup, "restored");
    stage.restored();
    stage.cluster.plan(stage.group, ["a", "c"]);
    stage.cluster.start("c");
    stage.pass(30_000);
    expect(stage.members()).toEqual(["a", "b"]);
    expect(stage.logged("c error this drive does not obey").length).toBeGreaterThan(0);
  });
});
