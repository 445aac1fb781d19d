import { rmSync } from "node:fs";
import { join } from "node:path";
import { writeServerConfig } from "../formation/identity.ts";
import { STORE_MEMBERS_MAX } from "../formation/join.ts";
import type { Platform, Timer } from "../platform/platform.ts";
import { etcdAddress, EtcdMembership, type StoreMember } from "../platform/store/etcd-membership.ts";
import type { ClusterStore } from "../platform/store.ts";
import type { ServerConfig } from "../role/config.ts";
import { readTls } from "../role/tls.ts";

const FIRST_MS = 5_000;
const EVERY_MS = 30_000;
const REMOVED = "removed/server/";

type EtcdConfig = Extract<ServerConfig["store"], { kind: "etcd" }>;

export interface MemberWorld {
  readonly config: ServerConfig;
  readonly configFile: string;
  readonly platform: Platform;
  readonly store: ClusterStore;
  /** Starts this server's new member, which is in the configuration by then. */
  startMember(member: NonNullable<EtcdConfig["member"]>): void;
}

/**
 * Keeps the membership of the cluster store as it should be, on each server alike; every change may be made by several of them, and repeated.
 *
 * - The addresses of the members are kept in the configuration: those that this server started with may all be gone at its next start.
 * - A member whose server was removed from the cluster is taken out of the store.
 * - While there are fewer than three, a server without a member adds its own, as a learner, which is made a voter when it is filled.
 *
 * Running processes follow by themselves (EtcdFollower).
 */
export function followMembers(world: MemberWorld): { close(): void } | null {
  const { store } = world.config;
  return store.kind === "etcd" ? new MemberFollower(world, store) : null;
}

class MemberFollower {
  readonly #world: MemberWorld;
  readonly #etcd: EtcdConfig;
  #timer: Timer;
  #closed = false;

  constructor(world: MemberWorld, etcd: EtcdConfig) {
    this.#world = world;
    this.#etcd = etcd;
    this.#timer = world.platform.clock.timer(FIRST_MS, () => void this.#look());
  }

  close(): void {
    this.#closed = true;
    this.#timer.cancel();
  }

  async #look(): Promise<void> {
    const { platform, config } = this.#world;
    const membership = new EtcdMembership(platform, this.#etcd.endpoints.map(etcdAddress), readTls(config.tlsDirectory));
    try {
      const members = await this.#withoutRemoved(membership, await membership.list());
      if (!this.#closed) this.#keepEndpoints(members);
      if (!this.#closed) await this.#takePart(membership, members);
    } catch (error) {
      platform.log.debug("The cluster store does not say who its members are", { error: (error as Error).message });
    } finally {
      membership.close();
    }
    if (!this.#closed) this.#timer = platform.clock.timer(EVERY_MS, () => void this.#look());
  }

  /** A member of a server that is gone for good counts for the majority all the same, until it is taken out. */
  async #withoutRemoved(membership: EtcdMembership, members: readonly StoreMember[]): Promise<readonly StoreMember[]> {
    const { store, platform, config } = this.#world;
    const removed = new Set((await store.range(REMOVED)).entries.map(({ key }) => key.slice(REMOVED.length)));
    const left: StoreMember[] = [];
    for (const member of members) {
      const why = removed.has(member.name) && member.name !== config.name ? await membership.remove(member.peerUrl) : "stays";
      if (why === null) platform.log.warn("The cluster store's member of a removed server was taken out", { server: member.name });
      else left.push(member);
    }
    return left;
  }

  #keepEndpoints(members: readonly StoreMember[]): void {
    const own = this.#etcd.member?.clientUrl;
    // Its own first, since nobody is nearer; but last while it is a learner, which answers nobody.
    const serving = members.filter(({ clientUrl, isLearner }) => clientUrl !== "" && (!isLearner || clientUrl === own));
    const rank = ({ clientUrl, isLearner }: StoreMember): number => (clientUrl !== own ? 1 : isLearner ? 2 : 0);
    const endpoints = serving.sort((a, b) => rank(a) - rank(b) || (a.clientUrl < b.clientUrl ? -1 : 1)).map(({ clientUrl }) => clientUrl);
    if (endpoints.length === 0 || endpoints.join() === this.#etcd.endpoints.join()) return;
    this.#world.platform.log.info("The members of the cluster store have changed", { endpoints });
    this.#etcd.endpoints = endpoints;
    writeServerConfig(this.#world.configFile, this.#world.config);
  }

  async #takePart(membership: EtcdMembership, members: readonly StoreMember[]): Promise<void> {
    const { member } = this.#etcd;
    if (member === null) return await this.#becomeMember(membership, members);
    const own = members.find(({ peerUrl }) => peerUrl === member.peerUrl);
    // Of two voters neither may be away (formation/join.ts).
    if (own?.isLearner === true && own.name !== "" && members.length >= STORE_MEMBERS_MAX) await membership.promote(member.peerUrl);
  }

  async #becomeMember(membership: EtcdMembership, members: readonly StoreMember[]): Promise<void> {
    const { config, configFile, platform } = this.#world;
    const other = members.find(({ clientUrl }) => clientUrl !== "");
    if (other === undefined) return;
    const own = (url: string): string => `https://${config.address}:${new URL(url).port}`;
    const peerUrl = own(other.peerUrl);
    if (members.length >= STORE_MEMBERS_MAX && members.every((known) => known.peerUrl !== peerUrl)) return;
    const added = await membership.addLearner(peerUrl);
    // Another one is being filled, or a member is down: later.
    if (typeof added === "string" || this.#closed) return;
    const directory = join(config.directory, "etcd");
    // Of an earlier life: with it etcd would take itself for that member.
    rmSync(directory, { recursive: true, force: true });
    const member = {
      name: config.name, directory, clientUrl: own(other.clientUrl), peerUrl, initialClusterToken: config.clusterId, initialClusterState: "existing" as const,
      initialCluster: added.map((known) => `${known.peerUrl === peerUrl ? config.name : known.name}=${known.peerUrl}`).join(","),
    };
    this.#etcd.member = member;
    writeServerConfig(configFile, config);
    platform.log.info("This server gets a member of the cluster store, which has too few", { members: added.length });
    this.#world.startMember(member);
  }
}
