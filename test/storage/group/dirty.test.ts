import { describe, expect, test } from "bun:test";
import type { Epoch, ExtentIndex, Instance, VolumeId } from "../../../src/base/ids.ts";
import { Dirty, maskOf, wholeChunks } from "../../../src/storage/group/dirty.ts";
import { NO_ENTRY, type BlockRange, type EntryHeader } from "../../../src/wire/entry.ts";

const range = (first: number, count: number, extent = 0): BlockRange => ({ volume: 1 as VolumeId, lineage: 1 as VolumeId, layer: 0, extent: extent as ExtentIndex, first, count });
const entry = (at: BlockRange): EntryHeader => ({ ...at, epoch: 1 as Epoch, seq: 1, previous: NO_ENTRY, kind: "write", gateway: 0 as Instance, operation: 0, oldestOpen: 0, result: 0 });

describe("what a learner does not yet hold", () => {
  test("is counted in chunks of 64 KiB, over both words", () => {
    expect(maskOf({ first: 0, count: 1 })).toEqual([1, 0]);
    expect(maskOf({ first: 15, count: 2 })).toEqual([3, 0]);
    expect(maskOf({ first: 31 * 16, count: 32 })).toEqual([0x80000000, 1]);
    expect(maskOf({ first: 0, count: 1024 })).toEqual([0xffffffff, 0xffffffff]);
  });

  test("is not applied until its copy has come, and applied afterwards", () => {
    const dirty = new Dirty([range(0, 1)]);
    expect(dirty.skip(entry(range(8, 1)))).toEqual([1, 0]);
    expect(dirty.skip(entry(range(16, 1)))).toBeNull();
    dirty.clean(range(0, 16));
    expect(dirty.skip(entry(range(8, 1)))).toBeNull();
  });

  test("is everything until a manifest has covered it", () => {
    const dirty = new Dirty(null);
    expect(dirty.skip(entry(range(0, 1, 5)))).toEqual([0xffffffff, 0xffffffff]);
    dirty.passed(range(0, 0, 5), [range(0, 0, 4)]);
    expect(dirty.skip(entry(range(0, 1, 5)))).toBeNull();
    expect(dirty.skip(entry(range(0, 1, 4)))).toEqual([0xffffffff, 0xffffffff]);
    expect(dirty.skip(entry(range(0, 1, 6)))).toEqual([0xffffffff, 0xffffffff]);
    dirty.passed(null, []);
    expect(dirty.skip(entry(range(0, 1, 6)))).toBeNull();
  });

  test("is copied as whole chunks, joined, and cut at the longest piece", () => {
    const chunks = wholeChunks([range(3, 1), range(17, 1), range(100, 1), range(0, 1, 9)], 256);
    expect(chunks.map(({ extent, first, count }) => [extent, first, count])).toEqual([[0, 0, 32], [0, 96, 16], [9, 0, 16]] as never);
    expect(wholeChunks([range(0, 1024)], 256).map(({ first, count }) => [first, count])).toEqual([[0, 256], [256, 256], [512, 256], [768, 256]]);
  });
});
