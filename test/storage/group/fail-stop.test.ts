import { expect, test } from "bun:test";
import { FileError } from "../../../src/platform/platform.ts";
import type { Operation } from "../../simulator/files.ts";
import { Stage } from "./stage.ts";

const CASES: readonly [string, (operation: Operation<unknown>) => boolean][] = [
  ["a journal write", ({ kind, path }) => kind === "durable write" && path.includes("/journal/")],
  ["a write to an extent", ({ kind, path }) => kind === "write" && path.includes("/extents/")],
  ["the sync of an extent and its trailer", ({ kind, path }) => kind === "sync" && path.includes("/extents/")],
  ["a checkpoint's write", ({ kind, path }) => kind === "write" && path.includes("/checkpoints/")],
  ["a checkpoint's sync", ({ kind, path }) => kind === "sync" && path.includes("/checkpoints/")],
  ["a checkpoint's rename", ({ kind, path }) => kind === "names" && path.includes("/checkpoints")],
];

for (const [what, matches] of CASES)
  test(`${what} that fails is the end of the drive's process: it is tried once, and acknowledges nothing more`, () => {
    const stage = new Stage(1, { a: "s1", b: "s2" });
    stage.write(stage.place(0));
    stage.pass(100);
    const { medium, running } = stage.cluster.host("b");
    let failed = 0;
    medium.fault = (operation) => {
      if (!matches(operation)) return null;
      failed += 1;
      return new FileError("EIO", operation.path);
    };
    const begun = stage.begin(stage.place(1));
    stage.until(() => running?.process.alive === false, 90_000);
    expect(failed).toBe(1);
    // I2 is checked with each acknowledgement: the group goes on without it.
    stage.until(() => begun.result === "done");
    stage.until(() => stage.members().join() === "a");
    expect(stage.read(stage.place(1))[0]).toBe(begun.value);
  });

test("a parked copy that cannot be written is the end of the process, too: nothing is overwritten after it", () => {
  const stage = new Stage(1, { a: "s1", b: "s2" });
  stage.write(stage.place(0));
  stage.pass(100);
  const { medium, running } = stage.cluster.host("b");
  medium.fault = ({ kind, path }) => (kind === "sync" && path.includes("/parked/") ? new FileError("EIO", path) : null);
  const range = { volume: stage.volume, lineage: stage.volume, layer: 0, extent: 0, first: 0, count: 1 };
  let parked = false;
  running?.process.happen(() => void running.drive?.park(stage.group, range as never, "a test", []).then(() => (parked = true), () => undefined));
  stage.until(() => running?.process.alive === false);
  expect(parked).toBe(false);
});
