import type { Instance, ServerName } from "../base/ids.ts";
import { ClusterMap } from "../cluster/map.ts";
import { keys, type GatewayRecord, type GatewayUp } from "../cluster/schema.ts";
import { IscsiTarget } from "../iscsi/target.ts";
import type { Clock } from "../platform/platform.ts";
import { realSealer } from "../platform/seal.ts";
import type { StoreLease, Versioned, Watch } from "../platform/store.ts";
import { Gateway } from "../volume/gateway.ts";
import { TcpDialer, type Dialer } from "../wire/dialer.ts";
import type { Peer } from "../wire/messages.ts";
import { MapAccess } from "./access.ts";
import { Away } from "./away.ts";
import { forgetPredecessors, predecessors } from "./bans.ts";
import { FenceObeyer } from "./fences.ts";
import { announceInstance } from "./announce.ts";
import { readKey } from "./cluster-key.ts";
import { PortalReports } from "./portal-reports.ts";
import type { RoleContext, RunningRole, RunRole } from "./role.ts";
import { StoreSilence } from "./store-silence.ts";

/** up/gateway/<instance> vanishes so long after this process has stopped. */
const LEASE_MS = 5_000;
/** A portal that the store does not answer drops its sessions when a command has waited so long: hosts then take another path. */
const HELD_MS_MAX = 10_000;
/** It takes none for so long then, or hosts would come back at once and wait again. */
const SUSPENDED_MS = 20_000;
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 2_000;
/** A watch that is later than this has lost its store. */
const CATCH_UP_MS = 1_000;
const CATCH_UP_LOOK_MS = 5;

/** How this process reaches drives: `remote` speaks TCP; a process that holds drives of its own puts a shorter way before it. */
export type DialerFactory = (self: Peer, remote: Dialer) => Dialer;

/** The iSCSI role in a process of its own. Resolves when the portal is open. */
export const runGateway: RunRole = (context) => startGateway(context, (_self, remote) => remote);

/** The iSCSI role: the cluster map, the volumes over it, and one portal. Waits for a store that answers and a cluster that was formed. */
export async function startGateway(context: RoleContext, dialerFactory: DialerFactory): Promise<RunningRole> {
  const { platform, store, config } = context;
  const instance = platform.random.id() as Instance;
  announceInstance(config, { gateway: instance });
  const clusterKey = await readKey(context);
  const map = new ClusterMap();
  const self: Peer = { kind: "gateway", id: String(instance), instance };
  const remote = new TcpDialer(platform, { self, clusterId: config.clusterId, incarnation: () => map.cluster?.incarnation ?? 0, clusterKey });
  const gateway = new Gateway(platform, map, dialerFactory(self, remote), instance);
  const access = new MapAccess(map, platform.crypto, (id) => gateway.volume(id), () => caughtUp(context, map), secretOpener(context, clusterKey));
  const target = new IscsiTarget(platform, access, { address: config.address, port: config.portalPort, groupTag: config.portalGroupTag });
  const fences = new FenceObeyer({ store, clock: platform.clock, map }, instance, () => target.settled().then(() => gateway.leftBehind.settled()), (volumes) => {
    const hosts = [...map.mappings.values()].filter(({ volume }) => volumes.includes(volume)).map(({ host }) => host);
    target.dropHosts(new Set(hosts), "R23: data of a volume that this host sees was given up");
  });
  const watch = await watchMap(context, map, (changed) => {
    // R26: no drive listens to this instance any more, and what it knew of its hosts' rights may be out of date.
    if (map.bans.has(instance)) platform.fatal("portal-banned", "this portal was silent when all portals had to answer, and was shut out; it begins anew");
    gateway.mapChanged(changed);
    access.mapChanged(changed);
    // Last: by now sessions have taken in what came with a fence.
    fences.changed();
  });
  const registration = new GatewayRegistration(context, instance);
  // R26: whoever fences all portals must know of this one before it serves; and what was fenced before that, it must know itself.
  await registration.registered();
  await caughtUp(context, map, true);
  try {
    await target.start();
  } catch (error) {
    platform.fatal("port-taken", error instanceof Error ? error.message : String(error));
  }
  await registration.serving();
  const reports = new PortalReports(platform, store, config.name, instance, target);
  const away = new Away({ clock: platform.clock, log: platform.log, store, map, reach: gateway.reach, door: target, instance, server: config.name as ServerName });
  const forgetting = forgetPredecessors(store, platform.clock, config.name, instance);
  const silence = new StoreSilence(platform, store, (silent) => {
    const local = [...map.drives.values()].filter(({ server }) => server === config.name);
    gateway.setAlone(silent ? new Set(local.map(({ id }) => id)) : null);
    const heldMs = platform.clock.nowMs() - (gateway.heldSinceMs() ?? Infinity);
    // R13, R24: it is not for a portal that is cut off to say that data is gone; hosts find out by another path.
    if (silent && heldMs > HELD_MS_MAX) target.suspend(SUSPENDED_MS, "the cluster store is silent and commands wait");
    away.look(silent);
  });
  return {
    async stop(): Promise<void> {
      silence.close();
      reports.close();
      await away.close();
      forgetting.cancel();
      await target.stop();
      gateway.close();
      fences.close();
      watch.close();
      await registration.close(gateway.leftBehind.any);
    },
  };
}

/** Of what is put in the place of a secret that does not open: nobody guesses it. */
const UNKNOWN_BYTES = 32;
function secretOpener({ platform }: RoleContext, clusterKey: Uint8Array): (sealed: string, about: string) => string {
  const sealer = realSealer(clusterKey);
  return (sealed, about) => {
    const secret = sealer.open(sealed, about);
    if (secret !== null) return secret;
    platform.log.error("a secret in the cluster store does not open with this cluster's key: nobody can log in with it until it is set anew", { about });
    return Buffer.from(platform.random.bytes(UNKNOWN_BYTES)).toString("hex");
  };
}

/** Follows the whole store from now on; resolves when the map holds a formed cluster. */
async function watchMap({ store, config, platform }: RoleContext, map: ClusterMap, changed: (keys: readonly string[]) => void): Promise<Watch> {
  const formed = Promise.withResolvers<void>();
  let incarnation: number | null = null;
  const apply = (keysChanged: readonly string[]): void => {
    // R14: what was promised to sessions before the store was restored holds no longer; the next process begins with none.
    const { cluster } = map;
    if (cluster && incarnation !== null && cluster.incarnation !== incarnation) platform.fatal("store-restored", `the cluster store was restored: incarnation ${cluster.incarnation} follows ${incarnation}`);
    incarnation = cluster?.incarnation ?? incarnation;
    changed(keysChanged);
    if (!map.cluster) return;
    if (map.cluster.id !== config.clusterId) platform.fatal("store-mismatch", `the store is of cluster ${map.cluster.id}, this server's configuration of ${config.clusterId}`);
    formed.resolve();
  };
  const watch = store.watch("", {
    snapshot: (entries: readonly Versioned[], origin) => apply(map.snapshot(entries, origin.revision)),
    changed: (changes, origin) => apply(map.changed(changes, origin.revision)),
  });
  await formed.promise;
  return watch;
}

/** Resolves when `map` has all that the store held at the call; unless `patient`, also when the store does not answer, or the watch is too late. */
async function caughtUp({ store, platform: { clock } }: { store: RoleContext["store"]; platform: { clock: Clock } }, map: ClusterMap, patient = false): Promise<void> {
  const begunMs = clock.nowMs();
  const read = await store.get(keys.cluster).catch(() => null);
  if (read === null && patient) {
    await new Promise<void>((resolve) => void clock.timer(RETRY_MS_MIN, resolve));
    return caughtUp({ store, platform: { clock } }, map, patient);
  }
  while (read !== null && map.revision < read.revision && (patient || clock.nowMs() - begunMs < CATCH_UP_MS)) {
    await new Promise<void>((resolve) => void clock.timer(CATCH_UP_LOOK_MS, resolve));
  }
}

/** Keeps up/gateway/<instance> in the store as long as this process lives; tries again after every failure. */
class GatewayRegistration {
  readonly #context: RoleContext;
  readonly #up: GatewayUp;
  #lease: StoreLease | null = null;
  #serving = false;
  #replaces: Instance[] = [];
  #closed = false;

  constructor(context: RoleContext, instance: Instance) {
    this.#context = context;
    this.#up = { instance, server: context.config.name as ServerName, sinceMs: context.platform.clock.wallMs() };
  }

  /** Resolves when it is registered; from then on it is kept so. Losing it ends nothing: hosts are served without a store too. */
  async registered(): Promise<void> {
    const { clock } = this.#context.platform;
    let retryMs = RETRY_MS_MIN;
    while (!this.#closed && !(await this.#register())) {
      const waitMs = retryMs;
      await new Promise<void>((resolve) => void clock.timer(waitMs, resolve));
      retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
    }
  }

  /** `left`: something of this portal may still be taken; then its record stays for its successor, or a ban. */
  async close(left: boolean): Promise<void> {
    this.#closed = true;
    const lease = this.#lease;
    this.#lease = null;
    await lease?.revoke().catch(() => undefined);
    // R26: everything that this portal had under way has ended.
    if (left) return;
    await this.#context.store.transact({ compares: [], deletes: [keys.gateway(this.#up.instance)] });
  }

  /** The port is this process's: whoever had it before has ended. A fence that must know waits until the store knows, too. */
  async serving(): Promise<void> {
    this.#serving = true;
    const { store, platform } = this.#context;
    const before = await predecessors(store, this.#up.server, this.#up.instance).catch(() => null);
    if (before !== null) {
      this.#replaces = before.map(({ instance }) => instance);
      const { outcome } = await store.transact({ compares: [{ key: keys.banned(this.#up.instance), revision: 0 }], puts: [this.#record()] });
      if (outcome === "success") return;
    }
    platform.clock.timer(RETRY_MS_MAX, () => this.#closed || void this.serving());
  }

  #record(): { key: string; value: string } {
    const record: GatewayRecord = { instance: this.#up.instance, server: this.#up.server, serving: this.#serving, replaces: this.#replaces };
    return { key: keys.gateway(record.instance), value: JSON.stringify(record) };
  }

  async #register(): Promise<boolean> {
    const { store, platform } = this.#context;
    let lease: StoreLease;
    try {
      lease = await store.lease(LEASE_MS);
    } catch (error) {
      platform.log.debug("the store gives no lease yet", { error: error instanceof Error ? error.message : String(error) });
      return false;
    }
    const put = { key: keys.upGateway(this.#up.instance), value: JSON.stringify(this.#up), lease };
    // R26: one that is banned does not come back; its watch will tell it.
    const { outcome } = await store.transact({ compares: [{ key: keys.banned(this.#up.instance), revision: 0 }], puts: [put, this.#record()] });
    if (outcome !== "success" || this.#closed) {
      await lease.revoke().catch(() => undefined);
      return false;
    }
    this.#lease = lease;
    lease.onLost(() => {
      if (this.#lease !== lease) return;
      this.#lease = null;
      platform.log.warn("the store has let go of this portal's registration; it registers again");
      void this.registered();
    });
    return true;
  }
}
