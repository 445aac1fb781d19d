import type { ServerName } from "../../src/base/ids.ts";
import { keys } from "../../src/cluster/schema.ts";
import { Monitor } from "../../src/monitor/monitor.ts";
import type { PlanSettings } from "../../src/monitor/plan.ts";
import type { Platform } from "../../src/platform/platform.ts";
import type { MemoryClient } from "../../src/platform/store/memory.ts";
import { Chance } from "./chance.ts";
import type { SimulatedCluster } from "./cluster.ts";
import type { SimulatedProcess } from "./process.ts";
import { keepRegistered } from "./registered.ts";
import { ProcessStore } from "./store.ts";

/** One server's supervisor and monitor: keeps the server registered, and makes wishes while it leads. */
export class Overseer {
  readonly name: string;
  readonly server: string;
  readonly #cluster: SimulatedCluster;
  readonly #seed: number;
  readonly #settings: PlanSettings;
  #starts = 0;
  running: { readonly process: SimulatedProcess; readonly client: MemoryClient; readonly store: ProcessStore; readonly monitor: Monitor } | null = null;

  constructor(cluster: SimulatedCluster, name: string, server: string, seed: number, settings: PlanSettings) {
    this.#cluster = cluster;
    this.name = name;
    this.server = server;
    this.#seed = seed;
    this.#settings = settings;
    cluster.put(keys.server(server), { name: server, address: server, portalPort: 3260, apiPort: 443, portalGroupTag: Number(server.slice(1)) });
  }

  start(): void {
    if (this.running) return;
    const cluster = this.#cluster;
    const chance = new Chance(this.#seed, `${this.name}.${(this.#starts += 1)}`);
    const process = cluster.process(this.name, this.server, new Chance(this.#seed, this.server));
    const client = cluster.store.client(this.name);
    const store = new ProcessStore(client, process);
    const platform = { clock: process, random: chance, log: cluster.log(this.name) } as unknown as Platform;
    const monitor = new Monitor(platform, store, this.server as ServerName, this.#settings);
    this.running = { process, client, store, monitor };
    cluster.note(`start ${this.name}`);
    const up = { instance: this.#starts, sinceMs: process.wallMs() };
    keepRegistered(store, process, [{ key: keys.upServer(this.server), value: JSON.stringify(up) }], () => {});
    monitor.start();
  }
  kill(): void {
    if (!this.running) return;
    this.#cluster.note(`kill ${this.name}`);
    this.running.process.kill();
    this.running = null;
  }
  powerLost(): void {
    this.kill();
  }
  stall(): void {
    this.#cluster.note(`stall ${this.name}`);
    this.running?.process.stall();
  }
  resume(): void {
    if (!this.running?.process.stalled) return;
    this.#cluster.note(`resume ${this.name}`);
    this.running.process.resume();
  }
}
