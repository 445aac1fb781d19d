import type { Instance, ServerName } from "../../src/base/ids.ts";
import { ClusterMap } from "../../src/cluster/map.ts";
import { keys } from "../../src/cluster/schema.ts";
import type { Platform } from "../../src/platform/platform.ts";
import type { MemoryClient } from "../../src/platform/store/memory.ts";
import { Away } from "../../src/role/away.ts";
import { StoreSilence } from "../../src/role/store-silence.ts";
import { Gateway } from "../../src/volume/gateway.ts";
import type { Volume, VolumeResult } from "../../src/volume/volume.ts";
import { Chance } from "./chance.ts";
import type { SimulatedCluster } from "./cluster.ts";
import { keepRegistered } from "./registered.ts";
import type { SimulatedProcess } from "./process.ts";
import { ProcessStore } from "./store.ts";

export interface RunningPortal {
  readonly process: SimulatedProcess;
  readonly client: MemoryClient;
  readonly store: ProcessStore;
  readonly gateway: Gateway;
  readonly instance: Instance;
  /** Registered in the store: serves from then on (R26). */
  ready: boolean;
  /** Takes no hosts until then, in its process's clock. */
  suspendedUntilMs: number;
}
/** What a host gets back: a volume's answer, or that the path broke under its command. */
export type PortalAnswer<T> = VolumeResult<T> | { readonly ok: false; readonly error: "path lost" };

/** One server's iSCSI role as far as it concerns the protocol: the product's own gateway in a process that can stall and die. */
export class Portal {
  readonly name: string;
  readonly server: string;
  readonly #cluster: SimulatedCluster;
  readonly #seed: number;
  #starts = 0;
  running: RunningPortal | null = null;
  /** Commands that are under way in the running process; each is told when its path breaks. */
  readonly #open = new Set<() => void>();
  readonly #openOf = new Map<number, number>();

  constructor(cluster: SimulatedCluster, name: string, server: string, seed: number) {
    this.#cluster = cluster;
    this.name = name;
    this.server = server;
    this.#seed = seed;
  }

  get openCount(): number {
    return this.#open.size;
  }
  openOf(volume: number): number {
    return this.#openOf.get(volume) ?? 0;
  }

  start(): void {
    if (this.running) return;
    const cluster = this.#cluster;
    const chance = new Chance(this.#seed, `${this.name}.${(this.#starts += 1)}`);
    const process = cluster.process(this.name, this.server, new Chance(this.#seed, this.server));
    const client = cluster.store.client(this.name);
    const store = new ProcessStore(client, process);
    const instance = chance.id() as Instance;
    const map = new ClusterMap();
    const platform = { clock: process, random: chance, log: cluster.log(this.name) } as unknown as Platform;
    const dialer = cluster.network.dialer(process, this.server, { kind: "gateway", id: String(instance), instance });
    const gateway = new Gateway(platform, map, dialer, instance);
    const running: RunningPortal = { process, client, store, gateway, instance, ready: false, suspendedUntilMs: -Infinity };
    this.running = running;
    cluster.note(`start ${this.name}, instance ${instance}`);
    store.watch("", {
      snapshot: (entries, { revision }) => gateway.mapChanged(map.snapshot(entries, revision)),
      changed: (changes, { revision }) => gateway.mapChanged(map.changed(changes, revision)),
    });
    const up = { instance, server: this.server as ServerName, sinceMs: process.wallMs() };
    keepRegistered(store, process, [{ key: keys.upGateway(instance), value: JSON.stringify(up) }], () => (running.ready = true));
    const door = { suspend: (ms: number) => this.#suspend(running, ms) };
    const away = new Away({ clock: process, log: platform.log, store, map, reach: gateway.reach, door, instance, server: this.server as ServerName });
    new StoreSilence(platform, store, (silent) => away.look(silent));
  }

  /** Drops the sessions. What is under way may still be carried out: more than the product does, which cancels what it has not sent. */
  #suspend(running: RunningPortal, ms: number): void {
    const nowMs = running.process.nowMs();
    if (nowMs >= running.suspendedUntilMs) this.#cluster.note(`${this.name} drops its sessions`);
    running.suspendedUntilMs = nowMs + ms;
    for (const tell of [...this.#open]) tell();
  }
  get takesHosts(): boolean {
    return this.running !== null && this.running.ready && this.running.process.nowMs() >= this.running.suspendedUntilMs;
  }

  /** kill -9; hosts notice by themselves. `lost`: whether their connections are closed at once, as a kernel does. */
  kill(lost = true): void {
    if (!this.running) return;
    this.#cluster.note(`kill ${this.name}, instance ${this.running.instance}`);
    this.running.process.kill();
    this.running = null;
    const open = [...this.#open];
    this.#open.clear();
    this.#openOf.clear();
    if (lost) for (const tell of open) tell();
  }
  powerLost(): void {
    this.kill(false);
  }
  publishDeath(instance: Instance): void {
    this.#cluster.note(`${this.name}'s instance ${instance} is published dead`);
    this.#cluster.put(keys.death(String(instance)), { instance, atMs: this.#cluster.time.nowMs(), reason: "killed" });
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

  /** One command of a host; `done` is called at most once, and never when its server lost power. */
  submit<T>(volume: number, ask: (volume: Volume) => Promise<VolumeResult<T>>, done: (answer: PortalAnswer<T>) => void): void {
    const { running } = this;
    if (!running || !this.takesHosts) return done({ ok: false, error: "path lost" });
    let over = false;
    const tell = (answer: PortalAnswer<T>): void => {
      if (over) return;
      over = true;
      done(answer);
    };
    const lost = (): void => tell({ ok: false, error: "path lost" });
    const end = (): void => {
      if (this.#open.delete(lost)) this.#openOf.set(volume, this.openOf(volume) - 1);
    };
    this.#open.add(lost);
    this.#openOf.set(volume, this.openOf(volume) + 1);
    // Bytes of a stalled process wait in its socket.
    running.process.happen(() => {
      const found = running.gateway.volume(volume as Volume["id"]);
      if (!found) {
        end();
        return tell({ ok: false, error: "unavailable" });
      }
      void ask(found).then((result) => {
        if (!running.process.alive) return;
        end();
        tell(result);
      });
    });
  }
}
