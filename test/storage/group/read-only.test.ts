import { describe, expect, test } from "bun:test";
import { keys, type Observed } from "../../../src/cluster/schema.ts";
import { Stage } from "./stage.ts";

/** What the drive has told the store about the stage's group. */
function word(stage: Stage, name: string): Observed["groups"][number] | undefined {
  const text = stage.cluster.store.find(keys.observed(stage.cluster.host(name).id))?.value;
  return (JSON.parse(text ?? `{"groups":[]}`) as Observed).groups.find(({ group }) => group === stage.group);
}

describe("R7b: a group of which nobody whole would remain", () => {
  test("waits, says so, and serves again when what is whole is back", () => {
    const stage = new Stage();
    const value = stage.write(stage.place(0));
    for (const name of ["a", "b"]) {
      stage.cluster.kill(name);
      stage.image(name).damaged = true;
    }
    stage.cluster.start("b");
    stage.cluster.start("a");
    stage.until(() => word(stage, "a")?.state === "waiting");
    expect(word(stage, "a")?.waitingFor).toBe("damaged-copy");
    const { members } = stage.cluster.config(stage.group);
    stage.pass(20_000);
    expect(stage.serving()).toEqual([]);
    expect(stage.cluster.config(stage.group).members).toEqual(members);
    stage.cluster.kill("b");
    stage.image("b").damaged = false;
    stage.cluster.start("b");
    stage.until(() => stage.serving()[0] !== undefined);
    expect(word(stage, stage.serving()[0] as string)?.state).not.toBe("waiting");
    expect(stage.read(stage.place(0))[0]).toBe(value);
  });

  test("waits too when its primary finds that the others are damaged and it lacks something itself", () => {
    const stage = new Stage();
    stage.write(stage.place(0));
    stage.cluster.kill("a");
    stage.cluster.kill("b");
    // What was acknowledged after this, a lost; b is damaged.
    const { committed } = stage.image("b");
    stage.image("b").damaged = true;
    stage.image("b").committed = { epoch: committed.epoch, seq: committed.seq + 10 };
    stage.cluster.start("a");
    stage.cluster.start("b");
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
    const { running } = stage.cluster.host("a");
    if (!running) throw new Error("a runs");
    running.drive.hung = true;
    stage.begin(stage.place(0));
    stage.until(() => word(stage, "a")?.waitingFor === "hung-journal");
    running.drive.unhang();
    stage.until(() => word(stage, "a")?.state === "serving");
  });
});
