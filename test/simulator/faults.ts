import type { TransactionFate } from "../../src/platform/store/memory.ts";
import type { Chance } from "./chance.ts";
import type { SimulatedCluster } from "./cluster.ts";

/** Faults of every kind, by seed, until `stop`; `heal` ends all that lasts. */
export class Faults {
  readonly #cluster: SimulatedCluster;
  readonly #chance: Chance;
  readonly #everyMs: number;
  readonly #names: readonly string[];
  readonly #servers: readonly string[];
  readonly #places: readonly string[];
  readonly #wanted = new Map<number, readonly string[]>();
  readonly counts: Record<string, number> = {};
  #stopped = false;

  constructor(cluster: SimulatedCluster, chance: Chance, everyMs: number) {
    this.#cluster = cluster;
    this.#chance = chance;
    this.#everyMs = everyMs;
    this.#names = [...cluster.hosts.keys()];
    this.#servers = [...new Set([...cluster.hosts.values()].map(({ server }) => server))];
    // The gateways' server is cut off from others at times, and never fails itself.
    this.#places = [...this.#servers, "g"];
    cluster.fate = () => this.#storeFate(chance);
  }

  start(): void {
    this.#next();
  }
  #next(): void {
    const gapMs = this.#chance.happens(0.3) ? this.#chance.between(0, 300) : this.#chance.between(0, this.#everyMs * 2);
    this.#cluster.time.timer(gapMs, () => {
      if (this.#stopped) return;
      this.#one();
      this.#next();
    });
  }
  stop(): void {
    this.#stopped = true;
  }
  heal(): void {
    const cluster = this.#cluster;
    this.stop();
    cluster.note("heal");
    cluster.fate = () => "normal";
    cluster.store.setAvailable(true);
    cluster.network.unblockAll();
    for (const server of this.#servers) if (cluster.network.dark.has(server)) cluster.powerOn(server);
    for (const [name, host] of cluster.hosts) {
      host.running?.client.setReachable(true);
      host.medium.unhang();
      cluster.resume(name);
      if (cluster.stopping.has(name)) cluster.kill(name);
      cluster.start(name);
    }
  }

  #later(fromMs: number, toMs: number, run: () => void): void {
    this.#cluster.time.timer(this.#chance.between(fromMs, toMs), () => this.#stopped || run());
  }

  #one(): void {
    const cluster = this.#cluster;
    const chance = this.#chance;
    const name = chance.pick(this.#names);
    const server = chance.pick(this.#servers);
    const other = chance.pick(this.#servers);
    const kind = chance.float();
    if (kind < 0.22) this.#kill(name);
    else if (kind < 0.25) {
      this.#count("stop");
      cluster.stop(name);
      this.#later(60, 3000, () => this.#start(name));
    }
    else if (kind < 0.29) this.#powerLoss();
    else if (kind < 0.33) this.#powerOff(server);
    else if (kind < 0.47) {
      this.#count("stall");
      cluster.stall(name);
      this.#later(100, chance.happens(0.5) ? 2500 : 10_000, () => cluster.resume(name));
    } else if (kind < 0.6) this.#cut();
    else if (kind < 0.72) this.#partition(chance.pick(this.#places), other);
    else if (kind < 0.78) {
      this.#count("cut off from the store");
      const client = cluster.host(name).running?.client;
      cluster.note(`${name} does not reach the store`);
      client?.setReachable(false);
      this.#later(200, 8000, () => client?.setReachable(true));
    } else if (kind < 0.81) {
      this.#count("store without quorum");
      cluster.note("the store has no quorum");
      cluster.store.setAvailable(false);
      this.#later(200, 6000, () => cluster.store.setAvailable(true));
    } else if (kind < 0.86) {
      this.#count("disk hangs");
      cluster.hang(name, chance.happens(0.5) ? "syncs" : "all");
      this.#later(100, 4000, () => cluster.unhang(name));
    } else this.#plan();
  }
  #count(kind: string): void {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
  }

  #kill(name: string): void {
    const published = this.#chance.happens(0.5);
    const { running } = this.#cluster.host(name);
    if (!running) return;
    const instance = running.drive?.instance;
    this.#count(published ? "kill, published" : "kill");
    this.#cluster.kill(name);
    // The news may come when the next instance runs already.
    if (published && instance !== undefined) this.#later(1, 300, () => this.#cluster.publishDeath(name, instance));
    this.#later(20, this.#chance.happens(0.5) ? 1000 : 9000, () => this.#start(name));
  }
  #start(name: string): void {
    if (!this.#cluster.network.dark.has(this.#cluster.host(name).server)) this.#cluster.start(name);
  }
  #powerLoss(): void {
    this.#count("power loss of all");
    for (const server of this.#servers) this.#cluster.powerOff(server);
    for (const server of this.#servers) this.#later(500, 4000, () => this.#cluster.powerOn(server, this.#chance.between(5, 20)));
  }
  #powerOff(server: string): void {
    this.#count("power loss of a server");
    this.#cluster.powerOff(server);
    this.#later(1000, 12_000, () => this.#cluster.powerOn(server, this.#chance.between(5, 20)));
  }
  #cut(): void {
    const ends = [...this.#cluster.network.ends];
    if (ends.length === 0) return;
    this.#count("connection cut");
    const end = this.#chance.pick(ends);
    this.#cluster.note(`cut ${end.self.id} - ${end.peer.id}`);
    this.#cluster.network.cut(end);
  }
  #partition(from: string, to: string): void {
    const cluster = this.#cluster;
    this.#count("partition");
    if (from === to) {
      cluster.isolate(from);
      this.#later(100, 8000, () => cluster.network.unblockAll());
      return;
    }
    cluster.block(from, to);
    if (this.#chance.happens(0.4)) cluster.block(to, from);
    this.#later(100, 8000, () => {
      cluster.unblock(from, to);
      cluster.unblock(to, from);
    });
  }
  /** The wanted drives of a group change: another primary, another drive. */
  #plan(): void {
    const cluster = this.#cluster;
    const setup = this.#chance.pick(cluster.options.groups);
    const index = cluster.options.groups.indexOf(setup);
    const group = cluster.groupIds[index] as never;
    const wanted = this.#wanted.get(index) ?? setup.wanted;
    let next: string[];
    if (this.#chance.happens(0.4)) next = this.#chance.shuffled(wanted);
    else {
      const servers = this.#chance.shuffled(this.#servers).slice(0, wanted.length);
      next = servers.map((server) => this.#chance.pick([...cluster.hosts].filter(([, host]) => host.server === server).map(([name]) => name)));
    }
    this.#count("plan changed");
    this.#wanted.set(index, next);
    cluster.plan(group, next);
  }
  /** What becomes of a change in the store: mostly nothing special. */
  #storeFate(chance: Chance): TransactionFate {
    const kind = chance.float();
    if (kind >= 0.07) return "normal";
    this.#count("store transaction lost, late or unanswered");
    if (kind < 0.02) return "lost";
    return kind < 0.05 ? "unanswered" : { lateMs: chance.between(10, 6000) };
  }
}
