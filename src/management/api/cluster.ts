/** Types of the API: the cluster as a whole, its version, formation, settings. */

/** GET /cluster. */
export interface ClusterAnswer {
  readonly name: string;
  readonly id: string;
  /** Of the cluster's certificate authority: the first half of its SHA-256, as XXXX-XXXX-...; every console shows it. null: not known here. */
  readonly fingerprint: string | null;
  /** One copy of everything, on fewer than three servers, because an administrator insisted. */
  readonly evaluation: boolean;
}
/** POST /cluster/join-code. */
export interface JoinCodeAnswer {
  /** Two groups of four, Crockford's base32: "K7QF-2M9X". */
  readonly code: string;
  readonly expiresAtMs: number;
}
/** GET /version: of the server that is asked. */
export interface VersionAnswer {
  readonly product: "VirtuStor";
  readonly version: string;
}
/** GET and POST /settings; what a POST does not name stays as it is. */
export interface SettingsAnswer {
  readonly loneSurvivor: "confirm" | "auto";
  readonly strictReads: boolean;
  /** How long after a drive's failure its copies are made anew elsewhere: once the failure is proved / while it only is silent. */
  readonly recreateDriveAfterMs: number;
  /** How long a server may be away before its copies are made anew elsewhere. */
  readonly recreateServerAfterMs: number;
}
export type SettingsBody = Partial<SettingsAnswer>;

/** GET /audit: all changes, newest first. */
export interface AuditAnswer {
  readonly records: readonly AuditRecordAnswer[];
}
export interface AuditRecordAnswer {
  readonly number: number;
  readonly atMs: number;
  /** User's name; "token" for a program with the cluster's token; "console" for somebody in front of a server. */
  readonly who: string;
  /** Address that it came from. */
  readonly from: string;
  /** The server that took it. */
  readonly server: string;
  /** "volume created: db, 2147483648 bytes". */
  readonly what: string;
  /** "done", or the code of the problem that was answered. */
  readonly result: string;
}
