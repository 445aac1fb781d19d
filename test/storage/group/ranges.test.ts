import { describe, expect, test } from "bun:test";
import type { ExtentIndex, VolumeId } from "../../../src/base/ids.ts";
import { RangeTable } from "../../../src/storage/group/ranges.ts";
import type { BlockRange } from "../../../src/wire/entry.ts";

const range = (first: number, count: number, extent = 0): BlockRange => ({ volume: 1 as VolumeId, lineage: 1 as VolumeId, layer: 0, extent: extent as ExtentIndex, first, count });

describe("the ranges of a group at its primary", () => {
  test("writes in flight do not keep each other out", () => {
    const table = new RangeTable();
    table.startWrite(range(0, 4));
    let admitted = false;
    table.admitWrite(range(2, 4), () => (admitted = true));
    expect(admitted).toBe(true);
  });

  test("a reader waits for an overlapping write in flight, and not for another one", () => {
    const table = new RangeTable();
    const write = range(0, 4);
    table.startWrite(write);
    const read: number[] = [];
    table.read(range(3, 1), () => read.push(3));
    table.read(range(4, 1), () => read.push(4));
    table.read(range(0, 1, 7), () => read.push(7));
    expect(read).toEqual([4, 7]);
    table.endWrite(write);
    expect(read).toEqual([4, 7, 3]);
  });

  test("a reader learns that a write of its range has begun since", () => {
    const table = new RangeTable();
    let overtaken: () => boolean = () => false;
    table.read(range(0, 4), (reader) => (overtaken = () => reader.overtaken));
    table.startWrite(range(4, 1));
    expect(overtaken()).toBe(false);
    table.startWrite(range(3, 1));
    expect(overtaken()).toBe(true);
  });

  test("a lock waits for overlapping writes and keeps new ones out until it is released", () => {
    const table = new RangeTable();
    const log: string[] = [];
    const write = range(0, 1);
    table.startWrite(write);
    let release: () => void = () => {};
    table.lock(range(0, 2), (done) => {
      log.push("locked");
      release = done;
    });
    table.admitWrite(range(1, 1), () => log.push("written"));
    table.admitWrite(range(2, 1), () => log.push("beside"));
    expect(log).toEqual(["beside"]);
    table.endWrite(write);
    expect(log).toEqual(["beside", "locked"]);
    release();
    expect(log).toEqual(["beside", "locked", "written"]);
  });

  test("locks of one range are granted in the order in which they were asked for", () => {
    const table = new RangeTable();
    const order: number[] = [];
    const releases: (() => void)[] = [];
    for (const n of [1, 2, 3]) table.lock(range(0, 8), (release) => {
      order.push(n);
      releases.push(release);
    });
    expect(order).toEqual([1]);
    releases[0]?.();
    expect(order).toEqual([1, 2]);
    releases[1]?.();
    expect(order).toEqual([1, 2, 3]);
  });

  test("a write may begin inside its own lock", () => {
    const table = new RangeTable();
    const merged = range(5, 1);
    let read = false;
    table.lock(range(5, 1), (release) => {
      table.startWrite(merged);
      release();
    });
    table.read(range(5, 1), () => (read = true));
    expect(read).toBe(false);
    table.endWrite(merged);
    expect(read).toBe(true);
  });

  test("a closed gate lets nothing in, tells when all has ended, and lets everything go on when it opens", () => {
    const table = new RangeTable();
    const log: string[] = [];
    const write = range(0, 1);
    table.startWrite(write);
    table.closeGate(() => log.push("idle"));
    table.admitWrite(range(9, 1), () => log.push("write"));
    table.lock(range(8, 1), (release) => {
      log.push("lock");
      release();
    });
    table.read(range(9, 1), () => log.push("read"));
    expect(log).toEqual(["read"]);
    table.endWrite(write);
    expect(log).toEqual(["read", "idle"]);
    table.openGate();
    expect(log).toEqual(["read", "idle", "write", "lock"]);
  });

  test("a write that begins while others of its extent end is not forgotten: a read waits for it, and it ends", () => {
    const table = new RangeTable();
    const [before, after] = [range(0, 1), range(5, 1)];
    table.startWrite(before);
    // A copy to a learner whose catch-up was given up meanwhile, and the gate of a manifest likewise.
    table.lock(range(0, 2), (release) => release());
    table.closeGate(() => table.openGate());
    table.admitWrite(after, () => table.startWrite(after));
    table.endWrite(before);
    let read = false;
    table.read(range(5, 1), () => (read = true));
    expect(read).toBe(false);
    table.endWrite(after);
    expect(read).toBe(true);
  });
});
