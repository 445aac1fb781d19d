import type { DriveId } from "../base/ids.ts";
import { leavingKeys, removedDrive, type RemovedDrive } from "../cluster/leaving.ts";
import { keys, parseValue } from "../cluster/schema.ts";
import type { Clock, Log } from "../platform/platform.ts";
import { StoreUnavailable, type ClusterStore, type Watch } from "../platform/store.ts";
import type { ServerConfig } from "../role/config.ts";

const RETRY_MS = 500;

export interface LeavingEvents {
  /** Stops the drive with this port for good; resolves when its process is gone. */
  driveRemoved(port: number): Promise<void>;
  /** This server is no longer of the cluster. */
  serverRemoved(): void;
}

/**
 * What an administrator has removed from the cluster and is here: it is stopped and never started again. What a process that was still
 * running has registered meanwhile goes with it.
 */
export class Leaving {
  readonly #store: ClusterStore;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #config: ServerConfig;
  readonly #events: LeavingEvents;
  /** Removed drives of this server that are not stopped as far as the store knows. */
  readonly #removed = new Map<DriveId, RemovedDrive>();
  #watch: Watch | null = null;
  #working = false;
  #closed = false;

  constructor(world: { store: ClusterStore; clock: Clock; log: Log; config: ServerConfig }, events: LeavingEvents) {
    this.#store = world.store;
    this.#clock = world.clock;
    this.#log = world.log;
    this.#config = world.config;
    this.#events = events;
  }

  /** Before any role starts: obeys what happened while this server was off. Without an answer of the store it is obeyed later. */
  async start(): Promise<void> {
    try {
      for (const { key, value } of (await this.#store.range("removed/")).entries) this.#take(key, value);
      await this.#obey();
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
    }
    if (this.#closed) return;
    const work = (): void => void (this.#working || this.#work());
    this.#watch = this.#store.watch("removed/", {
      snapshot: (entries) => {
        for (const { key, value } of entries) this.#take(key, value);
        work();
      },
      changed: (changes) => {
        for (const { key, value } of changes) if (value !== null) this.#take(key, value);
        work();
      },
    });
  }

  close(): void {
    this.#closed = true;
    this.#watch?.close();
  }

  #take(key: string, value: string): void {
    if (key === leavingKeys.removedServer(this.#config.name)) {
      if (this.#closed) return;
      this.close();
      this.#log.error("This server was removed from the cluster by an administrator: it stops, and does not start again as a server of it");
      return this.#events.serverRemoved();
    }
    const [, kind, id = ""] = key.split("/");
    if (kind !== "drive") return;
    let record: RemovedDrive;
    try {
      record = parseValue(removedDrive, key, value);
    } catch (error) {
      // One unreadable key is no reason to stop a server that serves.
      this.#log.error("What the cluster store says of a removed drive cannot be read; the drive is left as it is", { drive: id, error: (error as Error).message });
      return;
    }
    if (record.server === this.#config.name && !record.stopped) this.#removed.set(id as DriveId, record);
  }

  async #work(): Promise<void> {
    this.#working = true;
    try {
      while (this.#removed.size > 0 && !this.#closed) {
        await this.#obey();
        if (this.#removed.size > 0) await new Promise<void>((resolve) => void this.#clock.timer(RETRY_MS, resolve));
      }
    } finally {
      this.#working = false;
    }
  }

  async #obey(): Promise<void> {
    for (const [id, record] of [...this.#removed]) {
      if (this.#closed) return;
      await this.#events.driveRemoved(record.port);
      const put = { key: leavingKeys.removedDrive(id), value: JSON.stringify({ ...record, stopped: true } satisfies RemovedDrive) };
      const { outcome } = await this.#store.transact({ compares: [], puts: [put], deletes: [keys.drive(id), keys.death(id)] });
      if (outcome === "success") this.#removed.delete(id);
    }
  }
}
