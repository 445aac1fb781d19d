import { argon2 } from "node:crypto";

/** RFC 9106 4, its second choice: 64 MiB, three passes, four lanes. */
const MEMORY_KIB = 64 * 1024;
const PASSES = 3;
const LANES = 4;
const KEY_BYTES = 32;

/** A key of a short secret by argon2id, on another thread; needs 64 MiB for tens of milliseconds. The salt has 16 bytes. */
export function stretched(secret: string, salt: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    argon2("argon2id", { message: secret, nonce: salt, memory: MEMORY_KIB, passes: PASSES, parallelism: LANES, tagLength: KEY_BYTES }, (error, key) => {
      if (error) reject(error);
      else resolve(new Uint8Array(key));
    });
  });
}
