import { assert } from "../base/assert.ts";

/** xxHash3 of `data`, 64 bits. */
export function hash64(data: Uint8Array): bigint {
  return Bun.hash.xxHash3(data);
}

/** The low 32 bits of xxHash3 of `data`, unsigned. */
export function hash32(data: Uint8Array): number {
  return Number(BigInt.asUintN(32, Bun.hash.xxHash3(data)));
}

/**
 * The checksum of a 4 KiB block as it travels and is stored: its content and its address, so that a block written to or read from
 * the wrong place shows. A clone shares its parent's lineage, so its blocks verify unchanged.
 * `lineage` and `block` are integers in [0, 2^53). Never 0, which stands for "never written".
 */
export function blockChecksum(data: Uint8Array, lineage: number, block: number): number {
  assert(lineage >= 0 && block >= 0, "a block's address is not negative");
  const sum = (hash32(data) ^ mixAddress(lineage, block)) >>> 0;
  return sum === 0 ? 1 : sum;
}

/** Spreads an address over 32 bits: each input bit changes about half of the output's (rounds and finish of MurmurHash3, public domain). */
function mixAddress(lineage: number, block: number): number {
  let h = 0x9747b28c;
  h = absorb(h, lineage);
  h = absorb(h, lineage / 2 ** 32);
  h = absorb(h, block);
  h = absorb(h, block / 2 ** 32);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** The bit operations take `word` modulo 2^32 and drop its fraction, which is how a number of up to 53 bits is cut in two. */
function absorb(h: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  h ^= k;
  h = (h << 13) | (h >>> 19);
  return (Math.imul(h, 5) + 0xe6546b64) | 0;
}
