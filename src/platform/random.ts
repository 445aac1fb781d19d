import { getRandomValues } from "node:crypto";
import type { Random } from "./platform.ts";

export function realRandom(): Random {
  return { float: Math.random, bytes: randomBytes, id: randomId };
}

function randomBytes(count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  // The system's generator gives at most 65,536 bytes a call.
  for (let at = 0; at < count; at += 65_536) getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
}

function randomId(): number {
  const words = new Uint16Array(3);
  for (;;) {
    getRandomValues(words);
    const id = (words[0] as number) * 2 ** 32 + (words[1] as number) * 2 ** 16 + (words[2] as number);
    if (id !== 0) return id;
  }
}
