import { argon2 } from "node:crypto";

/** More than OWASP asks of passwords (19 MiB, two passes). For 2^40 secrets that is thousands of years of a core. */
const MEMORY_KIB = 32 * 1024;
const PASSES = 2;
const LANES = 1;
const KEY_BYTES = 32;

/** A key of a short secret by argon2id, on another thread; needs 32 MiB for tens of milliseconds. The salt has 16 bytes. */
export function stretched(secret: string, salt: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    argon2("argon2id", { message: secret, nonce: salt, memory: MEMORY_KIB, passes: PASSES, parallelism: LANES, tagLength: KEY_BYTES }, (error, key) => {
      if (error) reject(error);
      else resolve(new Uint8Array(key));
    });
  });
}
