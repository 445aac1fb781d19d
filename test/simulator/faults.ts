import type { DriveId } from "../../src/base/ids.ts";
import { keys } from "../../src/cluster/schema.ts";
import type { MemoryClient, TransactionFate } from "../../src/platform/store/memory.ts";
import type { Chance } from "./chance.ts";
import { DiskFaults } from "./disk-faults.ts";
import { Growth } from "./growth.ts";
import type { ProcessStore } from "./store.ts";
import type { World } from "./world.ts";

/** Of the kinds of faults so many take part in a story: some combinations show only when others keep still. */
const KIND_SHARE = 0.65;
/** Half of what hits a drive hits one that leads a group: with many servers few others matter. */
const PRIMARY_SHARE = 0.5;
/** What the product says when much is half done; a fault soon after it finds it so. */
const TURNING_POINTS = ["primary of a group", "reconciling a group", "bringing a learner into sync", "changing a group's configuration", "becomes a member", "serving a group"];
const TURNING_POINT_SHARE = 0.1;
/** Where faults follow each other sooner than this, there are pauses of up to eight times as much. */
const CALM_MS = 1000;
const CALM_SHARE = 0.08;
/** Hosts begin to ask at most so long before a fault. */
const HURRY_MS = 60;

interface Kind {
  readonly name: string;
  /** How often, against the others. */
  readonly weight: number;
  readonly happen: () => void;
}
/** What of a process faults can reach. */
interface Reached {
  readonly client: MemoryClient;
  readonly store: ProcessStore;
}

/** Faults of every kind, by seed, until `stop`; `heal` ends all that lasts. */
export class Faults {
  readonly #world: World;
  readonly #chance: Chance;
  readonly #everyMs: number;
  readonly #drives: string[];
  readonly #servers: string[];
  readonly #kinds: readonly Kind[];
  readonly #fateful: boolean;
  /** How many of the faults last long: what follows from silence shows only after seconds of it. */
  readonly #longShare: number;
  readonly #turning: boolean;
  readonly #disks: DiskFaults;
  readonly #growth: Growth;
  readonly counts: Record<string, number> = {};
  #stopped = false;

  constructor(world: World, chance: Chance, everyMs: number) {
    this.#world = world;
    this.#chance = chance;
    this.#everyMs = everyMs;
    this.#drives = [...world.cluster.hosts.keys()];
    this.#servers = [...new Set([...world.cluster.hosts.values()].map(({ server }) => server))];
    const kinds = this.#all();
    const chosen = kinds.filter(() => chance.happens(KIND_SHARE));
    this.#kinds = chosen.length > 0 ? chosen : kinds;
    this.#fateful = chance.happens(KIND_SHARE);
    this.#longShare = chance.pick([0.1, 0.5, 0.9]);
    this.#turning = chance.happens(KIND_SHARE);
    world.cluster.fate = () => this.#storeFate();
    this.#disks = new DiskFaults(world.cluster, chance, (kind) => this.#count(kind));
    this.#growth = new Growth(world, (kind) => this.#count(kind), (drive, server) => {
      this.#drives.push(drive);
      if (!this.#servers.includes(server)) this.#servers.push(server);
    });
  }

  #all(): Kind[] {
    const { cluster } = this.#world;
    const chance = this.#chance;
    return [
      { name: "kill", weight: 22, happen: () => this.#kill(this.#victim()) },
      { name: "stop", weight: 3, happen: () => this.#stop(this.#victim()) },
      { name: "power loss of all", weight: 4, happen: () => this.#powerLoss() },
      { name: "power loss of a server", weight: 4, happen: () => this.#powerOff(chance.pick(this.#servers)) },
      { name: "stall", weight: 14, happen: () => this.#stall(this.#victim()) },
      { name: "connection cut", weight: 13, happen: () => this.#cut() },
      { name: "partition of servers", weight: 8, happen: () => this.#partition(this.#servers) },
      { name: "partition of processes", weight: 6, happen: () => this.#partition([...this.#servers, ...this.#drives, ...this.#world.portals.map(({ name }) => name)]) },
      { name: "isolation", weight: 5, happen: () => this.#isolate(cluster.host(this.#victim()).server) },
      { name: "cut off from the store", weight: 6, happen: () => this.#cutOff() },
      { name: "watch lags", weight: 4, happen: () => this.#lag() },
      { name: "store without quorum", weight: 3, happen: () => this.#noQuorum() },
      { name: "disk hangs", weight: 5, happen: () => this.#hang(this.#victim()) },
      { name: "disk fault", weight: 5, happen: () => this.#disks.strike(this.#victim()) },
      { name: "plan changed", weight: 10, happen: () => this.#plan(chance.pick(cluster.groupIds)) },
      { name: "portal killed", weight: 7, happen: () => this.#killPortal() },
      { name: "portal stalled", weight: 7, happen: () => this.#stallPortal() },
      { name: "monitor killed", weight: 2, happen: () => this.#killMonitor() },
      { name: "monitor stalled", weight: 2, happen: () => this.#stallMonitor() },
    ];
  }

  #victim(): string {
    const { cluster } = this.#world;
    if (!this.#chance.happens(PRIMARY_SHARE)) return this.#chance.pick(this.#drives);
    const name = cluster.nameOf(cluster.config(this.#chance.pick(cluster.groupIds)).primary);
    // One that was replaced is hit no more.
    return this.#drives.includes(name) ? name : this.#chance.pick(this.#drives);
  }
  #watchTurningPoints(): void {
    const { cluster } = this.#world;
    const note = cluster.note.bind(cluster);
    cluster.note = (line) => {
      note(line);
      const [name = ""] = line.split(" ", 1);
      if (this.#stopped || !this.#drives.includes(name) || !TURNING_POINTS.some((point) => line.includes(point)) || !this.#chance.happens(TURNING_POINT_SHARE)) return;
      const victim = this.#chance.happens(0.5) ? name : this.#victim();
      this.#later(0, 30, () => {
        this.#count("fault at a turning point");
        this.#chance.pick([() => this.#kill(victim), () => this.#stall(victim), () => this.#cut(), () => this.#muffle(victim)])();
      });
    };
  }

  start(): void {
    if (this.#turning) this.#watchTurningPoints();
    this.#growth.start();
    this.#next();
  }
  #next(): void {
    // Where nothing ever comes to rest no command is answered, and there is little to be lost.
    const calm = this.#everyMs < CALM_MS && this.#chance.happens(CALM_SHARE);
    const gapMs = calm ? this.#chance.between(CALM_MS, CALM_MS * 8) : this.#chance.happens(0.3) ? this.#chance.between(0, 300) : this.#chance.between(0, this.#everyMs * 2);
    const { cluster, pace } = this.#world;
    // Most faults come in the midst of a burst of commands, some into silence.
    if (this.#chance.happens(0.8)) cluster.time.timer(gapMs - this.#chance.between(0, HURRY_MS), () => pace.hurry());
    cluster.time.timer(gapMs, () => {
      if (this.#stopped) return;
      this.#one();
      this.#next();
    });
  }
  stop(): void {
    this.#stopped = true;
    this.#growth.stop();
  }
  heal(): void {
    const { cluster, portals, overseers } = this.#world;
    this.stop();
    cluster.note("heal");
    cluster.fate = () => "normal";
    cluster.store.setAvailable(true);
    cluster.network.unblockAll();
    for (const server of this.#servers) if (cluster.network.dark.has(server)) cluster.powerOn(server);
    this.#disks.heal();
    for (const reached of this.#reached()) restore(reached);
    for (const name of cluster.hosts.keys()) {
      cluster.resume(name);
      if (cluster.stopping.has(name)) cluster.kill(name);
      cluster.start(name);
    }
    for (const process of [...portals, ...overseers]) {
      process.resume();
      process.start();
    }
  }

  #one(): void {
    let at = this.#chance.between(0, this.#kinds.reduce((sum, { weight }) => sum + weight, 0));
    const kind = this.#kinds.find(({ weight }) => (at -= weight) < 0) ?? (this.#kinds[0] as Kind);
    this.#count(kind.name);
    kind.happen();
  }
  #count(kind: string): void {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
  }
  #later(fromMs: number, toMs: number, run: () => void): void {
    this.#world.cluster.time.timer(this.#chance.between(fromMs, toMs), () => this.#stopped || run());
  }
  #forAWhile(run: () => void, longMs = 10_000): void {
    if (this.#chance.happens(this.#longShare)) this.#later(3000, longMs, run);
    else this.#later(50, 2500, run);
  }

  // ---- drives and servers ----

  #kill(name: string): void {
    const { cluster } = this.#world;
    const published = this.#chance.happens(0.5);
    const { running, id } = cluster.host(name);
    if (!running) return;
    const instance = running.drive?.instance;
    cluster.kill(name);
    // The news may come when the next instance runs already.
    if (published && instance !== undefined) {
      this.#count("death published");
      this.#later(1, 300, () => cluster.publishDeath(name, instance, id));
    }
    this.#later(20, this.#chance.happens(0.5) ? 1000 : 9000, () => this.#start(name));
  }
  #stop(name: string): void {
    this.#world.cluster.stop(name);
    this.#later(60, 3000, () => this.#start(name));
  }
  #start(name: string): void {
    const { cluster } = this.#world;
    if (!cluster.network.dark.has(cluster.host(name).server)) cluster.start(name);
  }
  #stall(name: string): void {
    const { cluster } = this.#world;
    cluster.stall(name);
    this.#forAWhile(() => cluster.resume(name));
  }
  #hang(name: string): void {
    const { cluster } = this.#world;
    cluster.hang(name, this.#chance.happens(0.5) ? "syncs" : "all");
    this.#later(100, 4000, () => cluster.unhang(name));
  }
  #powerLoss(): void {
    for (const server of this.#servers) this.#world.cluster.powerOff(server);
    for (const server of this.#servers) this.#later(500, 4000, () => this.#powerOn(server));
  }
  #powerOff(server: string): void {
    this.#world.cluster.powerOff(server);
    this.#later(1000, 12_000, () => this.#powerOn(server));
  }
  #powerOn(server: string): void {
    this.#world.cluster.powerOn(server, this.#chance.between(5, 20));
  }

  /** What it has sent to some others arrives much later, or when it is gone. */
  #muffle(name: string): void {
    const { cluster } = this.#world;
    for (const other of this.#drives) {
      if (other === name || this.#chance.happens(0.5)) continue;
      cluster.block(name, other);
      this.#forAWhile(() => cluster.unblock(name, other));
    }
    if (this.#chance.happens(0.5)) this.#later(0, 50, () => this.#kill(name));
  }

  // ---- portals and monitors ----

  #killPortal(): void {
    const portal = this.#chance.pick(this.#world.portals);
    const instance = portal.running?.instance;
    const published = this.#chance.happens(0.5);
    portal.kill();
    if (published && instance !== undefined) this.#later(1, 1000, () => portal.publishDeath(instance));
    this.#later(20, this.#chance.happens(0.5) ? 1000 : 9000, () => this.#startAgain(portal));
  }
  #stallPortal(): void {
    const portal = this.#chance.pick(this.#world.portals);
    portal.stall();
    this.#forAWhile(() => portal.resume());
  }
  #killMonitor(): void {
    const overseer = this.#chance.pick(this.#world.overseers);
    overseer.kill();
    this.#later(20, 5000, () => this.#startAgain(overseer));
  }
  #stallMonitor(): void {
    const overseer = this.#chance.pick(this.#world.overseers);
    overseer.stall();
    this.#forAWhile(() => overseer.resume());
  }
  #startAgain(process: { readonly server: string; start(): void }): void {
    if (!this.#world.cluster.network.dark.has(process.server)) process.start();
  }

  // ---- network ----

  #cut(): void {
    const { cluster } = this.#world;
    const ends = [...cluster.network.ends];
    if (ends.length === 0) return;
    const end = this.#chance.pick(ends);
    cluster.note(`cut ${end.self.id} - ${end.peer.id}`);
    cluster.network.cut(end);
  }
  /** Asymmetric more often than not. */
  #partition(places: readonly string[]): void {
    const { cluster } = this.#world;
    const [from, to] = this.#chance.shuffled(places) as [string, string];
    const both = this.#chance.happens(0.4);
    cluster.block(from, to);
    if (both) cluster.block(to, from);
    this.#forAWhile(() => {
      cluster.unblock(from, to);
      if (both) cluster.unblock(to, from);
    });
  }
  /** A server alone, mostly without the store, too; what is on it still talks to each other. */
  #isolate(server: string): void {
    const { cluster, portals, overseers } = this.#world;
    cluster.isolate(server);
    const on = [...cluster.hosts.values(), ...portals, ...overseers].filter((each) => each.server === server);
    const clients = this.#chance.happens(0.7) ? on.flatMap(({ running }) => (running ? [running.client] : [])) : [];
    for (const client of clients) client.setReachable(false);
    this.#forAWhile(() => {
      cluster.network.unblockAll();
      for (const client of clients) client.setReachable(true);
    });
  }

  // ---- store and plan ----

  #reached(): Reached[] {
    const { cluster, portals, overseers } = this.#world;
    return [...[...cluster.hosts.values()], ...portals, ...overseers].flatMap(({ running }) => (running ? [running] : []));
  }
  #cutOff(): void {
    const reached = this.#someone();
    if (!reached) return;
    this.#world.cluster.note(`${reached.client.name} does not reach the store`);
    reached.client.setReachable(false);
    this.#forAWhile(() => reached.client.setReachable(true));
  }
  #lag(): void {
    const reached = this.#someone();
    if (!reached) return;
    this.#world.cluster.note(`what ${reached.client.name} sees of the store is late`);
    reached.store.lag();
    this.#forAWhile(() => reached.store.catchUp());
  }
  #someone(): Reached | null {
    const all = this.#reached();
    return all.length === 0 ? null : this.#chance.pick(all);
  }
  #noQuorum(): void {
    const { cluster } = this.#world;
    cluster.note("the store has no quorum");
    cluster.store.setAvailable(false);
    this.#later(200, 6000, () => cluster.store.setAvailable(true));
  }
  /** The wanted drives of a group change: another primary, another drive. */
  #plan(group: World["cluster"]["groupIds"][number]): void {
    const { cluster } = this.#world;
    const { wanted } = JSON.parse(cluster.store.find(keys.groupPlan(group))?.value ?? "null") as { wanted: DriveId[] };
    const names = wanted.map((id) => cluster.nameOf(id));
    if (this.#chance.happens(0.4)) return cluster.plan(group, this.#chance.shuffled(names));
    // On different servers as far as there are any: a drive that was put elsewhere may leave one without.
    const drives = this.#chance.shuffled(this.#drives.filter((name) => !cluster.host(name).removed));
    const first = drives.filter((name, at) => drives.findIndex((other) => cluster.host(other).server === cluster.host(name).server) === at);
    cluster.plan(group, [...first, ...drives.filter((name) => !first.includes(name))].slice(0, wanted.length));
  }
  /** What becomes of a change in the store: mostly nothing special. */
  #storeFate(): TransactionFate {
    const kind = this.#fateful ? this.#chance.float() : 1;
    if (kind >= 0.07) return "normal";
    this.#count("store transaction lost, late or unanswered");
    if (kind < 0.02) return "lost";
    return kind < 0.05 ? "unanswered" : { lateMs: this.#chance.between(10, 6000) };
  }
}

function restore({ client, store }: Reached): void {
  client.setReachable(true);
  store.catchUp();
}
