import * as v from "valibot";
import type { Change, Versioned } from "../platform/store.ts";
import { parseValue } from "./schema.ts";

/**
 * What the store holds for alerts, who writes it, and the shape of its value.
 *
 * key                 | writer                                     | value
 * checked/<server>    | that server's monitor, leased              | Checked: what it measures of its server
 * alert/<id>          | monitor leader; management (acknowledged)  | AlertRecord; the id is the number of the event that raised it
 * event/<number>      | monitor leader, the newest EVENTS_MAX      | EventRecord
 * notifications       | management                                 | NotificationSettings; no key: nothing is sent
 * notified/<channel>  | monitor leader; management when a channel is switched on | Notified: events up to there are told
 */
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const time = v.number();

const severity = v.picklist(["info", "warning", "critical"]);
export type Severity = v.InferOutput<typeof severity>;

/** Of one drive as its server sees it. Null where it cannot be told (a virtual disk, a trial's directory). */
const checkedDrive = v.object({
  /** Where the drive lies: "/dev/sdb", or a directory. */
  path: v.string(),
  /** The drive's id, when the cluster's map knows which one it is. */
  id: v.nullable(v.string()),
  device: v.nullable(v.string()),
  model: v.nullable(v.string()),
  serial: v.nullable(v.string()),
  rotational: v.nullable(v.boolean()),
  /** Mean time of a request in the last interval, milliseconds; null when there were too few. */
  latencyMs: v.nullable(v.number()),
  /** Errors that the kernel has counted on the device. */
  ioErrors: v.nullable(count),
  smart: v.nullable(
    v.object({
      passed: v.nullable(v.boolean()),
      reallocated: v.nullable(count),
      pending: v.nullable(count),
      uncorrectable: v.nullable(count),
      /** Per cent of its life that is used up. */
      wornPercent: v.nullable(v.number()),
      celsius: v.nullable(v.number()),
    }),
  ),
});
export type CheckedDrive = v.InferOutput<typeof checkedDrive>;
export type SmartWord = NonNullable<CheckedDrive["smart"]>;

const checkedRole = v.object({
  role: v.string(),
  running: v.boolean(),
  /** Starts that the monitor has seen in the last ten minutes, the first after its own start not counted. */
  restarts: count,
});
export type CheckedRole = v.InferOutput<typeof checkedRole>;

const checkedNic = v.object({
  name: v.string(),
  /** Has the product's address, or is part of the bond or the VLAN's parent that has it. */
  used: v.boolean(),
  link: v.boolean(),
  /** Mbit/s; null when it is not told. */
  speed: v.nullable(v.number()),
  /** Errors in the last interval, both ways. */
  errors: count,
  packets: count,
});
export type CheckedNic = v.InferOutput<typeof checkedNic>;

export const checked = v.object({
  server: v.string(),
  /** This server's wall clock when it sent this: how others tell whose clock is ahead. */
  sentAtMs: time,
  /** By how much other servers' clocks are ahead of this one's at least, milliseconds. */
  ahead: v.record(v.string(), v.number()),
  version: v.string(),
  roles: v.array(checkedRole),
  drives: v.array(checkedDrive),
  nics: v.array(checkedNic),
  /** The file system that the server's own state lies on. */
  system: v.nullable(v.object({ totalBytes: count, freeBytes: count })),
  certificates: v.array(v.object({ name: v.string(), notAfterMs: time })),
  /** Whether this server has a member of the cluster store, and that runs. */
  member: v.nullable(v.object({ running: v.boolean() })),
  /** How long the store took to answer, milliseconds. */
  storeMs: v.nullable(v.number()),
});
export type Checked = v.InferOutput<typeof checked>;

const acknowledged = v.object({ by: v.string(), atMs: time });
export const alertRecord = v.object({
  id: v.string(),
  kind: v.string(),
  severity,
  subject: v.string(),
  sentence: v.string(),
  step: v.string(),
  /** The server whose measurement it rests on: while that is silent nothing is known, and the alert stays. */
  source: v.nullable(v.string()),
  /** When it began, as far as it is known; it is raised a little later. */
  sinceMs: time,
  raisedAtMs: time,
  clearedAtMs: v.nullable(time),
  acknowledged: v.nullable(acknowledged),
  /** How often it has come within the hour before, this time included: what comes and goes is held longer. */
  times: v.pipe(count, v.minValue(1)),
});
export type AlertRecord = v.InferOutput<typeof alertRecord>;

export const eventRecord = v.object({
  number: count,
  atMs: time,
  /** "alert-raised", "alert-cleared" or "alert-worse" for what is told to channels; else of history alone. */
  what: v.picklist(["alert-raised", "alert-cleared", "alert-worse"]),
  kind: v.string(),
  severity,
  subject: v.string(),
  sentence: v.string(),
  step: v.string(),
});
export type EventRecord = v.InferOutput<typeof eventRecord>;

/** Half a megabyte of the store; each server's history has more. */
export const EVENTS_MAX = 1_000;
/** Cleared alerts kept in the store; each server's history has more. */
export const CLEARED_MAX = 100;

/** As platform/seal.ts makes it; null: there is none. */
const sealed = v.nullable(v.string());

export const mailSettings = v.object({
  enabled: v.boolean(),
  host: v.string(),
  port: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65535)),
  security: v.picklist(["none", "starttls", "tls"]),
  user: v.string(),
  password: sealed,
  from: v.string(),
  to: v.array(v.string()),
});
export type MailSettings = v.InferOutput<typeof mailSettings>;
export const webhookSettings = v.object({ enabled: v.boolean(), url: v.string(), secret: sealed });
export type WebhookSettings = v.InferOutput<typeof webhookSettings>;
export const notificationSettings = v.object({ mail: mailSettings, webhook: webhookSettings });
export type NotificationSettings = v.InferOutput<typeof notificationSettings>;
export const NO_NOTIFICATIONS: NotificationSettings = {
  mail: { enabled: false, host: "", port: 587, security: "starttls", user: "", password: null, from: "", to: [] },
  webhook: { enabled: false, url: "", secret: null },
};

export type Channel = "mail" | "webhook";
export const CHANNELS: readonly Channel[] = ["mail", "webhook"];
export const notified = v.object({
  /** Number of the newest event that this channel has taken. */
  event: count,
  atMs: time,
  /** Since when nothing gets through, and why; null while it does. */
  failing: v.nullable(v.object({ sinceMs: time, sentence: v.string() })),
});
export type Notified = v.InferOutput<typeof notified>;

export const alertingKeys = {
  checked: (server: string) => `checked/${server}`,
  alert: (id: string) => `alert/${id}`,
  event: (number: number) => `event/${number}`,
  notifications: "notifications",
  notified: (channel: Channel) => `notified/${channel}`,
} as const;

/** A typed copy of these keys, kept by a watch of the whole store. Pure; a value that does not parse counts as absent. */
export class AlertingMap {
  readonly checked = new Map<string, Checked>();
  readonly alerts = new Map<string, { readonly record: AlertRecord; readonly revision: number }>();
  readonly events = new Map<number, EventRecord>();
  notifications: NotificationSettings = NO_NOTIFICATIONS;
  notificationsRevision = 0;
  readonly notified = new Map<string, { readonly record: Notified; readonly revision: number }>();
  /** The monitor that leads, and the revision at which it took the key; 0: nobody leads. */
  leader = "";
  leaderRevision = 0;
  revision = 0;
  readonly #known = new Set<string>();

  snapshot(entries: readonly Versioned[], revision: number): void {
    const present = new Set(entries.map((entry) => entry.key));
    for (const key of [...this.#known]) if (!present.has(key)) this.#apply(key, null, revision);
    this.revision = 0;
    this.changed(entries, revision);
  }

  /** Returns the keys that are of this map. */
  changed(changes: readonly Change[], revision: number): string[] {
    const ours = changes.filter(({ key, value, revision: at }) => this.#apply(key, value, at)).map(({ key }) => key);
    this.revision = Math.max(this.revision, revision);
    return ours;
  }

  /** 0 before the first event. */
  get newestEvent(): number {
    let newest = 0;
    for (const number of this.events.keys()) if (number > newest) newest = number;
    return newest;
  }

  #apply(key: string, value: string | null, revision: number): boolean {
    const slash = key.indexOf("/");
    const kind = slash < 0 ? key : key.slice(0, slash);
    const rest = slash < 0 ? "" : key.slice(slash + 1);
    if (!KINDS.has(kind)) return false;
    if (value === null) this.#known.delete(key);
    else this.#known.add(key);
    try {
      this.#route(kind, key, rest, value, revision);
    } catch {
      this.#route(kind, key, rest, null, revision);
    }
    return true;
  }

  #route(kind: string, key: string, rest: string, value: string | null, revision: number): void {
    switch (kind) {
      case "checked":
        return put(this.checked, rest, value === null ? null : parseValue(checked, key, value));
      case "alert":
        return put(this.alerts, rest, value === null ? null : { record: parseValue(alertRecord, key, value), revision });
      case "event":
        return put(this.events, Number(rest), value === null ? null : parseValue(eventRecord, key, value));
      case "notifications":
        this.notificationsRevision = value === null ? 0 : revision;
        this.notifications = value === null ? NO_NOTIFICATIONS : parseValue(notificationSettings, key, value);
        return;
      case "notified":
        return put(this.notified, rest, value === null ? null : { record: parseValue(notified, key, value), revision });
      case "monitor":
        this.leader = value === null ? "" : String(JSON.parse(value));
        this.leaderRevision = value === null ? 0 : revision;
        return;
      default:
    }
  }
}

const KINDS: ReadonlySet<string> = new Set(["checked", "alert", "event", "notifications", "notified", "monitor"]);

function put<K, V>(map: Map<K, V>, key: K, value: V | null): void {
  if (value === null) map.delete(key);
  else map.set(key, value);
}
