import { describe, expect, test } from "bun:test";
import { FileError, type FileErrorCode } from "../../../src/platform/platform.ts";
import { moveDrive, replaceDrive } from "../../simulator/administrator.ts";
import { Chance } from "../../simulator/chance.ts";
import type { OperationKind } from "../../simulator/files.ts";
import { findPages, harmsOf, inflict } from "../../simulator/rot.ts";
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

describe("a disk that rots", () => {
  for (const kind of ["rotten block", "unreadable block", "misdirected write"] as const)
    test(`(${kind}) answers with what the other member holds, and is put right`, () => {
      const stage = new Stage();
      const values = Array.from({ length: 8 }, (_, extent) => stage.write(stage.place(3, 1, extent)));
      stage.cluster.host("a").medium.tuning.checkpointIntervalMs = 300;
      stage.cluster.restart("a");
      stage.whole();
      stage.pass(2000);
      const chance = new Chance(1, kind);
      const harms = findPages(stage.cluster, "a", kind, chance) ?? [];
      inflict(stage.cluster.host("a"), kind, harms, chance);
      expect(harmsOf(stage.cluster.host("a"), stage.group).length).toBe(kind === "misdirected write" ? 2 : 1);
      expect(stage.serving()).toEqual(["a"]);
      values.forEach((value, extent) => expect(stage.read(stage.place(3, 1, extent))[0]).toBe(value));
      stage.until(() => harmsOf(stage.cluster.host("a"), stage.group).length === 0);
      stage.whole();
    });

  test("(journal) counts as damaged after a restart and is copied anew", () => {
    const stage = new Stage();
    const values = Array.from({ length: 8 }, (_, extent) => stage.write(stage.place(3, 1, extent)));
    const chance = new Chance(1);
    stage.pass(1000);
    inflict(stage.cluster.host("b"), "rotten journal", (findPages(stage.cluster, "b", "rotten journal", chance) ?? []).slice(0, 1), chance);
    stage.cluster.restart("b");
    stage.until(() => stage.logged("the drive has lost acknowledged data").length === 1);
    stage.whole();
    expect(stage.image("b").damaged).toBe(false);
    stage.cluster.kill("a", true);
    stage.until(() => stage.serving()[0] === "b");
    values.forEach((value, extent) => expect(stage.read(stage.place(3, 1, extent))[0]).toBe(value));
  });

  test("(checkpoint) does not open again and is replaced", () => {
    const stage = new Stage();
    const value = stage.write(stage.place(0));
    const chance = new Chance(1);
    inflict(stage.cluster.host("b"), "rotten checkpoint", findPages(stage.cluster, "b", "rotten checkpoint", chance) ?? [], chance);
    stage.cluster.restart("b");
    stage.until(() => stage.cluster.host("b").failed);
    expect(stage.read(stage.place(0))[0]).toBe(value);
    replaceDrive(stage.cluster, "b");
    stage.whole();
  });

  test("(either copy of the superblock) opens by the other, and no instance is used twice", () => {
    for (const page of [0, 1]) {
      const stage = new Stage();
      const value = stage.write(stage.place(0));
      const host = stage.cluster.host("b");
      // Nothing else is written to the superblock between these two starts.
      stage.cluster.restart("b");
      stage.until(() => host.running?.drive != null);
      const { instance } = host;
      const chance = new Chance(1);
      const copies = Array.from({ length: 20 }, () => findPages(stage.cluster, "b", "rotten superblock", chance)?.[0]);
      const copy = copies.find((harm) => harm?.page === page);
      if (!copy) throw new Error("the superblock has two copies");
      inflict(host, "rotten superblock", [copy], chance);
      stage.cluster.restart("b");
      stage.whole();
      expect(host.instance).toBeGreaterThan(instance);
      expect(stage.read(stage.place(0))[0]).toBe(value);
    }
  });
});
