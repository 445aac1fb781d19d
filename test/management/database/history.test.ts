import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AlertRecord, EventRecord } from "../../../src/cluster/alerting.ts";
import { NO_WORK } from "../../../src/cluster/statistics.ts";
import { EVENT_ROWS_MAX, History } from "../../../src/management/database/history.ts";
import { FakeLog } from "../../monitor/fake-platform.ts";

const DAY_MS = 86_400_000;
const NOW_MS = 1_800_000_000_000;
let directory: string;
let path: string;
let log: FakeLog;
let nowMs = 0;
const open: History[] = [];
const history = (): History => {
  const opened = new History(path, log, () => nowMs);
  open.push(opened);
  return opened;
};

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "virtustor-history-"));
  path = join(directory, "history.sqlite");
  log = new FakeLog();
});
afterEach(() => {
  for (const one of open.splice(0)) one.close();
  rmSync(directory, { recursive: true });
});

const event = (number: number, atMs = NOW_MS): EventRecord => ({ number, atMs, what: "alert-raised", kind: "k", severity: "info", subject: "s", sentence: `Event ${number}.`, step: "" });
const alert = (id: string, more: Partial<AlertRecord> = {}): AlertRecord => ({ id, kind: "k", severity: "info", subject: "s", sentence: "S.", step: "", source: null, sinceMs: 1, raisedAtMs: NOW_MS, clearedAtMs: null, acknowledged: null, times: 1, ...more });
const nothing = { events: [], alerts: [], audit: [] };

describe("the history", () => {
  test("gives back what it was given, newest first and in pages, also when it was closed in between", () => {
    const first = history();
    expect(first.keep({ ...nothing, events: [1, 2, 3, 4, 5].map((number) => event(number)) })).toBe(true);
    first.close();
    const second = history();
    expect(second.events(Infinity, 2)?.map(({ number }) => number)).toEqual([5, 4]);
    expect(second.events(4, 10)).toEqual([event(3), event(2), event(1)]);
  });
  test("keeps the newest word on an alert, and nothing twice", () => {
    const kept = history();
    kept.keep({ ...nothing, events: [event(1)], alerts: [alert("1")], audit: [{ number: 1, atMs: NOW_MS }] });
    kept.keep({ ...nothing, events: [event(1)], alerts: [alert("1", { clearedAtMs: NOW_MS + 5 })], audit: [{ number: 1, atMs: NOW_MS }] });
    expect(kept.alerts(10)).toEqual([alert("1", { clearedAtMs: NOW_MS + 5 })]);
    expect([kept.events(Infinity, 10)?.length, kept.audit(Infinity, 10)?.length]).toEqual([1, 1]);
  });
  test("numbers that begin again after a restore of the store hide nothing", () => {
    const kept = history();
    kept.keep({ ...nothing, events: [event(1), { ...event(1, NOW_MS + 1000), sentence: "Another." }] });
    expect(kept.events(Infinity, 10)?.map(({ sentence }) => sentence)).toEqual(["Another.", "Event 1."]);
  });
  test("sums statistics by steps of a grid, and leaves out what nobody told", () => {
    const kept = history();
    for (const [atMs, readCommands] of [[NOW_MS + 10_000, 5], [NOW_MS + 20_000, 7], [NOW_MS + 70_000, 11]] as const) kept.addStatistics({ ...NO_WORK, atMs, spanMs: 10_000, readCommands });
    expect(kept.statistics(NOW_MS, NOW_MS + 120_000, 60_000).map(({ atMs, readCommands, spanMs }) => [atMs - NOW_MS, readCommands, spanMs])).toEqual([[60_000, 12, 20_000], [120_000, 11, 10_000]]);
    expect(kept.statistics(NOW_MS + 10_000, NOW_MS + 70_000, 60_000).map(({ readCommands }) => readCommands)).toEqual([18]);
  });
  test("is bounded by age and by rows", () => {
    const kept = history();
    kept.keep({ ...nothing, events: [event(1, NOW_MS - 181 * DAY_MS), event(2)] });
    kept.addStatistics({ ...NO_WORK, atMs: NOW_MS - DAY_MS - 1, spanMs: 1 });
    kept.addStatistics({ ...NO_WORK, atMs: NOW_MS + 2 * DAY_MS, spanMs: 1 });
    kept.addStatistics({ ...NO_WORK, atMs: NOW_MS, spanMs: 1 });
    kept.trim(NOW_MS);
    expect(kept.events(Infinity, 10)?.map(({ number }) => number)).toEqual([2]);
    expect(kept.statistics(0, NOW_MS + 9 * DAY_MS, DAY_MS)).toHaveLength(1);
    kept.keep({ ...nothing, events: Array.from({ length: EVENT_ROWS_MAX + 10 }, (_, index) => event(index + 10, NOW_MS + index)) });
    kept.trim(NOW_MS);
    expect(kept.events(Infinity, EVENT_ROWS_MAX * 2)).toHaveLength(EVENT_ROWS_MAX);
  });
});

describe("a history file that is wrong is begun anew, and nobody else notices", () => {
  const useless = {
    "no database at all": () => writeFileSync(path, "this is no database, but long enough to be taken for one".repeat(200)),
    "cut off in its middle": () => {
      const first = history();
      first.keep({ ...nothing, events: Array.from({ length: 2000 }, (_, index) => event(index)) });
      first.close();
      // What the log beside it has would bring everything back.
      const raw = new Database(path);
      raw.run("PRAGMA wal_checkpoint(TRUNCATE)");
      raw.close();
      truncateSync(path, Math.floor(statSync(path).size / 2));
    },
    "of a newer version": () => {
      const first = history();
      first.close();
      const raw = new Database(path);
      raw.run("PRAGMA user_version = 99");
      raw.close();
    },
  };
  for (const [what, make] of Object.entries(useless)) {
    test(what, () => {
      make();
      const kept = history();
      expect(kept.available).toBe(true);
      expect(kept.events(Infinity, 1)).toEqual([]);
      expect(kept.keep({ ...nothing, events: [event(7)] })).toBe(true);
      expect(existsSync(`${path}.damaged`)).toBe(true);
      expect(log.lines.join()).toContain("begun anew");
    });
  }
  test("damaged while it is open: whoever copies into it learns that it must begin anew", () => {
    const kept = history();
    kept.keep({ ...nothing, events: Array.from({ length: 2000 }, (_, index) => event(index)) });
    const { generation } = kept;
    const raw = new Database(path);
    raw.run("DROP TABLE events");
    raw.close();
    expect(kept.events(Infinity, 1)).toBeNull();
    expect(kept.keep({ ...nothing, events: [event(1)] })).toBe(true);
    expect(kept.generation).toBe(generation + 1);
  });
  test("where no file can be made there is no history; it is tried again a minute later", () => {
    writeFileSync(join(directory, "file"), "");
    path = join(directory, "file", "history.sqlite");
    const kept = history();
    expect([kept.available, kept.keep({ ...nothing, events: [event(1)] }), kept.events(Infinity, 1), kept.statistics(0, 1, 1)]).toEqual([false, false, null, []]);
    rmSync(join(directory, "file"));
    const lines = log.lines.length;
    kept.addStatistics({ ...NO_WORK, atMs: 1, spanMs: 1 });
    expect(log.lines).toHaveLength(lines);
    nowMs += 61_000;
    expect(kept.keep({ ...nothing, events: [event(1)] })).toBe(false);
    chmodSync(directory, 0o700);
  });
});
