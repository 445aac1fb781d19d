import { writeServerConfig } from "../formation/identity.ts";
import type { Platform, Timer } from "../platform/platform.ts";
import { etcdAddress, EtcdMembership, type StoreMember } from "../platform/store/etcd-membership.ts";
import type { ServerConfig } from "../role/config.ts";
import { readTls } from "../role/tls.ts";

const FIRST_MS = 5_000;
const EVERY_MS = 30_000;

type EtcdConfig = Extract<ServerConfig["store"], { kind: "etcd" }>;

export interface MemberWorld {
  readonly config: ServerConfig;
  readonly configFile: string;
  readonly platform: Platform;
}

/**
 * Keeps the addresses of the cluster store in this server's configuration: those that it started with may all be gone at its next start.
 * Running processes follow by themselves (EtcdFollower); who is a member is StoreKeeper's matter.
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
      const members = await membership.list();
      if (!this.#closed) this.#keepEndpoints(members);
    } catch (error) {
      platform.log.debug("The cluster store does not say who its members are", { error: (error as Error).message });
    } finally {
      membership.close();
    }
    if (!this.#closed) this.#timer = platform.clock.timer(EVERY_MS, () => void this.#look());
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
}
