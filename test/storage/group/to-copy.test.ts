import { describe, expect, test } from "bun:test";
import type { Epoch, ExtentIndex, VolumeId } from "../../../src/base/ids.ts";
import { ToCopy } from "../../../src/storage/group/to-copy.ts";
import { BLOCKS_PER_CHUNK } from "../../../src/base/geometry.ts";
import type { BlockRange, EntryId } from "../../../src/wire/entry.ts";

const chunk = (number: number): BlockRange => ({ volume: 1 as VolumeId, lineage: 1 as VolumeId, layer: 0, extent: 0 as ExtentIndex, first: number * BLOCKS_PER_CHUNK, count: BLOCKS_PER_CHUNK });
const id = (seq: number): EntryId => ({ epoch: 20 as Epoch, seq });

describe("what is to be copied to a learner", () => {
  // The entry that made the newer version was assigned before the catch-up began, so no live write told of it.
  test("never sets an extent's version back when a copy that was read earlier is sent later", () => {
    const toCopy = new ToCopy();
    toCopy.add({ ...chunk(0), count: 1 });
    toCopy.add({ ...chunk(5), count: 1 });
    expect(toCopy.version(chunk(5), id(434), id(434))).toEqual(id(434));
    toCopy.copied(chunk(5), 1);
    expect(toCopy.version(chunk(0), id(429), id(434))).toEqual(id(434));
  });

  test("is not as new as the log's end because of blocks that were never written", () => {
    const toCopy = new ToCopy();
    toCopy.add({ ...chunk(0), count: 1 });
    toCopy.add({ ...chunk(5), count: 1 });
    expect(toCopy.version(chunk(5), null, id(29))).toEqual(id(29));
    expect(toCopy.version(chunk(0), id(9), id(29))).toEqual(id(9));
  });

  test("brings the version of a live write that was assigned while it was read", () => {
    const toCopy = new ToCopy();
    toCopy.add({ ...chunk(0), count: 1 });
    toCopy.wrote({ ...chunk(0), count: 1 }, id(7));
    expect(toCopy.version(chunk(0), id(3), id(7))).toEqual(id(7));
  });
});
