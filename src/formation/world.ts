import type { Clock, Platform, Random } from "../platform/platform.ts";
import type { ClusterStore } from "../platform/store.ts";
import type { EtcdMembership } from "../platform/store/etcd-membership.ts";
import type { TlsIdentity } from "../platform/store/tls-socket.ts";
import type { ServerConfig } from "../role/config.ts";
import type { DrivePlaces } from "./places.ts";

/** The ports of one server. */
export interface ServerPorts {
  readonly portal: number;
  readonly api: number;
  readonly etcdClient: number;
  readonly etcdPeer: number;
  drive(index: number): number;
}
export const APPLIANCE_PORTS: ServerPorts = { portal: 3260, api: 443, etcdClient: 2379, etcdPeer: 2380, drive: (index) => 7000 + index };

/** What the steps of a formation work with. */
export interface FormationWorld {
  readonly platform: Platform & { readonly clock: Clock; readonly random: Random };
  /** The server's: server.json, setup.json, keys, certificates. */
  readonly directory: string;
  readonly ports: ServerPorts;
  readonly places: DrivePlaces;
  /** Starts the server that server.json describes, unless it runs, and gives its store. */
  start(): Promise<ClusterStore>;
  /** Of the store behind these client addresses. Whoever asks closes it. */
  membership(endpoints: readonly string[], tls: TlsIdentity): Pick<EtcdMembership, "list" | "addLearner" | "promote" | "close">;
}

/** How a server of an appliance is configured; a trial's differs in its ports and its store. */
export interface ServerIdentity {
  readonly clusterId: string;
  readonly serverName: string;
  readonly address: string;
  readonly portalGroupTag: number;
}

export function peerUrlOf(address: string, ports: ServerPorts): string {
  return `https://${address}:${ports.etcdPeer}`;
}
export function clientUrlOf(address: string, ports: ServerPorts): string {
  return `https://${address}:${ports.etcdClient}`;
}

export type StoreConfig = ServerConfig["store"];
