import type { ServerName } from "../base/ids.ts";
import { addingKeys, type FreeDrives } from "../cluster/adding.ts";
import { freeDevices } from "../formation/devices.ts";
import type { Platform, Timer } from "../platform/platform.ts";
import type { ClusterStore, StoreLease } from "../platform/store.ts";
import type { DriveChoice } from "../installer/drives.ts";
import type { LocalDrive } from "../management/api/local.ts";

const FIRST_MS = 2_000;
/** Somebody who has just put a drive in looks for it; each look reads a few sectors of each drive that is free. */
const EVERY_MS = 30_000;
const LEASE_MS = 15_000;

/** For people. */
export function shownDrive({ device, model, serial, sizeBytes, rotational, content, holds }: DriveChoice): LocalDrive {
  return { device, model, serial, sizeBytes, rotational, content: content.join("; "), isEmpty: holds === "nothing" };
}

/** Shows the whole cluster which devices of this server could become drives, as long as this process runs. */
export class FreeDriveList {
  readonly #platform: Platform;
  readonly #store: ClusterStore;
  readonly #server: ServerName;
  readonly #kinds: readonly string[] | undefined;
  #shown = "";
  #lease: StoreLease | null = null;
  #timer: Timer;
  #closed = false;

  constructor(platform: Platform, store: ClusterStore, server: ServerName, kinds: readonly string[] | undefined) {
    this.#platform = platform;
    this.#store = store;
    this.#server = server;
    this.#kinds = kinds;
    this.#timer = platform.clock.timer(FIRST_MS, () => void this.#look());
  }

  close(): void {
    this.#closed = true;
    this.#timer.cancel();
  }

  async #look(): Promise<void> {
    try {
      await this.#show({ server: this.#server, drives: (await freeDevices(this.#kinds)).map(shownDrive) });
    } catch (error) {
      this.#platform.log.debug("The free drives of this server cannot be shown", { error: (error as Error).message });
    }
    if (!this.#closed) this.#timer = this.#platform.clock.timer(EVERY_MS, () => void this.#look());
  }

  async #show(list: FreeDrives): Promise<void> {
    const value = JSON.stringify(list);
    if (this.#closed || (value === this.#shown && this.#lease !== null)) return;
    if (this.#lease === null) {
      const lease = await this.#store.lease(LEASE_MS);
      this.#lease = lease;
      lease.onLost(() => (this.#lease = this.#lease === lease ? null : this.#lease));
    }
    const { outcome } = await this.#store.transact({ compares: [], puts: [{ key: addingKeys.freeDrives(this.#server), value, lease: this.#lease }] });
    if (outcome === "success") this.#shown = value;
    else this.#lease = null;
  }
}
