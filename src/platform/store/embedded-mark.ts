import { closeSync, existsSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { Clock, Timer } from "../platform.ts";

/** The mark is at most this old: a database that is put back to what it was even more recently is not noticed by it. */
const WRITE_EVERY_MS = 5_000;

/**
 * R14: how far the embedded store's database has come, in a file beside it. Whoever puts an older database back leaves the file
 * as it is, which shows that the store went back. Never ahead of what the database holds durably.
 */
export class RevisionMark {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #failed: (error: Error) => void;
  #written: number;
  #revision = 0;
  #timer: Timer | null = null;

  constructor(path: string, clock: Clock, failed: (error: Error) => void) {
    this.#path = path;
    this.#clock = clock;
    this.#failed = failed;
    this.#written = this.#read();
  }

  /** True: the database of this revision is older than one that was here before, or came without its mark. */
  wentBack(revision: number): boolean {
    // Revision 1 is a new, empty database.
    return this.#written === 0 ? revision > 1 : revision < this.#written;
  }

  /** Everything up to `revision` is durable. Written soon. */
  reached(revision: number): void {
    this.#revision = revision;
    this.#timer ??= this.#clock.timer(WRITE_EVERY_MS, () => this.#write());
  }

  /** The database is what it is, whatever was before. */
  begin(revision: number): void {
    this.#revision = revision;
    this.#write();
  }

  close(): void {
    if (this.#timer) this.#write();
  }

  #write(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#written === this.#revision) return;
    try {
      const temporary = `${this.#path}.tmp`;
      closeSync(openSync(temporary, "w", 0o600));
      writeFileSync(temporary, `${this.#revision}\n`, { flush: true });
      renameSync(temporary, this.#path);
      this.#written = this.#revision;
    } catch (error) {
      this.#failed(error as Error);
    }
  }

  #read(): number {
    if (!existsSync(this.#path)) return 0;
    const revision = Number(readFileSync(this.#path, "utf8").trim());
    return Number.isSafeInteger(revision) && revision > 0 ? revision : 0;
  }
}
