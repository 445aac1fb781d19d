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

/** What portals did in some time: sums. */
export interface Work {
  readonly readCommands: number;
  readonly writeCommands: number;
  readonly readBytes: number;
  readonly writeBytes: number;
  readonly readMicroseconds: number;
  readonly writeMicroseconds: number;
}
export const NO_WORK: Work = { readCommands: 0, writeCommands: 0, readBytes: 0, writeBytes: 0, readMicroseconds: 0, writeMicroseconds: 0 };

export function addedWork(a: Work, b: Work): Work {
  return {
    readCommands: a.readCommands + b.readCommands,
    writeCommands: a.writeCommands + b.writeCommands,
    readBytes: a.readBytes + b.readBytes,
    writeBytes: a.writeBytes + b.writeBytes,
    readMicroseconds: a.readMicroseconds + b.readMicroseconds,
    writeMicroseconds: a.writeMicroseconds + b.writeMicroseconds,
  };
}

function workOf({ reads, writes }: PortalStatistics): Work {
  return { readCommands: reads.commands, writeCommands: writes.commands, readBytes: reads.bytes, writeBytes: writes.bytes, readMicroseconds: reads.microseconds, writeMicroseconds: writes.microseconds };
}

interface Told {
  readonly last: PortalStatistics;
  /** What was done between the last two records of one process, and the time between them; null before there are two. */
  readonly step: { readonly work: Work; readonly ms: number } | null;
}

/** Statistics and sessions of all portals as the store has them, kept by a watch. Pure. */
export class PortalsMap {
  readonly statistics = new Map<string, Told>();
  readonly sessions = new Map<string, PortalSessions>();
  #untaken: Work = NO_WORK;

  snapshot(entries: readonly { readonly key: string; readonly value: string }[]): void {
    const present = new Set(entries.map(({ key }) => key));
    for (const server of [...this.statistics.keys()]) if (!present.has(statisticsKeys.statistics(server))) this.statistics.delete(server);
    for (const server of [...this.sessions.keys()]) if (!present.has(statisticsKeys.sessions(server))) this.sessions.delete(server);
    this.changed(entries);
  }

  changed(changes: readonly { readonly key: string; readonly value: string | null }[]): void {
    for (const { key, value } of changes) {
      const slash = key.indexOf("/");
      const server = key.slice(slash + 1);
      const kind = key.slice(0, slash);
      if (kind !== "statistics" && kind !== "sessions") continue;
      try {
        if (kind === "statistics") this.#counted(server, value === null ? null : parseStatistics(key, value));
        else put(this.sessions, server, value === null ? null : parseSessions(key, value));
      } catch {
        // A value that cannot be read counts as absent.
        (kind === "statistics" ? this.statistics : this.sessions).delete(server);
      }
    }
  }

  /** What all portals did since the last call. */
  takeWork(): Work {
    const work = this.#untaken;
    this.#untaken = NO_WORK;
    return work;
  }

  /** What all portals do now, per second; null when nobody tells. */
  rates(): Work | null {
    let sum: Work | null = null;
    for (const { step } of this.statistics.values()) {
      if (step === null || step.ms <= 0) continue;
      const { work, ms } = step;
      sum = addedWork(sum ?? NO_WORK, Object.fromEntries(Object.entries(work).map(([name, value]) => [name, (value * 1000) / ms])) as unknown as Work);
    }
    return sum;
  }

  #counted(server: string, record: PortalStatistics | null): void {
    const before = this.statistics.get(server);
    if (record === null) return void this.statistics.delete(server);
    if (before === undefined || before.last.instance !== record.instance || record.upMs <= before.last.upMs) {
      this.statistics.set(server, { last: record, step: null });
      return;
    }
    const work = difference(workOf(record), workOf(before.last));
    this.#untaken = addedWork(this.#untaken, work);
    this.statistics.set(server, { last: record, step: { work, ms: record.upMs - before.last.upMs } });
  }
}

function difference(now: Work, before: Work): Work {
  return Object.fromEntries(Object.entries(now).map(([name, value]) => [name, Math.max(0, value - before[name as keyof Work])])) as unknown as Work;
}

function put<K, V>(map: Map<K, V>, key: K, value: V | null): void {
  if (value === null) map.delete(key);
  else map.set(key, value);
}
