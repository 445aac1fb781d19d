import type { StatusAnswer } from "../api.ts";

/**
 * What the local socket of a server takes and answers (JSON over HTTP, problem details as in the API): for whoever stands in front of
 * the machine, so for root alone. It serves before there is a cluster, and after.
 *
 *     GET  /local/state       -> LocalState
 *     POST /local/create      LocalCreateBody -> LocalStarted; the rest is told by the state
 *     POST /local/join        LocalJoinBody, without `fingerprint` -> LocalJoinSeen, nothing is changed; with it -> LocalStarted
 *     POST /local/retry       -> LocalStarted: goes on with a formation that stopped with an error
 *     POST /local/abandon     -> LocalStarted: forgets one that stopped before this server was configured; the drives it formatted are empty
 *     GET  /local/drives      -> LocalDrives
 *     POST /local/drives      LocalDriveBody -> LocalStarted when the drive is formatted and its process was started
 *     POST /local/join-code   -> LocalJoinCode: a new one; the one before ends
 *     POST /local/password    LocalPasswordBody -> LocalStarted: of the user admin
 *     POST /local/restart, /local/power-off   LocalPowerBody -> LocalStarted; without `confirm` a problem that says what it would cost
 *     GET  /local/log?lines=  -> LocalLog
 *     GET  /local/discover    -> LocalDiscovered: clusters that were found by mDNS
 */
export interface LocalState {
  readonly phase: "unconfigured" | "forming" | "joining" | "configured";
  /** While it forms or joins: the step at work, or the one at which it stopped with `error`. */
  readonly step?: { readonly name: string; /** From 1. */ readonly number: number; readonly of: number; /** A sentence for people. */ readonly detail: string };
  /** Why it does not go on: what happened, to what, what to do. */
  readonly error?: string;
  /** This server's, once it has been chosen. */
  readonly name?: string;
  readonly address?: string;
  readonly cluster?: { readonly name: string; readonly id: string; readonly fingerprint: string; readonly evaluation: boolean };
  readonly version: string;
  /** The one that is valid now, if any. */
  readonly joinCode?: LocalJoinCode;
  /** Of the whole cluster, as this server's API tells it; absent while that does not answer. */
  readonly status?: StatusAnswer;
}
export interface LocalJoinCode {
  /** "K7QF-2M9X". */
  readonly code: string;
  readonly expiresAtMs: number;
}
export interface LocalCreateBody {
  readonly clusterName: string;
  readonly serverName: string;
  /** IPv4; one of this machine's. */
  readonly address: string;
  readonly adminPassword: string;
  /** One copy of everything, on this server alone. */
  readonly evaluation: boolean;
  /** Devices; a directory, too, where there are no devices to give away. What is on them is lost. */
  readonly drives: readonly string[];
  readonly loneSurvivor?: "confirm" | "auto";
}
export interface LocalJoinBody {
  /** Of any server of the cluster; with its API's port when that is not the usual one. */
  readonly address: string;
  /** As it was read off a console: small letters, blanks and a missing dash are understood. */
  readonly code: string;
  readonly serverName: string;
  readonly ownAddress: string;
  readonly drives: readonly string[];
  /** The cluster's, as LocalJoinSeen told it and somebody has confirmed it. */
  readonly fingerprint?: string;
}
/** The cluster knows the code, this server knows that it does, and the server may join. */
export interface LocalJoinSeen {
  readonly clusterName: string;
  readonly fingerprint: string;
}
export interface LocalStarted {
  readonly started: true;
}
export interface LocalDrives {
  readonly drives: readonly LocalDrive[];
}
/** A device that could become a drive: nothing of it is mounted or this system's. */
export interface LocalDrive {
  readonly device: string;
  readonly model: string;
  readonly serial: string;
  readonly sizeBytes: number;
  readonly rotational: boolean;
  /** What is on it, for people: "empty", "xfs filesystem 'data'", "3 partitions". */
  readonly content: string;
  readonly isEmpty: boolean;
}
export interface LocalDriveBody {
  readonly device: string;
  /** The device's name once more, when it is not empty: what is on it is lost. */
  readonly wipe?: string;
}
export interface LocalPasswordBody {
  readonly password: string;
}
export interface LocalPowerBody {
  readonly confirm?: boolean;
}
export interface LocalLog {
  readonly lines: readonly string[];
}
export interface LocalDiscovered {
  readonly clusters: readonly { readonly name: string; readonly address: string; readonly fingerprint: string }[];
}
