import { FormatError } from "../../base/bytes.ts";
import type { Instance } from "../../base/ids.ts";
import { FileError, type File, type Platform, type Timer } from "../../platform/platform.ts";
import { SUPERBLOCK } from "./layout.ts";
import { readSuperblock, writeSuperblock, type Superblock } from "./superblock.ts";

/** Why a drive cannot be opened; the role ends with `reason`. */
export class OpenError extends Error {
  override name = "OpenError";
  readonly reason: "drive-locked" | "drive-failed" | "configuration";
  constructor(reason: OpenError["reason"], message: string) {
    super(message);
    this.reason = reason;
  }
}

/** What was seen last of the store may be lost at a crash: it is only ever too low. */
const REMEMBER_DELAY_MS = 5000;

/** The superblock of a drive that this process has locked. */
export class DriveIdentity {
  readonly #platform: Platform;
  readonly #file: File;
  #current: Superblock;
  #writing: Promise<void> = Promise.resolve();
  #timer: Timer | null = null;
  readonly #failed: (error: unknown) => void;

  constructor(platform: Platform, file: File, superblock: Superblock, failed: (error: unknown) => void) {
    this.#platform = platform;
    this.#file = file;
    this.#current = superblock;
    this.#failed = failed;
  }

  /** Locks the drive before anything else, and raises its instance durably. Throws `OpenError`. */
  static async claim(platform: Platform, directory: string, clusterId: string, failed: (error: unknown) => void): Promise<DriveIdentity> {
    const path = `${directory}/${SUPERBLOCK}`;
    const file = await platform.files.open(path, { write: true }).catch((error: unknown) => {
      if (error instanceof FileError && error.code === "ENOENT") throw new OpenError("configuration", `${directory} holds no drive`);
      throw error;
    });
    try {
      if (!(await file.lock())) throw new OpenError("drive-locked", `the drive in ${directory} is in use by another process`);
      const found = await readSuperblock(file).catch((error: unknown) => {
        // Written by a newer version: the drive is well, this software is not the right one for it.
        if (error instanceof FormatError) throw new OpenError("configuration", `${directory}: ${error.message}`);
        throw error;
      });
      if (!found) throw new OpenError("drive-failed", `both copies of the superblock in ${directory} are damaged`);
      if (found.clusterId !== clusterId) throw new OpenError("configuration", `the drive in ${directory} belongs to another cluster (${found.clusterId})`);
      const identity = new DriveIdentity(platform, file, found, failed);
      await identity.update({ instance: (found.instance + 1) as Instance });
      return identity;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  get current(): Superblock {
    return this.#current;
  }

  /** Durable when it resolves. */
  update(change: Partial<Superblock>): Promise<void> {
    this.#current = { ...this.#current, ...change };
    return this.#write();
  }

  /** R14; written soon, together with what else comes. Never goes back: only `update` obeys another store. */
  remember(storeRevision: number): void {
    if (storeRevision <= this.#current.storeRevision) return;
    this.#current = { ...this.#current, storeRevision };
    this.#timer ??= this.#platform.clock.timer(REMEMBER_DELAY_MS, () => {
      this.#timer = null;
      this.#write().catch(this.#failed);
    });
  }

  /** Writes what is remembered and lets the drive go. */
  async close(): Promise<void> {
    if (this.#timer) {
      this.#timer.cancel();
      this.#timer = null;
      await this.#write();
    }
    await this.#writing;
    await this.#file.close();
  }

  /**
   * Into both copies, one after the other: each write goes over the copy that the last one did not. If one alone said it and
   * rotted, the drive would go back: the next process would take the same instance again, or obey an older incarnation (R14).
   */
  #write(): Promise<void> {
    const write = async (): Promise<void> => {
      for (let copy = 0; copy < 2; copy += 1) {
        this.#current = { ...this.#current, generation: this.#current.generation + 1 };
        await writeSuperblock(this.#file, this.#current);
      }
    };
    this.#writing = this.#writing.then(write);
    return this.#writing;
  }
}
