import type { ServerName } from "../../../src/base/ids.ts";
import { keys, type ClusterRecord } from "../../../src/cluster/schema.ts";
import { Monitor } from "../../../src/monitor/monitor.ts";
import type { Log, Platform } from "../../../src/platform/platform.ts";
import type { MemoryBackup } from "../../../src/platform/store/memory.ts";
import { Chance } from "../../simulator/chance.ts";
import type { SimulatedProcess } from "../../simulator/process.ts";
import { ProcessStore } from "../../simulator/store.ts";
import { Stage } from "./stage.ts";

/** A stage with a monitor, whose store can be taken back to what it was. */
export class RestoreStage extends Stage {
  #monitors = 0;
  #monitor: SimulatedProcess | null = null;

  constructor(factor: 1 | 2 = 1, seed = 1) {
    super(factor, undefined, seed);
    // The other pool has no group here, and the monitor would make one.
    this.cluster.store.apply({ compares: [], deletes: [keys.pool(3 - factor)] });
    this.cluster.put(keys.cluster, { ...this.record(), storeId: this.cluster.store.storeId });
    this.lead();
  }

  record(): ClusterRecord {
    return JSON.parse(this.cluster.store.find(keys.cluster)?.value ?? "null") as ClusterRecord;
  }

  /** Another monitor process; the one before is killed. */
  lead(): void {
    this.#monitor?.kill();
    const { cluster } = this;
    const number = (this.#monitors += 1);
    const process = (this.#monitor = cluster.process(`monitor ${number}`, "s1"));
    const say = (text: string): void => cluster.note(`monitor ${number} ${text}`);
    const log: Log = { debug() {}, info: say, warn: say, error: say, child: () => log };
    const platform = { clock: process, random: new Chance(cluster.options.seed, `monitor.${number}`), log, fatal: (reason: string, detail: string) => cluster.fail(`monitor: ${reason}: ${detail}`) };
    new Monitor(platform as unknown as Platform, new ProcessStore(cluster.store.client("monitor"), process), "s1" as ServerName).start();
  }

  /** The store is again what it was; `storeId`: it knows so itself, as etcd does after a restore. */
  restore(backup: MemoryBackup, storeId?: string): void {
    this.cluster.note(`the store is taken back from revision ${this.cluster.store.revision} to ${backup.revision}`);
    this.cluster.storeWentBack = true;
    this.cluster.store.restore(backup, storeId);
  }
  /** Extents on a drive that runs, whoever they belong to. */
  extents(name: string): number {
    return this.cluster.host(name).running?.drive?.extents().length ?? -1;
  }
  killAll(): void {
    for (const name of this.cluster.hosts.keys()) this.cluster.kill(name);
  }
  /** The restore is over and the group serves. */
  restored(): void {
    this.until(() => this.record().restore?.done === true && this.serving().length === 1);
  }
}
