import type { Passwords } from "../platform/passwords.ts";
import { Problem } from "./problem.ts";

/** Each takes tens of MiB and a core: two at once leave the server to its work. */
const AT_ONCE_MAX = 2;
/** More people than this do not log in within the same second. */
const WAITING_MAX = 16;

/** Passwords, a few at a time; throws a `Problem` when too many wait. */
export class PasswordGate {
  readonly #passwords: Passwords;
  #working = 0;
  readonly #waiting: (() => void)[] = [];
  #nobodys: Promise<string> | null = null;

  constructor(passwords: Passwords) {
    this.#passwords = passwords;
  }

  hash(password: string): Promise<string> {
    return this.#pass(() => this.#passwords.hash(password));
  }

  /** `hash` null: of nobody; takes as long as with somebody's, so that the time does not tell which names there are. */
  verify(password: string, hash: string | null): Promise<boolean> {
    return this.#pass(async () => {
      const against = hash ?? (await (this.#nobodys ??= this.#passwords.hash("the password of nobody")));
      return (await this.#passwords.verify(password, against)) && hash !== null;
    });
  }

  async #pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.#working >= AT_ONCE_MAX) {
      if (this.#waiting.length >= WAITING_MAX) throw new Problem("busy", "This server checks too many passwords at once. Try again in a few seconds.");
      await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    }
    this.#working++;
    try {
      return await work();
    } finally {
      this.#working--;
      this.#waiting.shift()?.();
    }
  }
}
