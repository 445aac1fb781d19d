import { describe, expect, test } from "bun:test";
import { blockChecksum } from "../../src/platform/checksum.ts";
import { verifyBlocks, writeChecksums } from "../../src/volume/blocks.ts";
import { ArrivalClock } from "../../src/base/arrival.ts";
import { ClockBound } from "../../src/volume/stamp.ts";
import { TagTable } from "../../src/volume/tags.ts";
import { seeded } from "./fake-platform.ts";
import { pattern } from "./world.ts";

describe("tags", () => {
  test("are given once, whatever is released meanwhile, and find their item only while it is open", () => {
    const random = seeded(3);
    const table = new TagTable<number>();
    const open = new Map<number, number>();
    const given = new Set<number>();
    for (let i = 0; i < 20_000; i += 1) {
      if (open.size > 0 && random() < 0.49) {
        const tags = [...open.keys()];
        const tag = tags[Math.floor(random() * tags.length)] as number;
        expect(table.get(tag)).toBe(open.get(tag) as number);
        table.release(tag);
        open.delete(tag);
        expect(table.get(tag)).toBeNull();
      } else {
        const tag = table.take(i);
        expect(given.has(tag)).toBe(false);
        given.add(tag);
        open.set(tag, i);
      }
    }
    expect(table.open).toBe(open.size);
    for (const [tag, item] of open) expect(table.get(tag)).toBe(item);
  });

  test("run out at the end of 32 bits instead of beginning again", () => {
    const table = new TagTable<string>(0xfffffffd);
    expect(table.take("a")).toBe(0xfffffffe);
    expect(table.take("b")).toBe(0xffffffff);
    expect(table.get(0xffffffff)).toBe("b");
    expect(table.take("c")).toBe(0);
    expect(table.drain()).toEqual(["a", "b"]);
    expect(table.open).toBe(0);
  });
});

describe("R15: the bound on a primary's clock", () => {
  test("holds for clocks up to 1 % fast or slow, before and after the replies", () => {
    for (const rate of [0.99, 1, 1.01]) {
      const primaryAt = (ownMs: number): number => 400 + ownMs * rate;
      const bound = new ClockBound();
      for (const sentMs of [1000, 1300, 9000]) {
        bound.heard(primaryAt(sentMs), sentMs + 37);
        for (const ownMs of [0, 900, 1200, 5000, 9100, 20_000]) expect(bound.at(ownMs)).toBeLessThanOrEqual(primaryAt(ownMs) + 1e-6);
      }
    }
  });

  test("keeps the better of two replies", () => {
    const bound = new ClockBound();
    bound.heard(5000, 1000);
    bound.heard(5100, 1900);
    expect(bound.at(1900)).toBe(5000 + 900 * 0.99);
  });

  test("an arrival counts from before the last tick, so also from before a stall whatever runs first after it", () => {
    const arrivals = new ArrivalClock(0);
    arrivals.tick(50);
    arrivals.tick(100);
    expect(arrivals.receivedMs).toBe(50);
    arrivals.tick(4900);
    expect(arrivals.receivedMs).toBe(100);
    expect(arrivals.unreadTooLong(4900)).toBe(true);
    arrivals.tick(4950);
    expect(arrivals.receivedMs).toBe(4900);
    expect(arrivals.unreadTooLong(4950)).toBe(false);
  });
});

describe("checksums", () => {
  test("cover the part of a block that is written, at the block's address", () => {
    const data = pattern(512 * 10, 1);
    const sums = writeChecksums(data, 9, 2, 7);
    expect([...sums]).toEqual([
      blockChecksum(data.subarray(0, 512), 9, 2048),
      blockChecksum(data.subarray(512, 512 + 4096), 9, 2049),
      blockChecksum(data.subarray(512 + 4096), 9, 2050),
    ]);
  });

  test("I7: refuse a block of another address, of another volume, too few blocks, and bytes where nothing was written", () => {
    const data = pattern(8192, 1);
    const sums = writeChecksums(data, 9, 2, 0);
    expect(verifyBlocks(sums, data, 9, 2, 0, 2)).toBe(true);
    expect(verifyBlocks(sums, data, 9, 2, 1, 2)).toBe(false);
    expect(verifyBlocks(sums, data, 9, 3, 0, 2)).toBe(false);
    expect(verifyBlocks(sums, data, 8, 2, 0, 2)).toBe(false);
    expect(verifyBlocks(sums, data, 9, 2, 0, 3)).toBe(false);
    expect(verifyBlocks(sums, Buffer.alloc(0), 9, 2, 0, 2)).toBe(false);
    expect(verifyBlocks(new Uint32Array(2), data, 9, 2, 0, 2)).toBe(false);
    expect(verifyBlocks(new Uint32Array(2), Buffer.alloc(8192), 9, 2, 0, 2)).toBe(true);
    expect(verifyBlocks(new Uint32Array(2), Buffer.alloc(0), 9, 2, 0, 2)).toBe(true);
  });
});
