import { expect, test } from "bun:test";
import { blockChecksum, hash32, hash64 } from "../../src/platform/checksum.ts";

const data = Buffer.alloc(4096, 7);

test("the hash is xxHash3, so stored checksums stay readable with every later version", () => {
  expect(hash64(new Uint8Array(0))).toBe(0x2d06800538d394c2n); // The published value for no bytes and seed 0.
  expect(hash32(new Uint8Array(0))).toBe(0x38d394c2);
});

test("a block's checksum never changes between versions", () => {
  expect(blockChecksum(data, 0, 0)).toBe(1848622705);
  expect(blockChecksum(data, 2 ** 53 - 1, 2 ** 53 - 1)).toBe(1050025652);
  expect(blockChecksum(data, 2 ** 32 + 5, 1024)).toBe(2731583687);
});

test("the same data at another block or in another lineage has another checksum, up to the largest numbers", () => {
  const sums = new Set<number>();
  let count = 0;
  for (let bit = 0; bit < 53; bit++) {
    sums.add(blockChecksum(data, 2 ** bit, 0)).add(blockChecksum(data, 0, 2 ** bit));
    count += 2;
  }
  for (let block = 0; block < 1000; block++, count++) sums.add(blockChecksum(data, 77, 3 * block + 2 ** 40 + 5));
  expect(sums.size).toBe(count);
});

test("one changed bit of an address changes about half of the checksum's bits", () => {
  let changed = 0;
  for (let bit = 0; bit < 53; bit++) {
    const a = blockChecksum(data, 12_345, 2 ** bit) ^ blockChecksum(data, 12_345, 0);
    const b = blockChecksum(data, 2 ** bit, 12_345) ^ blockChecksum(data, 0, 12_345);
    changed += bits(a) + bits(b);
  }
  expect(changed / 106).toBeGreaterThan(14);
  expect(changed / 106).toBeLessThan(18);
});

test("a checksum is a whole number from 1 to 2^32 - 1", () => {
  for (let block = 0; block < 10_000; block++) {
    const sum = blockChecksum(data, 1, block);
    expect(Number.isInteger(sum) && sum >= 1 && sum < 2 ** 32).toBe(true);
  }
});

function bits(value: number): number {
  let count = 0;
  for (let rest = value >>> 0; rest > 0; rest >>>= 1) count += rest & 1;
  return count;
}
