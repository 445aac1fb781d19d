import type { DriveId, ServerName } from "../base/ids.ts";
import { ClusterMap } from "../cluster/map.ts";
import type { Platform } from "../platform/platform.ts";
import { StoreUnavailable, type ClusterStore } from "../platform/store.ts";
import { OpenError } from "../storage/drive/identity.ts";
import { openDrive } from "../storage/drive/open.ts";
import { extentGroup, StorageNode } from "../storage/node.ts";
import { listenForChannels } from "../wire/acceptor.ts";
import { TcpDialer, type Dialer } from "../wire/dialer.ts";
import type { Peer } from "../wire/messages.ts";
import { announceInstance, platformOfDrive } from "./announce.ts";
import { readKey } from "./cluster-key.ts";
import { portAsker, WordWatch } from "./lone.ts";
import type { RoleContext, RunningRole } from "./role.ts";

const STORE_AGAIN_MS = 500;

/** One drive's storage role in a process of its own. */
export async function runStorage(context: RoleContext, driveIndex: number): Promise<RunningRole> {
  return startStorage(context, driveIndex, (_self, remote) => remote);
}

/** A running storage role, and how a dialer of the same process reaches it. */
export interface RunningStorage extends RunningRole {
  readonly node: StorageNode;
  readonly peer: Peer;
}

/**
 * Opens the drive (lock, instance, replay), opens its port, registers it, and takes part. `dialerFactory` may put a shorter
 * way to drives of the same process before TCP.
 */
export async function startStorage(context: RoleContext, driveIndex: number, dialerFactory: (self: Peer, remote: Dialer) => Dialer): Promise<RunningStorage> {
  const { store, config } = context;
  const platform = platformOfDrive(context.platform, config, driveIndex);
  const place = config.drives[driveIndex];
  if (!place) return platform.fatal("configuration", `there is no drive ${driveIndex} in this server's configuration`);
  const clusterKey = await readKey(context);
  // Which group an extent belongs to is the cluster's knowledge: the journal is not replayed without it.
  const map = await firstMap(platform, store);
  if (map.cluster?.id !== config.clusterId) return platform.fatal("store-mismatch", `the store is of cluster ${map.cluster?.id ?? "(none)"}, this server's configuration of ${config.clusterId}`);
  let node: StorageNode | null = null;
  const drive = await openDrive(platform, { directory: place.directory, expectedClusterId: config.clusterId, group: (key) => node?.groupOf(key) ?? extentGroup(map, new Map(), key) }).catch((error: unknown) => {
    if (error instanceof OpenError) return platform.fatal(error.reason, error.message);
    throw error;
  });
  announceInstance(config, { drive: drive.id, instance: drive.instance });
  const peer: Peer = { kind: "drive", id: drive.id, instance: drive.instance };
  const remote = new TcpDialer(platform, { self: peer, clusterId: config.clusterId, incarnation: () => map.cluster?.incarnation ?? 0, clusterKey });
  const word = new WordWatch(config.directory, platform.clock);
  const running = new StorageNode({
    platform,
    store,
    map,
    drive,
    askPort: portAsker(platform.clock),
    word: () => word.word,
    dialer: dialerFactory(peer, remote),
    record: {
      id: drive.id,
      server: config.name as ServerName,
      address: config.address,
      port: place.port,
      instance: drive.instance,
      capacityBytes: drive.space().capacityBytes,
    },
  });
  node = running;
  const listener = await listenForChannels(platform, { address: config.address, port: place.port }, {
    driveId: drive.id as DriveId,
    instance: drive.instance,
    clusterId: config.clusterId,
    clusterKey,
    refuse: (hello) => running.refuse(hello),
    accept: (channel) => running.accept(channel),
  }).catch((error: Error) => platform.fatal("port-taken", error.message));
  await running.start();
  return {
    node: running,
    peer,
    async stop(): Promise<void> {
      listener.close();
      word.close();
      await running.stop();
    },
  };
}

/** The store's content as it is now, from a cluster that was formed; waits for both. */
async function firstMap(platform: Platform, store: ClusterStore): Promise<ClusterMap> {
  for (let tries = 0; ; tries += 1) {
    try {
      const { entries, revision, storeId } = await store.range("");
      const map = new ClusterMap();
      map.snapshot(entries, revision, storeId);
      if (map.cluster) return map;
      if (tries === 0) platform.log.info("waiting for the cluster to be formed");
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      if (tries % 20 === 0) platform.log.warn("waiting for the cluster store", { reason: error.message });
    }
    await new Promise<void>((resolve) => void platform.clock.timer(STORE_AGAIN_MS, resolve));
  }
}
