import type { DriveId } from "../base/ids.ts";
import { driveRecord, keys, parseValue, releaseRecord, type FailedDrives } from "../cluster/schema.ts";
import type { Clock, Log } from "../platform/platform.ts";
import type { ClusterStore, Watch } from "../platform/store.ts";
import { failedDrives, recordFailedDrive, releaseFailedDrive, type FailedDrive } from "../role/announce.ts";
import type { ServerConfig } from "../role/config.ts";

const RETRY_MS = 500;

/**
 * The drives of this server that failed. Each stays down until an administrator releases it. The list is a file, since a
 * supervisor must know it without a store, and is shown to everybody in `failed/<server>`.
 *
 *     management: release/<drive>, which names the failure -> this: the file without it, the drive started, the list shown anew
 */
export class FailedDriveList {
  readonly #store: ClusterStore;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #config: ServerConfig;
  readonly #released: (driveIndex: number) => void;
  /** Of drives that did not say who they are before they failed, by directory. */
  readonly #ids = new Map<string, string>();
  /** What the store has shown, by drive: the failure that may end. */
  readonly #words = new Map<string, number>();
  /** Drives that this supervisor has shown as failed: their words are its to remove. */
  readonly #ownIds = new Set<string>();
  #watch: Watch | null = null;
  #dirty = false;
  #working = false;
  #closed = false;

  constructor(world: { store: ClusterStore; clock: Clock; log: Log; config: ServerConfig }, released: (driveIndex: number) => void) {
    this.#store = world.store;
    this.#clock = world.clock;
    this.#log = world.log;
    this.#config = world.config;
    this.#released = released;
  }

  /** Returns at once; the store may be away for as long as it likes. */
  start(): void {
    const take = (key: string, value: string | null): void => {
      const [, drive = ""] = key.split("/");
      if (value === null) this.#words.delete(drive);
      else this.#words.set(drive, parseValue(releaseRecord, key, value).failedAtMs);
    };
    this.#watch = this.#store.watch("release/", {
      snapshot: (entries) => {
        this.#words.clear();
        for (const { key, value } of entries) take(key, value);
        this.#obey();
      },
      changed: (changes) => {
        for (const { key, value } of changes) take(key, value);
        this.#obey();
      },
    });
    this.#show();
  }

  /** Throws when the file cannot be written. */
  record(failed: FailedDrive): void {
    recordFailedDrive(this.#config.directory, failed);
    this.#show();
  }

  /** A drive that was removed from the cluster: nobody releases it any more. */
  forget(directory: string): void {
    releaseFailedDrive(this.#config.directory, directory);
    this.#show();
  }

  close(): void {
    this.#closed = true;
    this.#watch?.close();
  }

  /** A word is about one failure: one that came late must not release the drive from the next. */
  #obey(): void {
    for (const { directory, id, atMs } of this.#words.size === 0 ? [] : this.#present()) {
      const known = id || (this.#ids.get(directory) ?? "");
      if (this.#closed || known === "" || this.#words.get(known) !== atMs) continue;
      releaseFailedDrive(this.#config.directory, directory);
      this.#log.warn("A drive that had failed is released by an administrator and started again", { directory, drive: known });
      const index = this.#config.drives.findIndex((drive) => drive.removed !== true && drive.directory === directory);
      if (index >= 0) this.#released(index);
      this.#show();
    }
  }

  #present(): readonly FailedDrive[] {
    try {
      return failedDrives(this.#config.directory);
    } catch (error) {
      this.#log.error((error as Error).message);
      return [];
    }
  }

  #show(): void {
    this.#dirty = true;
    if (!this.#working && !this.#closed) void this.#work();
  }

  async #work(): Promise<void> {
    this.#working = true;
    while (this.#dirty && !this.#closed) {
      this.#dirty = false;
      if (await this.#put()) continue;
      this.#dirty = true;
      await new Promise<void>((resolve) => void this.#clock.timer(RETRY_MS, resolve));
    }
    this.#working = false;
    // Names may have been found to which a word is there already.
    this.#obey();
  }

  async #put(): Promise<boolean> {
    const key = keys.failed(this.#config.name);
    try {
      const list = failedDrives(this.#config.directory);
      if (list.some(({ id, directory }) => id === "" && !this.#ids.has(directory))) await this.#findNames();
      const shown: FailedDrives = list.map((failed) => ({ ...failed, id: failed.id || (this.#ids.get(failed.directory) ?? "") }));
      const present = (await this.#store.get(key)).found?.value ?? null;
      const wanted = shown.length === 0 ? null : JSON.stringify(shown);
      const done = [...this.#words].filter(([id]) => shown.every((failed) => failed.id !== id) && this.#ownIds.has(id)).map(([id]) => keys.release(id as DriveId));
      for (const { id } of shown) this.#ownIds.add(id);
      if (present === wanted && done.length === 0) return true;
      const { outcome } = await this.#store.transact({ compares: [], puts: wanted === null ? [] : [{ key, value: wanted }], deletes: [...(wanted === null ? [key] : []), ...done] });
      return outcome === "success";
    } catch (error) {
      this.#log.debug("The store does not take the list of failed drives yet", { error: (error as Error).message });
      return false;
    }
  }
  async #findNames(): Promise<void> {
    for (const { key, value } of (await this.#store.range("drive/")).entries) {
      const { id, server, port } = parseValue(driveRecord, key, value);
      const place = this.#config.drives.find((drive) => drive.port === port);
      if (server === this.#config.name && place) this.#ids.set(place.directory, id);
    }
  }
}
