/** Hashes of passwords, slow on purpose. Both run on another thread and need tens of MiB for tens of milliseconds: bound how many at once. */
export interface Passwords {
  /** A PHC string with its own salt and costs. */
  hash(password: string): Promise<string>;
  /** False also for a hash that cannot be read. */
  verify(password: string, hash: string): Promise<boolean>;
}

/** RFC 9106 4 and OWASP: at least 19 MiB and two passes; more of both costs a server nothing that is noticed. */
const MEMORY_KIB = 32 * 1024;
const PASSES = 3;

export function realPasswords(): Passwords {
  return {
    hash: (password) => Bun.password.hash(password.normalize("NFC"), { algorithm: "argon2id", memoryCost: MEMORY_KIB, timeCost: PASSES }),
    async verify(password, hash) {
      try {
        return await Bun.password.verify(password.normalize("NFC"), hash);
      } catch {
        return false;
      }
    },
  };
}
