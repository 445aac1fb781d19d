/** Types of the API: iSCSI sessions, and the stream of changes. */

/** GET /sessions: of all portals. */
export interface SessionsAnswer {
  readonly sessions: readonly InitiatorSessionAnswer[];
  /** Servers whose portal has not said lately. */
  readonly silent: readonly string[];
}
export interface InitiatorSessionAnswer {
  readonly host: string;
  /** Its iSCSI name. */
  readonly initiator: string;
  /** The server whose portal it uses. */
  readonly server: string;
  /** The initiator's address; "" when not known. */
  readonly address: string;
  readonly sinceMs: number;
  readonly luns: readonly number[];
}

/**
 * GET /events-stream: server-sent events, each `event: changed` with `data: {"topics":[...]}`: something of these has changed, ask again.
 * The first says all topics. A comment line comes at least every 15 s.
 */
export interface ChangedEvent {
  readonly topics: readonly Topic[];
}
export type Topic = "status" | "alerts" | "statistics" | "volumes" | "hosts" | "servers" | "sessions" | "users" | "settings" | "audit";
