import type { DriveId } from "../../src/base/ids.ts";
import { leavingKeys } from "../../src/cluster/leaving.ts";
import { parseGroupName } from "../../src/cluster/schema.ts";
import { namedBy, removeDrive, wishOf } from "./administrator.ts";
import { Chance } from "./chance.ts";
import type { SimulatedCluster } from "./cluster.ts";
import { Overseer } from "./overseer.ts";
import type { World } from "./world.ts";

/** Stories in which the cluster grows and shrinks. */
const SHARE = 0.4;
const ADDED_MAX = 3;

/**
 * The cluster's hardware changes while it works: drives and servers are added, drained, put back into service and removed. By a
 * chance of its own. What is drained may never be more than the rest can do without.
 */
export class Growth {
  readonly #world: World;
  readonly #chance: Chance;
  readonly #count: (kind: string) => void;
  /** Told of a drive, or of a server, that is there from now on: faults reach it, too. */
  readonly #joined: (drive: string, server: string) => void;
  readonly #everyMs: number;
  readonly happens: boolean;
  #added = 0;
  #stopped = false;

  constructor(world: World, count: (kind: string) => void, joined: (drive: string, server: string) => void) {
    this.#world = world;
    this.#chance = new Chance(world.seed, "growth");
    this.#count = count;
    this.#joined = joined;
    this.happens = this.#chance.happens(SHARE);
    this.#everyMs = this.#chance.pick([2000, 5000, 12_000]);
  }

  start(): void {
    if (this.happens) this.#next();
  }
  /** Nothing begins any more; what was drained goes on until it holds nothing, and is removed or put back into service. */
  stop(): void {
    this.#stopped = true;
  }

  #next(): void {
    this.#world.cluster.time.timer(this.#chance.between(0, this.#everyMs * 2), () => {
      if (this.#stopped) return;
      this.#one();
      this.#next();
    });
  }
  #one(): void {
    const kind = this.#chance.float();
    if (kind < 0.25) this.#add();
    else if (kind < 0.6) this.#drain();
    else if (kind < 0.7) this.#putBack();
    else this.#remove();
  }

  #add(): void {
    const { cluster, overseers, seed } = this.#world;
    if (this.#added >= ADDED_MAX) return;
    const servers = [...new Set([...cluster.hosts.values()].map(({ server }) => server))];
    const isNew = this.#chance.happens(0.4);
    const server = isNew ? `s${servers.length + 1}` : this.#chance.pick(servers);
    const name = "xyz"[this.#added] as string;
    this.#added += 1;
    this.#count(isNew ? "server added" : "drive added");
    cluster.note(`drive ${name} is added to ${server}`);
    const host = cluster.addDrive(name, server);
    const [like] = cluster.hosts.values();
    if (like) Object.assign(host.medium.tuning, like.medium.tuning);
    if (isNew) {
      const overseer = new Overseer(cluster, `m${server.slice(1)}`, server, seed, this.#world.settings);
      overseers.push(overseer);
      cluster.residents.push(overseer);
      overseer.start();
    }
    if (!cluster.network.dark.has(server)) cluster.start(name);
    this.#joined(name, server);
  }

  #drain(): void {
    const { cluster, shape } = this.#world;
    const present = [...cluster.hosts].filter(([, host]) => !host.removed && !host.failed && !host.away);
    const [name, host] = this.#chance.pick(present);
    const whole = this.#chance.happens(0.3);
    const leaving = new Set(present.filter(([one, other]) => one === name || (whole && other.server === host.server) || isDrained(cluster, other.id)).map(([one]) => one));
    const left = new Set(present.filter(([one]) => !leaving.has(one)).map(([, { server }]) => server));
    if (left.size < shape.copies) return;
    this.#count(whole ? "server drained" : "drive drained");
    for (const one of leaving) cluster.note(`${one} is drained`);
    for (const one of leaving) cluster.put(leavingKeys.drainDrive(cluster.host(one).id), { atMs: cluster.time.nowMs() });
  }

  #putBack(): void {
    const { cluster } = this.#world;
    const drained = [...cluster.hosts.values()].filter(({ id, removed }) => !removed && isDrained(cluster, id));
    if (drained.length === 0) return;
    const { id } = this.#chance.pick(drained);
    this.#count("drain cancelled");
    cluster.note(`${cluster.nameOf(id)} is not drained any more`);
    cluster.store.apply({ compares: [], deletes: [leavingKeys.drainDrive(id)] });
  }

  #remove(): void {
    const { cluster } = this.#world;
    for (const [name, host] of cluster.hosts)
      if (isDrained(cluster, host.id) && removeDrive(cluster, name, this.#chance.between(0, 3000))) this.#count("drive removed");
  }
}

export function isDrained(cluster: SimulatedCluster, id: DriveId): boolean {
  return cluster.store.find(leavingKeys.drainDrive(id)) !== null;
}

/** Nothing is wished onto, or lies on, a drive that is drained; every registered drive answers, and somebody leads. */
export function isSettled({ cluster, overseers }: World): boolean {
  const named = new Set<DriveId>();
  for (const { key } of cluster.store.list("pg/")) {
    const group = parseGroupName(key.slice(3));
    for (const id of [...wishOf(cluster, group), ...namedBy(cluster, group)]) named.add(id);
  }
  if ([...named].some((id) => isDrained(cluster, id))) return false;
  const up = cluster.store.list("drive/").every(({ key }) => cluster.store.find(`up/${key}`) !== null);
  return up && overseers.some(({ running }) => running?.monitor.leading === true);
}
