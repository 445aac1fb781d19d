import * as v from "valibot";
import { parseValue } from "./schema.ts";

/**
 * What portals tell of their work every few seconds.
 *
 * key                   | writer                              | value
 * statistics/<server>   | that server's iscsi role, leased    | PortalStatistics
 * sessions/<server>     | that server's iscsi role, leased, when it changes | PortalSessions
 */
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

/** Steps of the latency histogram: bucket n counts commands that took less than 2^n microseconds, the last all others. */
export const LATENCY_BUCKETS = 26;

const kindCounters = v.object({
  commands: count,
  /** Commands that ended with another status than GOOD. */
  failed: count,
  bytes: count,
  /** Sum over all commands. */
  microseconds: count,
  buckets: v.pipe(v.array(count), v.length(LATENCY_BUCKETS)),
});
export type KindCounters = v.InferOutput<typeof kindCounters>;

/** Counted since the process started, which `instance` tells from others. */
export const portalStatistics = v.object({
  instance: count,
  /** How long the process had run, milliseconds. */
  upMs: v.number(),
  reads: kindCounters,
  writes: kindCounters,
  /** Everything else: UNMAP, COMPARE AND WRITE, inquiries ... */
  others: kindCounters,
  sessions: count,
});
export type PortalStatistics = v.InferOutput<typeof portalStatistics>;

const portalSession = v.object({
  host: v.string(),
  initiator: v.string(),
  address: v.string(),
  /** Wall-clock time. */
  sinceMs: v.number(),
});
export type PortalSession = v.InferOutput<typeof portalSession>;
export const portalSessions = v.object({
  sessions: v.array(portalSession),
  /** Sessions that are not listed, since a record is bounded. */
  more: count,
});
export type PortalSessions = v.InferOutput<typeof portalSessions>;
/** Listed in one record: with 200 bytes each far below what the store takes. */
export const SESSIONS_LISTED_MAX = 256;

export const statisticsKeys = { statistics: (server: string) => `statistics/${server}`, sessions: (server: string) => `sessions/${server}` } as const;

/** Null for another key; throws when the value is not what it should be. */
export function parseStatistics(key: string, value: string): PortalStatistics | null {
  return key.startsWith("statistics/") ? parseValue(portalStatistics, key, value) : null;
}
export function parseSessions(key: string, value: string): PortalSessions | null {
  return key.startsWith("sessions/") ? parseValue(portalSessions, key, value) : null;
}
