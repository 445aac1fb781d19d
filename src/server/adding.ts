import type { DriveId } from "../base/ids.ts";
import { addDrive, addingKeys, type AddDrive } from "../cluster/adding.ts";
import { clusterRecord, keys, parseValue } from "../cluster/schema.ts";
import type { Clock, Log } from "../platform/platform.ts";
import type { ClusterStore, Watch } from "../platform/store.ts";
import type { ServerConfig } from "../role/config.ts";

const RETRY_MS = 500;

/** What formats a place and starts it as a drive of this server. Repeated after a crash in its middle, it begins anew or finds it done. Rejects with a sentence. */
export type AddPlace = (id: DriveId, wanted: AddDrive, incarnation: number) => Promise<void>;

/** Drives that this server is to get: `add-drive/<server>/`. One at a time. */
export class Adding {
  readonly #store: ClusterStore;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #config: ServerConfig;
  readonly #add: AddPlace;
  readonly #wanted = new Map<DriveId, { readonly wish: AddDrive; readonly revision: number }>();
  #watch: Watch | null = null;
  #working = false;
  #closed = false;

  constructor(world: { store: ClusterStore; clock: Clock; log: Log; config: ServerConfig }, add: AddPlace) {
    this.#store = world.store;
    this.#clock = world.clock;
    this.#log = world.log;
    this.#config = world.config;
    this.#add = add;
  }

  start(): void {
    const take = (key: string, value: string | null, revision: number): void => {
      const id = (key.split("/")[2] ?? "") as DriveId;
      if (value === null) return void this.#wanted.delete(id);
      const wish = parseValue(addDrive, key, value);
      if (wish.failed === undefined) this.#wanted.set(id, { wish, revision });
      else this.#wanted.delete(id);
    };
    const work = (): void => void (this.#working || this.#work());
    this.#watch = this.#store.watch(`add-drive/${this.#config.name}/`, {
      snapshot: (entries) => {
        this.#wanted.clear();
        for (const { key, value, revision } of entries) take(key, value, revision);
        work();
      },
      changed: (changes) => {
        for (const { key, value, revision } of changes) take(key, value, revision);
        work();
      },
    });
  }

  close(): void {
    this.#closed = true;
    this.#watch?.close();
  }

  async #work(): Promise<void> {
    this.#working = true;
    for (;;) {
      const [next] = this.#wanted;
      if (next === undefined || this.#closed) break;
      const [id, { wish, revision }] = next;
      const failed = await this.#one(id, wish);
      if (failed === "again") {
        await new Promise<void>((resolve) => void this.#clock.timer(RETRY_MS, resolve));
        continue;
      }
      const key = addingKeys.addDrive(this.#config.name, id);
      const { outcome } = await this.#store.transact({ compares: [{ key, revision }], ...(failed === null ? { deletes: [key] } : { puts: [{ key, value: JSON.stringify({ ...wish, failed } satisfies AddDrive) }] }) });
      // Refused: somebody has taken the wish back, or made it anew.
      if (outcome !== "unknown") this.#wanted.delete(id);
      else await new Promise<void>((resolve) => void this.#clock.timer(RETRY_MS, resolve));
    }
    this.#working = false;
  }

  async #one(id: DriveId, wish: AddDrive): Promise<string | null | "again"> {
    let incarnation: number;
    try {
      const { found } = await this.#store.get(keys.cluster);
      if (found === null) return "again";
      ({ incarnation } = parseValue(clusterRecord, keys.cluster, found.value));
    } catch {
      return "again";
    }
    try {
      await this.#add(id, wish, incarnation);
      this.#log.info("A drive was added to this server", { drive: id, place: wish.place });
      return null;
    } catch (error) {
      const { message } = error as Error;
      this.#log.error(`A drive could not be added: ${message}`, { place: wish.place });
      return message;
    }
  }
}
