import { rmSync } from "node:fs";
import { join } from "node:path";
import { writeServerConfig } from "../formation/identity.ts";
import { parseValue, serverRecord, type ServerRecord } from "../cluster/schema.ts";
import type { Platform, Timer } from "../platform/platform.ts";
import type { ClusterStore } from "../platform/store.ts";
import { etcdAddress, EtcdMembership, type StoreMember } from "../platform/store/etcd-membership.ts";
import type { ServerConfig } from "../role/config.ts";
import { readTls } from "../role/tls.ts";

/** Three bear the loss of one; more would only make each write slower. */
const MEMBERS_WANTED = 3;
const LOOK_EVERY_MS = 3_000;

type EtcdStoreConfig = Extract<ServerConfig["store"], { kind: "etcd" }>;

/** What the store says of servers and members at one look. */
export interface StoreScene {
  readonly own: string;
  /** Registered servers. */
  readonly servers: readonly Pick<ServerRecord, "name" | "address">[];
  readonly up: ReadonlySet<string>;
  readonly draining: ReadonlySet<string>;
  /** Servers that were removed from the cluster. */
  readonly removed: ReadonlySet<string>;
  readonly members: readonly StoreMember[];
}
/** What this server does about it. */
export type StoreStep =
  | { readonly step: "none" }
  /** The member of a removed server goes. */
  | { readonly step: "remove"; readonly member: StoreMember }
  /** This server gets a member, or goes on getting one. */
  | { readonly step: "join" }
  | { readonly step: "promote" };

/**
 * Who does what, so that the store has three members on servers that stay. A member of a server that is drained counts no more, so that another
 * takes its place before it goes; one of a server that is merely away counts: it comes back, or is removed. Pure.
 */
export function storeStep({ own, servers, up, draining, removed, members }: StoreScene): StoreStep {
  const serverOf = (member: StoreMember): string | undefined => servers.find(({ address }) => member.peerUrl !== "" && new URL(member.peerUrl).hostname === address)?.name;
  const mine = members.find((member) => serverOf(member) === own);
  // Of two voters neither may be away, so the second waits for the third (formation/join.ts).
  if (mine?.isLearner === true) return mine.name === "" ? { step: "join" } : { step: members.length >= MEMBERS_WANTED ? "promote" : "none" };
  const living = servers.map(({ name }) => name as string).filter((name) => up.has(name)).sort();
  const orphan = members.find((member) => member.name !== "" && removed.has(member.name) && serverOf(member) === undefined);
  // One of them is enough.
  if (orphan !== undefined) return living[0] === own ? { step: "remove", member: orphan } : { step: "none" };
  // etcd fills one at a time.
  if (members.some(({ isLearner }) => isLearner)) return { step: "none" };
  const staying = members.filter((member) => {
    const server = serverOf(member);
    return server !== undefined && !draining.has(server);
  });
  if (staying.length >= MEMBERS_WANTED) return { step: "none" };
  const holders = new Set(members.map(serverOf));
  const next = living.find((name) => !holders.has(name) && !draining.has(name));
  return next === own ? { step: "join" } : { step: "none" };
}

/** Keeps the cluster store's membership as servers leave. Each step may be cut short and is taken up by the next look. */
export class StoreKeeper {
  readonly #world: { readonly platform: Platform; readonly store: ClusterStore; readonly config: ServerConfig; readonly configFile: string };
  readonly #place: EtcdStoreConfig;
  /** Starts the member that the configuration describes by now. */
  readonly #start: () => void;
  #timer: Timer;
  #closed = false;

  constructor(world: { readonly platform: Platform; readonly store: ClusterStore; readonly config: ServerConfig; readonly configFile: string }, place: EtcdStoreConfig, start: () => void) {
    this.#world = world;
    this.#place = place;
    this.#start = start;
    this.#timer = world.platform.clock.timer(LOOK_EVERY_MS, () => void this.#look());
  }

  close(): void {
    this.#closed = true;
    this.#timer.cancel();
  }

  async #look(): Promise<void> {
    const { platform, config } = this.#world;
    const membership = new EtcdMembership(platform, this.#place.endpoints.map(etcdAddress), readTls(config.tlsDirectory));
    try {
      await this.#act(membership);
    } catch (error) {
      platform.log.debug("The membership of the cluster store cannot be looked at now", { error: (error as Error).message });
    } finally {
      membership.close();
    }
    if (!this.#closed) this.#timer = platform.clock.timer(LOOK_EVERY_MS, () => void this.#look());
  }

  async #act(membership: EtcdMembership): Promise<void> {
    const { store, config, platform: { log } } = this.#world;
    const [servers, up, draining, removed] = await Promise.all(["server/", "up/server/", "drain/server/", "removed/server/"].map((prefix) => store.range(prefix)));
    const names = (range: typeof up, parts: number): Set<string> => new Set((range?.entries ?? []).map(({ key }) => key.split("/")[parts] ?? ""));
    const scene: StoreScene = {
      own: config.name,
      servers: (servers?.entries ?? []).map(({ key, value }) => parseValue(serverRecord, key, value)),
      up: names(up, 2),
      draining: names(draining, 2),
      removed: names(removed, 2),
      members: await membership.list(),
    };
    const next = storeStep(scene);
    if (this.#closed) return;
    if (next.step === "remove") {
      log.warn("The member of a removed server is taken out of the cluster store", { member: next.member.name });
      const why = await membership.remove(next.member.peerUrl);
      if (why !== null) log.warn(`It could not be taken out yet: ${why}`, { member: next.member.name });
    } else if (next.step === "join") await this.#join(membership, scene.members);
    else if (next.step === "promote") {
      const why = await membership.promote(this.#place.member?.peerUrl ?? "");
      if (why === null) log.info("This server's member of the cluster store votes from now on");
    }
  }

  /** All servers use the same ports for the store, so those of the others say this one's. */
  async #join(membership: EtcdMembership, members: readonly StoreMember[]): Promise<void> {
    const { config, configFile, platform: { log } } = this.#world;
    const like = members.find(({ clientUrl, peerUrl }) => clientUrl !== "" && peerUrl !== "");
    // Configured and not answering yet: it is about to start.
    if (like === undefined || this.#place.member !== null) return;
    const at = (url: string): string => `https://${config.address}:${new URL(url).port}`;
    const [clientUrl, peerUrl] = [at(like.clientUrl), at(like.peerUrl)];
    log.warn("This server takes over a place in the cluster store, since a server that had one leaves");
    const added = await membership.addLearner(peerUrl);
    if (typeof added === "string") return log.warn(`The cluster store does not take this server's member yet: ${added}`);
    const directory = join(config.directory, "etcd");
    // Of a membership that has ended: etcd would take up that one.
    rmSync(directory, { recursive: true, force: true });
    const initialCluster = added.map((member) => `${member.peerUrl === peerUrl ? config.name : member.name}=${member.peerUrl}`).join(",");
    this.#place.member = { name: config.name, directory, clientUrl, peerUrl, initialCluster, initialClusterToken: config.clusterId, initialClusterState: "existing" };
    writeServerConfig(configFile, config);
    this.#start();
  }
}
