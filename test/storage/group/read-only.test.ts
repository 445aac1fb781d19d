import { describe, expect, test } from "bun:test";
import { keys, type Observed } from "../../../src/cluster/schema.ts";
import type { ReplicaImage } from "../../../src/storage/drive/image.ts";
import { Stage } from "./stage.ts";

/** What the drive has told the store about the stage's group. */
function word(stage: Stage, name: string): Observed["groups"][number] | undefined {
  const text = stage.cluster.store.find(keys.observed(stage.cluster.host(name).id))?.value;
  return (JSON.parse(text ?? `{"groups":[]}`) as Observed).groups.find(({ group }) => group === stage.group);
}

/** Starts a drive that finds something wrong with its copy as soon as it is open. */
function startHurt(stage: Stage, name: string, hurt: (image: ReplicaImage) => void): void {
  stage.cluster.start(name);
  stage.until(() => stage.cluster.host(name).running?.drive?.images.has(stage.group) === true);
  hurt(stage.cluster.host(name).running?.drive?.images.get(stage.group) as ReplicaImage);
}

describe("R7b: a group of which nobody whole would remain", () => {
  test("waits, says so, and serves again when what is whole is back", () => {
    const stage = new Stage();
    const value = stage.write(stage.place(0));
    for (const name of ["a", "b"]) stage.cluster.kill(name);
    for (const name of ["a", "b"]) startHurt(stage, name, (image) => (image.damaged = true));
    stage.until(() => word(stage, "a")?.waitingFor === "damaged-copy");
    const { members } = stage.cluster.config(stage.group);
    stage.pass(20_000);
    expect(stage.serving()).toEqual([]);
    expect(stage.cluster.config(stage.group).members).toEqual(members);
    // What was wrong with b's was in memory alone.
    stage.cluster.restart("b");
    stage.until(() => stage.serving()[0] !== undefined);
    expect(word(stage, stage.serving()[0] as string)?.state).not.toBe("waiting");
    expect(stage.read(stage.place(0))[0]).toBe(value);
  });

  test("waits too when its primary finds that it lacks something itself and the others are damaged", () => {
    const stage = new Stage();
    stage.write(stage.place(0));
    for (const name of ["a", "b"]) stage.cluster.kill(name);
    startHurt(stage, "b", (image) => {
      image.damaged = true;
      image.committed = { epoch: image.committed.epoch, seq: image.committed.seq + 10 };
    });
    stage.cluster.start("a");
    stage.until(() => word(stage, "a")?.waitingFor === "no-whole-copy");
    const { members } = stage.cluster.config(stage.group);
    stage.pass(20_000);
    expect(stage.serving()).toEqual([]);
    expect(stage.cluster.config(stage.group).members).toEqual(members);
  });

  test("counts as waiting while the only member's journal hangs", () => {
    const stage = new Stage();
    stage.cluster.kill("b");
    stage.until(() => stage.members().length === 1);
    stage.write(stage.place(0));
    stage.cluster.hang("a");
    stage.begin(stage.place(0));
    stage.until(() => word(stage, "a")?.waitingFor === "hung-journal");
    stage.cluster.unhang("a");
    stage.until(() => word(stage, "a")?.state === "serving");
  });
});
