/** Types of the API: alerts, events, statistics, notifications. */

export type Severity = "info" | "warning" | "critical";
export interface AlertAnswer {
  readonly id: string;
  /** What kind of thing it is, for programs: "server-down", "drive-failed". */
  readonly kind: string;
  readonly severity: Severity;
  /** What it is about: "server-2", a drive's id, "cluster". */
  readonly subject: string;
  readonly sentence: string;
  /** The safe next step, a sentence. */
  readonly step: string;
  readonly raisedAtMs: number;
  readonly clearedAtMs: number | null;
  readonly acknowledged: { readonly by: string; readonly atMs: number } | null;
}
/** GET /alerts?state=active|all (default active), newest first. POST /alerts/:id/acknowledge answers AlertAnswer. */
export interface AlertsAnswer {
  readonly alerts: readonly AlertAnswer[];
}

/** GET /events?before=NUMBER&limit=N (default 100, at most 500): history, newest first. */
export interface EventsAnswer {
  readonly events: readonly EventAnswer[];
  /** To be given as `before` for the next page; null: there are no older ones. */
  readonly before: number | null;
}
export interface EventAnswer {
  readonly number: number;
  readonly atMs: number;
  readonly kind: string;
  readonly severity: Severity;
  readonly subject: string;
  readonly sentence: string;
}

/** GET /statistics?minutes=N (default 60): the whole cluster, oldest first. */
export interface StatisticsAnswer {
  /** Milliseconds between points. */
  readonly step: number;
  readonly points: readonly StatisticsPoint[];
  /** The newest few seconds; null: nothing is known. */
  readonly now: StatisticsPoint | null;
}
/** Rates per second; latencies are means in microseconds, null when there was no such command. */
export interface StatisticsPoint {
  readonly atMs: number;
  readonly readIops: number;
  readonly writeIops: number;
  readonly readBytes: number;
  readonly writeBytes: number;
  readonly readLatencyUs: number | null;
  readonly writeLatencyUs: number | null;
}

/** GET /notifications. */
export interface NotificationsAnswer {
  readonly mail: {
    readonly enabled: boolean;
    readonly host: string;
    readonly port: number;
    readonly security: "none" | "starttls" | "tls";
    /** "": no login. */
    readonly user: string;
    readonly passwordSet: boolean;
    readonly from: string;
    readonly to: readonly string[];
  };
  readonly webhook: {
    readonly enabled: boolean;
    readonly url: string;
    readonly secretSet: boolean;
  };
}
/** POST /notifications: a channel that is named is replaced; a secret that is left out stays, "" removes it. Answers NotificationsAnswer. */
export interface NotificationsBody {
  readonly mail?: {
    readonly enabled: boolean;
    readonly host: string;
    readonly port: number;
    readonly security: "none" | "starttls" | "tls";
    readonly user: string;
    readonly password?: string;
    readonly from: string;
    readonly to: readonly string[];
  };
  readonly webhook?: {
    readonly enabled: boolean;
    readonly url: string;
    readonly secret?: string;
  };
}
/** POST /notifications/test. */
export interface NotificationTestBody {
  readonly channel: "mail" | "webhook";
}
export interface NotificationTestAnswer {
  readonly ok: boolean;
  readonly sentence: string;
}
