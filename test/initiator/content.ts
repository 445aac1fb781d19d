/** The unit of the verifier: what the product allocates and checks. */
export const BLOCK_BYTES = 4096;
export const SECTORS_PER_BLOCK = 8;
const WORDS = BLOCK_BYTES / 4;
const MAGIC = 0x56534c44;
const HEADER_WORDS = 4;

/*
 * Content of a block, words of 32 bits
 * word | meaning
 *    0 | magic
 *    1 | seed of the run
 *    2 | block number
 *    3 | version: a write's number, never used twice for a block
 *  4.. | noise that follows from the four
 */

/** Writes the content of `version` of `block` to `into` at `offset` (a multiple of 4). */
export function fillBlock(into: Buffer, offset: number, seed: number, block: number, version: number): void {
  const words = new Uint32Array(into.buffer, into.byteOffset + offset, WORDS);
  words[0] = MAGIC;
  words[1] = seed;
  words[2] = block;
  words[3] = version;
  let state = mix(mix(mix(MAGIC, seed), block), version);
  for (let at = HEADER_WORDS; at < WORDS; at++) {
    // xorshift32 (Marsaglia).
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[at] = state;
  }
}

/** What a block that was read holds. */
export type Found =
  | { readonly kind: "version"; readonly version: number }
  | { readonly kind: "zeros" }
  | { readonly kind: "foreign"; readonly what: string };

/** Recognizes a block: a whole version of it, zeros (as version 0), or what it is instead. */
export function recognize(bytes: Buffer, offset: number, seed: number, block: number): Found {
  const header = [0, 1, 2, 3].map((word) => bytes.readUInt32LE(offset + word * 4));
  const [magic, itsSeed, itsBlock, version = 0] = header;
  const content = bytes.subarray(offset, offset + BLOCK_BYTES);
  if (magic === 0 && content.every((byte) => byte === 0)) return { kind: "zeros" };
  if (magic !== MAGIC || itsSeed !== seed) return { kind: "foreign", what: `bytes of nobody, beginning ${content.toString("hex", 0, 16)}` };
  if (itsBlock !== block) return { kind: "foreign", what: `version ${version} of block ${itsBlock}` };
  const expected = Buffer.alloc(BLOCK_BYTES);
  fillBlock(expected, 0, seed, block, version);
  if (expected.equals(content)) return { kind: "version", version };
  const at = expected.findIndex((byte, index) => byte !== content[index]);
  return { kind: "foreign", what: `version ${version} up to byte ${at} and something else after it` };
}

function mix(hash: number, value: number): number {
  let h = Math.imul(hash ^ value, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 1;
}
