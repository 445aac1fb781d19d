import type { DriveId, GroupId, Instance, ServerName, VolumeId } from "../../src/base/ids.ts";
import { ClusterMap } from "../../src/cluster/map.ts";
import { groupId, keys, type GroupConfig } from "../../src/cluster/schema.ts";
import type { FatalReason, Log, Platform } from "../../src/platform/platform.ts";
import { MemoryStore, type TransactionFate } from "../../src/platform/store/memory.ts";
import type { MemoryClient } from "../../src/platform/store/memory.ts";
import type { Transaction } from "../../src/platform/store.ts";
import type { Group } from "../../src/storage/group/group.ts";
import type { LocalDrive } from "../../src/storage/drive/local-drive.ts";
import { OpenError } from "../../src/storage/drive/identity.ts";
import { openDrive } from "../../src/storage/drive/open.ts";
import type { AskPort, ReadWord } from "../../src/storage/lone-survivor.ts";
import { extentGroup, StorageNode } from "../../src/storage/node.ts";
import type { ExtentKey } from "../../src/wire/entry.ts";
import { Chance } from "./chance.ts";
import { CLUSTER_ID, DIRECTORY, DriveMedium, SimulatedKernel, type DurableImages } from "./drive.ts";
import { watchInvariants } from "./invariants.ts";
import { peerOf, SimulatedNetwork } from "./network.ts";
import { SimulatedProcess } from "./process.ts";
import { ProcessStore } from "./store.ts";
import { SimulatedTime } from "./time.ts";

/** Servers have been up this long when the story begins: nothing waits for a boot (R19). */
const UPTIME_MS = 100_000;
/** A process that was told to stop is killed after this. */
const STOP_MS_MAX = 2000;

export interface RunningDrive {
  readonly process: SimulatedProcess;
  readonly client: MemoryClient;
  readonly store: ProcessStore;
  /** null until it is open. */
  drive: LocalDrive | null;
  node: StorageNode | null;
}
export interface SimulatedHost {
  readonly id: DriveId;
  /** Changes when the drive is put into another server. */
  server: string;
  readonly medium: DriveMedium;
  /** Its process ended by drive-failed: no supervisor starts it again. */
  failed: boolean;
  /** Taken out of its server. */
  away: boolean;
  /** No longer of the cluster: its supervisor does not start it any more. */
  removed: boolean;
  running: RunningDrive | null;
  /** The last that was announced; 0 before the first. */
  instance: Instance;
  /** As the last open drive knew them to be durable. */
  images: DurableImages;
  starts: number;
}
export interface GroupSetup {
  readonly factor: 1 | 2;
  readonly index: number;
  /** Names of drives, the wanted primary first. */
  readonly wanted: readonly string[];
}
export interface ClusterOptions {
  readonly seed: number;
  /** Name of each drive and the server that it is in. */
  readonly drives: Readonly<Record<string, string>>;
  readonly groups: readonly GroupSetup[];
  readonly groupCount?: number;
  /** Volume counters and their factors. */
  readonly volumes: Readonly<Record<number, 1 | 2>>;
  /** Sizes of drives that are not huge, by name. */
  readonly capacityBytes?: Readonly<Record<string, number>>;
  readonly drift?: boolean;
  /** Prints what happens. */
  readonly verbose?: boolean;
}

/** A process of a server that is no drive. */
export interface Resident {
  readonly server: string;
  powerLost(): void;
  start(): void;
}

/** A whole simulated cluster: real StorageNodes on simulated drives, network and store, all from one seed. */
export class SimulatedCluster {
  readonly options: ClusterOptions;
  readonly groupIds: readonly GroupId[];
  readonly time = new SimulatedTime();
  readonly chance: Chance;
  readonly network: SimulatedNetwork;
  readonly store: MemoryStore;
  /** A client that every fault spares: the scene's own hand. */
  readonly admin: MemoryClient;
  readonly hosts = new Map<string, SimulatedHost>();
  /** What else runs on servers and goes down with their power. */
  readonly residents: Resident[] = [];
  /** Told to stop, and not ended yet. */
  readonly stopping = new Set<string>();
  readonly lines: string[] = [];
  readonly failures: string[] = [];
  /** R24: what an administrator has said on a server. */
  readonly words = new Map<string, ReturnType<ReadWord>>();
  fate: (transaction: Transaction, client: string) => TransactionFate = () => "normal";
  /** R14: the story makes the store go back; without that an alarm is a false one. */
  storeWentBack = false;
  /** R23: the story says that a drive is lost which is not, as an administrator may. */
  lossOnMyWord = false;
  readonly #bootMs = new Map<string, number>();
  #hash = 0x811c9dc5;
  #drives = 0;

  constructor(options: ClusterOptions) {
    this.options = options;
    this.groupIds = options.groups.map(({ factor, index }) => groupId(factor, index));
    this.chance = new Chance(options.seed, "cluster");
    this.network = new SimulatedNetwork(this.time, new Chance(options.seed, "network"));
    const store = new Chance(options.seed, "store");
    const latencyMs = (): number => store.between(0.2, store.happens(0.02) ? 100 : 4);
    this.store = new MemoryStore({ clock: this.time, latencyMs, fate: (transaction, client) => (client === "admin" ? "normal" : this.fate(transaction, client)) });
    this.admin = this.store.client("admin");
    this.network.delivered = (_from, to, message) => {
      if (message.type === "copy") this.hosts.get(this.nameOf(to))?.medium.noteLost(message);
      this.#mix(message.type, to, message.group, message.epoch, message.tag);
    };
    for (const [name, server] of Object.entries(options.drives)) {
      this.addDrive(name, server);
      this.#bootMs.set(server, -UPTIME_MS - this.chance.between(0, 10_000));
    }
    this.#form();
    watchInvariants(this);
  }

  #form(): void {
    this.put(keys.cluster, { id: CLUSTER_ID, name: "simulated", incarnation: 1, targetName: "iqn.2026-01.test:simulated", formedAtMs: 0 });
    for (const [counter, factor] of Object.entries(this.options.volumes)) {
      const id = Number(counter) as VolumeId;
      this.put(keys.volume(id), { id, name: `v${counter}`, sizeBytes: 2 ** 30, factor, lineage: id, createdAtMs: 0 });
    }
    for (const factor of new Set([...this.options.groups.map((group) => group.factor), ...Object.values(this.options.volumes)])) this.put(keys.pool(factor), { factor, groupCount: this.options.groupCount ?? 1 });
    for (const { factor, index, wanted } of this.options.groups) {
      const members = wanted.map((name) => this.host(name).id);
      const config: GroupConfig = { incarnation: 1, epoch: 1 as never, primary: members[0] as DriveId, primaryInstance: 0 as Instance, members, learners: [], nonce: 1 };
      this.put(keys.group(groupId(factor, index)), config);
      this.put(keys.groupPlan(groupId(factor, index)), { wanted: members });
    }
  }

  /** Puts at once and past everything that may be wrong with the store. */
  put(key: string, value: unknown): void {
    this.store.apply({ compares: [], puts: [{ key, value: JSON.stringify(value) }] });
  }

  /** An empty drive with an id of its own. */
  addDrive(name: string, server: string): SimulatedHost {
    this.#drives += 1;
    const id = this.#drives.toString(16).padStart(16, "0") as DriveId;
    const medium = new DriveMedium();
    medium.format(id, new Chance(this.options.seed, `format ${id}`), this.options.capacityBytes?.[name]);
    const host: SimulatedHost = { id, server, medium, running: null, instance: 0 as Instance, images: new Map(), starts: 0, failed: false, away: false, removed: false };
    this.hosts.set(name, host);
    return host;
  }
  host(name: string): SimulatedHost {
    const host = this.hosts.get(name);
    if (!host) throw new Error(`there is no drive ${name}`);
    return host;
  }
  nameOf(id: string): string {
    for (const [name, host] of this.hosts) if (host.id === id) return name;
    return id;
  }
  group(name: string, group: GroupId): Group | undefined {
    return this.host(name).running?.node?.groups.get(group);
  }
  config(group: GroupId): GroupConfig {
    return JSON.parse(this.store.find(keys.group(group))?.value ?? "null") as GroupConfig;
  }
  plan(group: GroupId, wanted: readonly string[]): void {
    this.note(`plan ${group}: ${wanted.join(" ")}`);
    this.put(keys.groupPlan(group), { wanted: wanted.map((name) => this.host(name).id) });
  }
  /** R21, as management does it. */
  deleteVolume(counter: number): void {
    const id = counter as VolumeId;
    this.note(`delete volume ${counter}`);
    const tombstone = { id, name: `v${counter}`, factor: this.options.volumes[counter] ?? 1, lineage: id, deletedAtMs: this.time.nowMs() };
    this.store.apply({ compares: [], puts: [{ key: keys.tombstone(id), value: JSON.stringify(tombstone) }], deletes: [keys.volume(id)] });
  }

  // ---- processes ----

  process(name: string, server: string, from?: Chance): SimulatedProcess {
    const rate = this.options.drift && from ? 1 + from.between(-0.004, 0.004) : 1;
    return new SimulatedProcess(name, this.time, this.#bootMs.get(server) ?? -UPTIME_MS, rate);
  }

  start(name: string): void {
    const host = this.host(name);
    if (host.running || host.failed || host.away || host.removed) return;
    const { id, server, medium } = host;
    host.starts += 1;
    const chance = new Chance(this.options.seed, `${name}.${host.starts}`);
    // The clock belongs to the server: its rate does not change with its processes.
    const process = this.process(name, server, new Chance(this.options.seed, server));
    const client = this.store.client(name);
    const store = new ProcessStore(client, process);
    const map = new ClusterMap();
    const running: RunningDrive = { process, client, store, drive: null, node: null };
    host.running = running;
    this.note(`start ${name}`);
    const { files } = new SimulatedKernel(medium, this.time, process, new Chance(this.options.seed, `${name}.${host.starts} disk`));
    const fatal = (reason: FatalReason, detail: string): never => this.#fatal(name, running, reason, detail);
    const platform = { clock: process, random: chance, files, log: this.log(name), fatal } as unknown as Platform;
    const begin = async (): Promise<void> => {
      for (;;) {
        const found = await store.range("").catch(() => null);
        if (found) {
          map.snapshot(found.entries, found.revision, found.storeId);
          break;
        }
        await new Promise<void>((resolve) => void process.timer(500, resolve));
      }
      const group = (key: ExtentKey): GroupId => running.node?.groupOf(key) ?? extentGroup(map, new Map(), key);
      const drive = await openDrive(platform, { directory: DIRECTORY, group, expectedClusterId: CLUSTER_ID, tuning: medium.tuning }).catch((error: unknown) => {
        if (error instanceof OpenError) return platform.fatal(error.reason, error.message);
        throw error;
      });
      running.drive = drive;
      host.instance = drive.instance;
      host.images = drive.images;
      this.note(`${name} has opened its drive, instance ${drive.instance}`);
      const record = { id, server: server as ServerName, address: server, port: 1, instance: drive.instance, capacityBytes: drive.space().capacityBytes };
      const askPort: AskPort = (other) => this.network.askPort({ process, server }, other, { process: { name: this.nameOf(other) }, server: this.host(this.nameOf(other)).server });
      const node = new StorageNode({ askPort, word: () => this.words.get(server) ?? null, platform, store, map, drive, dialer: this.network.dialer(process, server, peerOf(id, drive.instance)), record });
      running.node = node;
      this.network.listening.set(id, { process, server, instance: drive.instance, refuse: (hello) => node.refuse(hello), accept: (channel) => node.accept(channel) });
      await node.start();
    };
    begin().catch((error: unknown) => {
      if (process.alive) this.fail(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    });
  }
  startAll(): void {
    for (const name of this.hosts.keys()) this.start(name);
  }
  /** kill -9. `published`: its supervisor saw it and says so (R18). */
  kill(name: string, published = false): void {
    const { running, id } = this.host(name);
    if (!running) return;
    this.note(`kill ${name}${published ? ", its death is published" : ""}`);
    this.stopping.delete(name);
    this.network.listening.delete(id);
    running.process.kill();
    this.host(name).running = null;
    if (published && running.drive) this.publishDeath(name, running.drive.instance);
  }
  /** `platform.fatal`: the process is gone at once; whatever of it still runs in this turn reaches nothing. */
  #fatal(name: string, running: RunningDrive, reason: FatalReason, detail: string): never {
    const host = this.host(name);
    this.note(`${name} ends with ${reason}: ${detail}`);
    if (host.running === running) this.kill(name);
    if (reason !== "drive-failed" || !host.medium.hurt && host.medium.harms.size === 0) this.fail(`${name}: fatal ${reason}: ${detail}`);
    host.failed = true;
    // Its supervisor has reaped it (R18).
    const { instance, id } = host;
    if (running.drive) this.time.timer(this.chance.between(1, 300), () => this.publishDeath(name, instance, id));
    throw new Error(`the process of ${name} has ended`);
  }
  publishDeath(name: string, instance = this.host(name).instance, id = this.host(name).id): void {
    const known = JSON.parse(this.store.find(keys.death(id))?.value ?? "{}") as { instance?: number };
    if ((known.instance ?? 0) >= instance) return;
    this.note(`${name}'s instance ${instance} is published dead`);
    this.put(keys.death(id), { instance, atMs: this.time.nowMs(), reason: "killed" });
  }
  /** SIGTERM, and the end soon after. */
  stop(name: string): void {
    const { running } = this.host(name);
    if (!running || this.stopping.has(name)) return;
    this.note(`stop ${name}`);
    this.stopping.add(name);
    const end = (): void => void (this.host(name).running === running && this.kill(name));
    if (!running.node) return end();
    // What fails in a process that its failed drive has ended meanwhile tells nobody anything.
    const failed = (error: Error): void => void (running.process.alive && this.fail(`${name}: ${error.stack ?? error.message}`));
    running.process.happen(() => void running.node?.stop().then(() => this.time.soon(end), failed));
    this.time.timer(STOP_MS_MAX, end);
  }
  restart(name: string, published = false): void {
    this.kill(name, published);
    this.start(name);
  }
  /** A server loses power: its processes end, and others hear nothing of it until it is back. */
  powerOff(server: string): void {
    this.note(`power off ${server}`);
    this.network.dark.add(server);
    for (const [name, host] of this.hosts) {
      if (host.server !== server) continue;
      host.medium.losePower(new Chance(this.options.seed, `${name}.${host.starts} power`));
      this.kill(name);
    }
    for (const resident of this.residents) if (resident.server === server) resident.powerLost();
  }
  powerOn(server: string, bootSeconds = 15): void {
    this.note(`power on ${server}`);
    this.#bootMs.set(server, this.time.nowMs() - bootSeconds * 1000);
    this.network.lit(server);
    for (const [name, host] of this.hosts) if (host.server === server) this.start(name);
    for (const resident of this.residents) if (resident.server === server) resident.start();
  }
  /** What waits for the medium does not end until `unhang`; with "all", what reads does not either. */
  hang(name: string, what: "syncs" | "all" = "syncs"): void {
    this.note(`the disk of ${name} hangs (${what})`);
    this.host(name).medium.hang(what);
  }
  unhang(name: string): void {
    this.note(`the disk of ${name} hangs no more`);
    this.host(name).medium.unhang();
  }
  stall(name: string): void {
    this.note(`stall ${name}`);
    this.host(name).running?.process.stall();
  }
  resume(name: string): void {
    this.note(`resume ${name}`);
    this.host(name).running?.process.resume();
  }
  /** Nothing gets from one server to the other, in one direction. */
  block(from: string, to: string): void {
    this.note(`block ${from} > ${to}`);
    this.network.block(from, to);
  }
  unblock(from: string, to: string): void {
    this.note(`unblock ${from} > ${to}`);
    this.network.unblock(from, to);
  }
  isolate(server: string): void {
    for (const other of new Set([...this.hosts.values()].map((host) => host.server))) {
      if (other === server) continue;
      this.block(server, other);
      this.block(other, server);
    }
  }

  // ---- what is seen ----

  /** Names of the drives that serve the group now, by their own knowledge. */
  serving(group: GroupId): string[] {
    const names: string[] = [];
    for (const [name, host] of this.hosts) {
      const found = host.running?.node?.groups.get(group);
      if (found?.state === "serving" && found.serving?.hasLeases()) names.push(name);
    }
    return names;
  }
  /** Every group serves with exactly the members that its plan wants, the wanted primary at work. */
  whole(groups: readonly GroupId[] = this.groupIds): boolean {
    return groups.every((group) => {
      const { wanted } = JSON.parse(this.store.find(keys.groupPlan(group))?.value ?? "null") as { wanted: DriveId[] };
      const { members, learners, primary } = this.config(group);
      const serving = this.serving(group);
      return serving.length === 1 && this.host(serving[0] as string).id === primary && primary === wanted[0] && learners.length === 0 && members.length === wanted.length && wanted.every((id) => members.includes(id));
    });
  }

  // ---- the record ----

  fail(what: string): never {
    const line = `${this.time.nowMs().toFixed(1)} ${what}`;
    this.failures.push(line);
    throw new Error(`seed ${this.options.seed}: ${line}`);
  }
  note(line: string): void {
    this.#mix(line);
    const text = `${this.time.nowMs().toFixed(1).padStart(9)} ${line}`;
    this.lines.push(text);
    if (this.options.verbose) console.log(text);
  }
  /** FNV-1a over what happened, and over the time at which it did. */
  #mix(...what: readonly (string | number)[]): void {
    let hash = this.#hash;
    for (const each of [this.time.nowMs() * 1e6, ...what]) {
      if (typeof each === "string") for (let i = 0; i < each.length; i += 1) hash = Math.imul(hash ^ each.charCodeAt(i), 0x01000193);
      else hash = Math.imul(Math.imul(hash ^ each, 0x01000193) ^ (each / 2 ** 32), 0x01000193);
    }
    this.#hash = hash;
  }
  /** Of everything that was delivered and logged, and when. */
  get fingerprint(): string {
    return (this.#hash >>> 0).toString(16);
  }
  log(name: string, fields: Record<string, unknown> = {}): Log {
    const show = (more: Record<string, unknown> = {}): string =>
      Object.entries({ ...fields, ...more })
        .map(([key, value]) => ` ${key}=${JSON.stringify(value)?.replace(/[0-9a-f]{16}/g, (id) => this.nameOf(id))}`)
        .join("");
    const line = (level: string) => (message: string, more?: Record<string, unknown>) => {
      this.note(`${name} ${level} ${message}${show(more)}`);
      if (!this.storeWentBack && message.startsWith("this drive does not obey")) this.fail(`R14: a false alarm on ${name}${show(more)}`);
    };
    return { debug: () => {}, info: line("info"), warn: line("warn"), error: line("error"), child: (more) => this.log(name, { ...fields, ...more }) };
  }
}
