import type { GroupId } from "../../src/base/ids.ts";
import { FileError, type FileErrorCode } from "../../src/platform/platform.ts";
import { moveDrive, replaceDrive } from "./administrator.ts";
import type { Chance } from "./chance.ts";
import type { SimulatedCluster, SimulatedHost } from "./cluster.ts";
import type { OperationKind } from "./files.ts";
import { findPages, harmsOf, inflict, isLive, type RotKind } from "./rot.ts";

/** How often an administrator looks for failed drives after healing. */
const REPLACED_EVERY_MS = 1000;
/** A configuration that was proposed may still come into force this long after it was sent: the slowest store answers by then. */
const PROPOSED_MS = 8000;

/** How a drive fails for good: which operation does not succeed, and with what. */
const FAILURES: readonly { readonly kind: OperationKind; readonly code: FileErrorCode; readonly below?: string }[] = [
  { kind: "durable write", code: "EIO" },
  { kind: "sync", code: "EIO" },
  { kind: "write", code: "EIO" },
  { kind: "write", code: "ENOSPC", below: "/extents/" },
  { kind: "names", code: "EIO" },
];

const ROTS: readonly RotKind[] = ["rotten block", "rotten block", "unreadable block", "misdirected write", "rotten trailer", "rotten trailer", "rotten journal", "rotten checkpoint", "rotten superblock"];

/**
 * Faults of disks. What they take must never be the last copy, since no software could bring that back: a drive is hurt only
 * while every group that has it as a member has another member that is well, and nothing is under way by which the hurt one
 * could become the only member. That is asked at the very moment at which the fault strikes, not when it is drawn.
 */
export class DiskFaults {
  readonly #cluster: SimulatedCluster;
  readonly #chance: Chance;
  /** When each drive last proposed a configuration. */
  readonly #proposedMs = new Map<string, number>();
  readonly #count: (kind: string) => void;
  #healed = false;

  constructor(cluster: SimulatedCluster, chance: Chance, count: (kind: string) => void) {
    this.#cluster = cluster;
    this.#chance = chance;
    this.#count = count;
    const { fate } = cluster;
    cluster.fate = (transaction, client) => {
      if (transaction.puts?.some(({ key }) => key.startsWith("pg/"))) this.#proposedMs.set(client, cluster.time.nowMs());
      return fate(transaction, client);
    };
    this.#watchConfigs();
  }


  #watchConfigs(): void {
    const { store } = this.#cluster;
    const apply = store.apply.bind(store);
    store.apply = (transaction) => {
      const outcome = apply(transaction);
      if (transaction.puts?.some(({ key }) => key.startsWith("pg/"))) this.#spare();
      return outcome;
    };
  }
  /** One fault of some drive. */
  strike(name: string): void {
    const chance = this.#chance;
    const kind = chance.float();
    if (kind < 0.2) this.#fail(name);
    else if (kind < 0.3) this.#slow(name);
    else if (kind < 0.4) this.#leave(name);
    else if (kind < 0.5) this.#move(name);
    else {
      const rot = chance.pick(ROTS);
      // Most drives may not be hurt at most times.
      chance.shuffled([...this.#cluster.hosts.keys()]).some((other) => this.#rot(other, rot));
    }
  }
  /** Everything that lasts ends, and failed drives are replaced. */
  heal(): void {
    this.#healed = true;
    for (const [name, host] of [...this.#cluster.hosts]) {
      host.away = false;
      Object.assign(host.medium, { fault: () => null, slowness: 1 });
      host.medium.unhang();
    }
    this.#replaceFailed();
  }
  /** What rotted before shows only when a drive starts again: some fail after everything is healed. */
  #replaceFailed(): void {
    for (const [name, host] of [...this.#cluster.hosts]) if (host.failed && !host.removed && !name.includes("~")) replaceDrive(this.#cluster, name);
    this.#cluster.time.timer(REPLACED_EVERY_MS, () => this.#replaceFailed());
  }

  /** Another member of each of the drive's groups is well, and stays a member whatever is under way. */
  #expendable(host: SimulatedHost, only: GroupId | null = null): boolean {
    const now = this.#cluster.time.nowMs();
    return now - (this.#proposedMs.get(this.#cluster.nameOf(host.id)) ?? -Infinity) >= PROPOSED_MS && this.#hasOther(host, only);
  }
  #hasOther(host: SimulatedHost, only: GroupId | null): boolean {
    const cluster = this.#cluster;
    return cluster.groupIds.every((group) => {
      const { members } = cluster.config(group);
      if ((only !== null && only !== group) || !members.includes(host.id)) return true;
      return members.some((id) => id !== host.id && this.#isWell(cluster.host(cluster.nameOf(id)), group));
    });
  }
  #isWell(host: SimulatedHost, group: number): boolean {
    const image = host.images.get(group as never);
    return !host.failed && !host.medium.hurt && harmsOf(host, group as never).length === 0 && image !== undefined && !image.damaged && !image.incomplete;
  }

  #fail(name: string): void {
    const host = this.#cluster.host(name);
    const { kind, code, below = "" } = this.#chance.pick(FAILURES);
    const { medium } = host;
    medium.fault = (operation) => {
      if (this.#healed || operation.kind !== kind || !operation.path.includes(below)) return null;
      if (!medium.hurt) {
        if (!this.#expendable(host)) return null;
        this.#cluster.note(`the disk of ${name} fails: ${code} on ${kind}`);
        this.#count(`disk fails: ${code} on ${kind}`);
      }
      return new FileError(code, `${kind} of ${operation.path}`);
    };
    const again = (): void => {
      if (this.#healed) return;
      // Some are replaced, others stay away until the end.
      if (host.failed && !host.removed && this.#cluster.hosts.get(name) === host) replaceDrive(this.#cluster, name);
    };
    if (this.#chance.happens(0.6)) this.#cluster.time.timer(this.#chance.between(1000, 20_000), again);
  }
  /** False when that drive cannot be hurt so now. */
  #rot(name: string, kind: RotKind): boolean {
    const cluster = this.#cluster;
    const host = cluster.host(name);
    const harms = host.failed ? null : findPages(cluster, name, kind, this.#chance);
    if (!harms || !harms.every(({ group }) => this.#expendable(host, group))) return false;
    this.#count(kind);
    for (const { path, page } of harms) cluster.note(`${kind}: page ${page} of ${name}'s ${path}`);
    inflict(host, kind, harms, this.#chance);
    // A process knows its trailers: only the next one reads them, and soon enough that the journal still touches the extent.
    if (kind === "rotten trailer" && this.#chance.happens(0.7)) this.#restart(name);
    return true;
  }
  /** A group goes on with fewer members: what only a hurt page held by now is as it was. */
  #spare(): void {
    for (const [name, host] of this.#cluster.hosts)
      for (const harm of host.medium.harms) {
        if (!isLive(host, harm) || this.#hasOther(host, harm.group)) continue;
        this.#cluster.note(`page ${harm.page} of ${name}'s ${harm.path} is well again: it is the last copy`);
        harm.inode.healPage(harm.page);
      }
  }
  #restart(name: string): void {
    const cluster = this.#cluster;
    cluster.kill(name);
    cluster.time.timer(this.#chance.between(50, 2000), () => {
      if (!this.#healed && !cluster.network.dark.has(cluster.host(name).server)) cluster.start(name);
    });
  }
  #slow(name: string): void {
    const { medium } = this.#cluster.host(name);
    const times = this.#chance.pick([5, 30, 200]);
    this.#cluster.note(`the disk of ${name} takes ${times} times as long`);
    this.#count("slow disk");
    medium.slowness = times;
    this.#cluster.time.timer(this.#chance.between(500, 8000), () => (medium.slowness = 1));
  }
  /** A drive is away for long, and comes back with what it held then. */
  #leave(name: string): void {
    const cluster = this.#cluster;
    this.#count("drive away");
    cluster.note(`${name} is taken away`);
    cluster.kill(name);
    const host = cluster.host(name);
    host.away = true;
    cluster.time.timer(this.#chance.between(8000, 40_000), () => {
      host.away = false;
      if (!this.#healed && !cluster.network.dark.has(host.server)) cluster.start(name);
    });
  }
  #move(name: string): void {
    const cluster = this.#cluster;
    const servers = [...new Set([...cluster.hosts.values()].map(({ server }) => server))].filter((server) => server !== cluster.host(name).server);
    if (servers.length === 0) return;
    this.#count("drive moved");
    moveDrive(cluster, name, this.#chance.pick(servers));
  }
}
