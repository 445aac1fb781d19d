import { writeServerConfig } from "../formation/identity.ts";
import type { Clock, Log, Platform, Timer } from "../platform/platform.ts";
import { etcdAddress, EtcdMembership, type StoreMember } from "../platform/store/etcd-membership.ts";
import type { ServerConfig } from "../role/config.ts";
import { readTls } from "../role/tls.ts";

const FIRST_MS = 5_000;
const EVERY_MS = 60_000;

/**
 * Keeps the addresses of the cluster store in this server's configuration: those that it started with may all be gone at its next start.
 * Running processes follow by themselves. Only addresses are written; its own member is a matter of joining and leaving.
 */
export function followMembers(world: { readonly config: ServerConfig; readonly configFile: string; readonly platform: Platform }): { close(): void } | null {
  const { store } = world.config;
  if (store.kind !== "etcd") return null;
  return new MemberFollower(world, store);
}

class MemberFollower {
  readonly #config: ServerConfig;
  readonly #configFile: string;
  readonly #store: Extract<ServerConfig["store"], { kind: "etcd" }>;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #platform: Platform;
  #timer: Timer;
  #closed = false;

  constructor(world: { readonly config: ServerConfig; readonly configFile: string; readonly platform: Platform }, store: Extract<ServerConfig["store"], { kind: "etcd" }>) {
    this.#config = world.config;
    this.#configFile = world.configFile;
    this.#store = store;
    this.#platform = world.platform;
    this.#clock = world.platform.clock;
    this.#log = world.platform.log;
    this.#timer = this.#clock.timer(FIRST_MS, () => void this.#look());
  }

  close(): void {
    this.#closed = true;
    this.#timer.cancel();
  }

  async #look(): Promise<void> {
    const membership = new EtcdMembership(this.#platform, this.#store.endpoints.map(etcdAddress), readTls(this.#config.tlsDirectory));
    try {
      const own = this.#store.member?.clientUrl;
      // Its own first, since nobody is nearer; but last while it is a learner, which answers nobody.
      const serving = (await membership.list()).filter(({ clientUrl, isLearner }) => clientUrl !== "" && (!isLearner || clientUrl === own));
      const rank = ({ clientUrl, isLearner }: StoreMember): number => (clientUrl !== own ? 1 : isLearner ? 2 : 0);
      const endpoints = serving.sort((a, b) => rank(a) - rank(b) || (a.clientUrl < b.clientUrl ? -1 : 1)).map(({ clientUrl }) => clientUrl);
      if (!this.#closed && endpoints.length > 0 && endpoints.join() !== this.#store.endpoints.join()) {
        this.#log.info("The members of the cluster store have changed", { endpoints });
        this.#store.endpoints = endpoints;
        writeServerConfig(this.#configFile, this.#config);
      }
    } catch (error) {
      this.#log.debug("The cluster store does not say who its members are", { error: (error as Error).message });
    } finally {
      membership.close();
    }
    if (!this.#closed) this.#timer = this.#clock.timer(EVERY_MS, () => void this.#look());
  }
}
