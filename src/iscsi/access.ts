import type { UnitMap } from "../scsi/unit.ts";

/** The door for configuration: who may see what. All but `latest` is answered from memory, at once. */
export interface Access {
  /** The one target name (IQN) of the cluster. */
  readonly targetName: string;
  /** Every portal of every server, as hosts reach it. */
  portals(): readonly Portal[];
  /** The host to which an initiator name belongs; null for one that nobody has entered. */
  host(initiatorName: string): Host | null;
  /** The LUNs of a host, by its name. */
  luns(hostName: string): UnitMap;
  /** Resolves when the answers above are as new as the configuration was at the call. It may take long; never rejects. */
  latest(): Promise<void>;
  /** Calls `run` after any of the answers above may have changed. Returns what ends that. */
  onChange(run: () => void): () => void;
}

export interface Portal {
  /** IPv4 or IPv6 address, without brackets. */
  readonly address: string;
  readonly port: number;
  /** Portal group tag: one for each server, 1 to 65535. */
  readonly groupTag: number;
}

export interface Credentials {
  readonly user: string;
  readonly secret: string;
}

export interface Host {
  readonly name: string;
  /** What the host must prove to log in or to discover; null: its initiator name is enough. */
  readonly chap: Credentials | null;
  /** What the target proves to a host that asks for it (mutual CHAP). */
  readonly mutualChap?: Credentials | null;
}
