import { Database } from "bun:sqlite";
import { renameSync, rmSync } from "node:fs";
import { and, desc, gt, lt, sql } from "drizzle-orm";
import { drizzle, type BunSQLiteDatabase } from "drizzle-orm/bun-sqlite";
import type { AlertRecord, EventRecord } from "../../cluster/alerting.ts";
import type { Work } from "../../cluster/statistics.ts";
import type { Log } from "../../platform/platform.ts";
import { alerts, audit, events, MIGRATIONS, statistics } from "./tables.ts";

const DAY_MS = 86_400_000;
/** An administrator looks back for weeks; statistics for a day. */
const EVENTS_AGE_MS_MAX = 180 * DAY_MS;
const STATISTICS_AGE_MS_MAX = DAY_MS;
/** With some 500 bytes each: the file stays below 30 MB, which every state partition has. */
export const EVENT_ROWS_MAX = 20_000;
export const ALERT_ROWS_MAX = 10_000;
export const AUDIT_ROWS_MAX = 20_000;
/** A new attempt after the file could not be written or made, since the partition may be full. */
const RETRY_MS = 60_000;

export interface AuditRow {
  readonly number: number;
  readonly atMs: number;
}
export interface StatisticsRow extends Work {
  readonly atMs: number;
  readonly spanMs: number;
}

/**
 * What happened, for longer than the cluster store keeps it, in one file of the server. It is a copy: whatever is wrong with the
 * file, it is put aside and begun anew, and what the store still has comes in again. Nothing here throws; without a file there is no
 * history, and everything else goes on.
 */
export class History {
  readonly #path: string;
  readonly #log: Log;
  readonly #nowMs: () => number;
  #database: { readonly raw: Database; readonly tables: BunSQLiteDatabase } | null = null;
  #retryAtMs = 0;
  /** Raised whenever the file is begun anew: who copies into it must begin anew, too. */
  generation = 0;

  /** `nowMs` never jumps. */
  constructor(path: string, log: Log, nowMs: () => number) {
    this.#path = path;
    this.#log = log;
    this.#nowMs = nowMs;
    this.#open();
  }

  close(): void {
    this.#database?.raw.close();
    this.#database = null;
    this.#retryAtMs = Infinity;
  }

  get available(): boolean {
    return this.#database !== null;
  }

  /** False when it could not be kept: the caller gives it again. */
  keep(news: { readonly events: readonly EventRecord[]; readonly alerts: readonly AlertRecord[]; readonly audit: readonly AuditRow[] }): boolean {
    if (news.events.length + news.alerts.length + news.audit.length === 0) return true;
    return (
      this.#do((tables) =>
        tables.transaction((change) => {
          for (const row of news.events) change.insert(events).values(row).onConflictDoNothing().run();
          for (const record of news.alerts) {
            const row = { id: record.id, raisedAtMs: Math.round(record.raisedAtMs), record: JSON.stringify(record) };
            change.insert(alerts).values(row).onConflictDoUpdate({ target: [alerts.id, alerts.raisedAtMs], set: { record: row.record } }).run();
          }
          for (const row of news.audit) change.insert(audit).values({ number: row.number, atMs: Math.round(row.atMs), record: JSON.stringify(row) }).onConflictDoNothing().run();
          return true;
        }),
      ) ?? false
    );
  }

  addStatistics(row: StatisticsRow): void {
    this.#do((tables) => tables.insert(statistics).values(row).onConflictDoNothing().run());
  }

  /** Removes what is too old or too much. `wallMs`: wall clock. */
  trim(wallMs: number): void {
    this.#do((tables) => {
      tables.delete(events).where(lt(events.atMs, Math.round(wallMs - EVENTS_AGE_MS_MAX))).run();
      tables.delete(statistics).where(lt(statistics.atMs, Math.round(wallMs - STATISTICS_AGE_MS_MAX))).run();
      // Clocks are set: rows of a future that will not come for long would stay above all others.
      tables.delete(statistics).where(gt(statistics.atMs, Math.round(wallMs + DAY_MS))).run();
      tables.run(sql`DELETE FROM events WHERE rowid NOT IN (SELECT rowid FROM events ORDER BY at_ms DESC LIMIT ${EVENT_ROWS_MAX})`);
      tables.run(sql`DELETE FROM alerts WHERE rowid NOT IN (SELECT rowid FROM alerts ORDER BY raised_at_ms DESC LIMIT ${ALERT_ROWS_MAX})`);
      tables.run(sql`DELETE FROM audit WHERE rowid NOT IN (SELECT rowid FROM audit ORDER BY at_ms DESC LIMIT ${AUDIT_ROWS_MAX})`);
    });
  }

  /** Newest first, with numbers below `before`. Null: there is no history. */
  events(before: number, limit: number): EventRecord[] | null {
    return this.#do((tables) => tables.select().from(events).where(lt(events.number, before)).orderBy(desc(events.number), desc(events.atMs)).limit(limit).all() as EventRecord[]);
  }

  /** Newest first. Null: there is no history. */
  alerts(limit: number): AlertRecord[] | null {
    return this.#do((tables) => tables.select().from(alerts).orderBy(desc(alerts.raisedAtMs)).limit(limit).all().map(({ record }) => JSON.parse(record) as AlertRecord));
  }

  /** Newest first, with numbers below `before`. Null: there is no history. */
  audit<T extends AuditRow>(before: number, limit: number): T[] | null {
    return this.#do((tables) => tables.select().from(audit).where(lt(audit.number, before)).orderBy(desc(audit.number), desc(audit.atMs)).limit(limit).all().map(({ record }) => JSON.parse(record) as T));
  }

  /** Sums of each `stepMs` from `fromMs` on, oldest first; `atMs` is the end of the step. Steps without rows are left out. */
  statistics(fromMs: number, toMs: number, stepMs: number): StatisticsRow[] {
    const step = sql<number>`(${statistics.atMs} - ${Math.round(fromMs)} - 1) / ${stepMs}`;
    const rows = this.#do((tables) =>
      tables
        .select({
          step,
          spanMs: sql<number>`sum(${statistics.spanMs})`,
          readCommands: sql<number>`sum(${statistics.readCommands})`,
          writeCommands: sql<number>`sum(${statistics.writeCommands})`,
          readBytes: sql<number>`sum(${statistics.readBytes})`,
          writeBytes: sql<number>`sum(${statistics.writeBytes})`,
          readMicroseconds: sql<number>`sum(${statistics.readMicroseconds})`,
          writeMicroseconds: sql<number>`sum(${statistics.writeMicroseconds})`,
        })
        .from(statistics)
        .where(and(gt(statistics.atMs, Math.round(fromMs)), lt(statistics.atMs, Math.round(toMs) + 1)))
        .groupBy(step)
        .orderBy(step)
        .all(),
    );
    return (rows ?? []).map(({ step: number, ...row }) => ({ ...row, atMs: Math.round(fromMs) + (number + 1) * stepMs }));
  }

  /** Runs it on the file; null when there is none or it failed. A file that is damaged is begun anew at once. */
  #do<T>(work: (tables: BunSQLiteDatabase) => T): T | null {
    if (this.#database === null && this.#nowMs() >= this.#retryAtMs) this.#open();
    if (this.#database === null) return null;
    try {
      return work(this.#database.tables);
    } catch (error) {
      this.#log.warn("The history of this server could not be used; it is a copy, and everything else goes on", { file: this.#path, error: reasonOf(error) });
      this.#shut();
      if (isDamage(error)) this.#putAside();
      this.#retryAtMs = this.#nowMs() + (isDamage(error) ? 0 : RETRY_MS);
      return null;
    }
  }

  #open(): void {
    for (const attempt of ["as it is", "anew"] as const) {
      let raw: Database | null = null;
      try {
        raw = new Database(this.#path, { create: true });
        // It is a copy: an ordinary crash leaves it whole, and after a power loss it is begun anew if it must be.
        raw.run("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA busy_timeout = 1000;");
        const check = raw.query("PRAGMA quick_check(1)").get() as { quick_check?: string } | null;
        if (check?.quick_check !== "ok") throw new Error(`it is damaged: ${check?.quick_check ?? "it cannot be checked"}`);
        migrate(raw);
        this.#database = { raw, tables: drizzle(raw) };
        this.generation += 1;
        return;
      } catch (error) {
        raw?.close();
        this.#log.warn(`The history of this server cannot be opened${attempt === "as it is" ? " and is begun anew" : ""}`, { file: this.#path, error: reasonOf(error) });
        if (attempt === "as it is") this.#putAside();
      }
    }
    this.#retryAtMs = this.#nowMs() + RETRY_MS;
  }

  #shut(): void {
    try {
      this.#database?.raw.close();
    } catch {
      // It is given up in any case.
    }
    this.#database = null;
  }

  /** The newest damaged file is kept for whoever wants to know what happened to it. */
  #putAside(): void {
    try {
      for (const ending of ["-wal", "-shm"]) rmSync(`${this.#path}${ending}`, { force: true });
      renameSync(this.#path, `${this.#path}.damaged`);
    } catch {
      // There was none, or the next attempt says why not.
    }
  }
}

function migrate(raw: Database): void {
  const { user_version: done } = raw.query("PRAGMA user_version").get() as { user_version: number };
  if (done > MIGRATIONS.length) throw new Error(`it is of a newer version (${done})`);
  for (let index = done; index < MIGRATIONS.length; index++) {
    raw.transaction(() => {
      raw.run(MIGRATIONS[index] ?? "");
      raw.run(`PRAGMA user_version = ${index + 1}`);
    })();
  }
}

function isDamage(error: unknown): boolean {
  return /malformed|not a database|corrupt|no such table|disk image/i.test(reasonOf(error));
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
