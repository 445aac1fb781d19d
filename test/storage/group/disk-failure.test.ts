import { describe, expect, test } from "bun:test";
import { FileError, type FileErrorCode } from "../../../src/platform/platform.ts";
import { moveDrive, replaceDrive } from "../../simulator/administrator.ts";
import type { OperationKind } from "../../simulator/files.ts";
import { Stage } from "./stage.ts";

const FAILURES: readonly (readonly [what: string, kind: OperationKind, code: FileErrorCode, below: string])[] = [
  ["whose journal cannot be written", "durable write", "EIO", "/journal/"],
  ["whose sync fails", "sync", "EIO", ""],
  ["whose extents cannot be written", "write", "EIO", "/extents/"],
  ["that is full in spite of its credits", "write", "ENOSPC", "/extents/"],
  ["whose extents cannot be opened", "names", "EIO", "/extents/"],
];

function fail(stage: Stage, name: string, kind: OperationKind, code: FileErrorCode, below: string): void {
  stage.cluster.host(name).medium.fault = (operation) => (operation.kind === kind && operation.path.includes(below) ? new FileError(code, operation.path) : null);
}

for (const [what, kind, code, below] of FAILURES)
  describe(`a drive ${what}`, () => {
    for (const name of ["a", "b"])
      test(`${name === "a" ? "as the primary" : "as another member"} ends its process for good; the group goes on, and an empty drive takes its place`, () => {
        const stage = new Stage();
        stage.cluster.host(name).medium.tuning.checkpointIntervalMs = 300;
        // Opened anew, so that the next interval is the short one and nothing is in its caches.
        stage.cluster.restart(name, true);
        stage.whole();
        fail(stage, name, kind, code, below);
        const value = stage.write(stage.place(0, 3, 5));
        stage.until(() => stage.cluster.host(name).failed);
        expect(stage.logged(`${name} ends with drive-failed`)).toHaveLength(1);
        const other = name === "a" ? "b" : "a";
        stage.until(() => stage.serving()[0] === other && stage.members().join("") === other);
        expect(stage.read(stage.place(0, 3, 5))[0]).toBe(value);
        // Its supervisor does not start it again.
        stage.cluster.start(name);
        expect(stage.cluster.host(name).running).toBeNull();
        replaceDrive(stage.cluster, name);
        stage.whole();
        expect(stage.read(stage.place(0, 3, 5))[0]).toBe(value);
      });
  });

describe("a drive", () => {
  test("that is put into another server takes part from there, with what it holds", () => {
    const stage = new Stage();
    const value = stage.write(stage.place(0));
    moveDrive(stage.cluster, "b", "s3");
    stage.whole();
    stage.cluster.kill("a", true);
    stage.until(() => stage.serving()[0] === "b");
    expect(stage.read(stage.place(0))[0]).toBe(value);
  });

  test("that its process lost to power, and before that to a kill, opens with what it had said was durable", () => {
    const stage = new Stage();
    for (const host of stage.cluster.hosts.values()) host.medium.tuning.checkpointIntervalMs = 300;
    const values = Array.from({ length: 30 }, (_, block) => stage.write(stage.place(block, 1, block % 7)));
    for (let round = 0; round < 4; round += 1) {
      stage.cluster.restart("b");
      stage.pass(40 + 100 * round);
      for (const server of ["s1", "s2"]) stage.cluster.powerOff(server);
      for (const server of ["s1", "s2"]) stage.cluster.powerOn(server);
      stage.whole();
      values.forEach((value, block) => expect(stage.read(stage.place(block, 1, block % 7))[0]).toBe(value));
    }
  });
});
