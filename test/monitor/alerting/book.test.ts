import { describe, expect, test } from "bun:test";
import type { AlertRecord } from "../../../src/cluster/alerting.ts";
import { AlertBook, clearAfterMs, CLEAR_AFTER_MS, FLAP_WINDOW_MS, type Decision } from "../../../src/monitor/alerting/book.ts";
import type { Finding } from "../../../src/monitor/checks/finding.ts";

const finding = (more: Partial<Finding> = {}): Finding => ({ kind: "server-down", subject: "server-1", severity: "critical", sentence: "It is down.", step: "Start it.", source: null, afterMs: 0, ...more });

/** A book whose decisions are carried out, as the leader does; one look a second. */
class Desk {
  nowMs = 1_000_000;
  book = new AlertBook(this.nowMs);
  alerts: AlertRecord[] = [];
  readonly told: string[] = [];
  silent: readonly string[] = [];
  #id = 0;

  look(findings: readonly Finding[], seconds = 1): void {
    for (let n = 0; n < seconds; n++) {
      this.nowMs += 1000;
      this.book.observe(findings, this.nowMs);
      for (const decision of this.book.decide(findings, this.alerts, (server) => this.silent.includes(server), this.nowMs, this.nowMs)) this.#carryOut(decision);
    }
  }

  #carryOut(decision: Decision): void {
    if (decision.decision === "raise") {
      const { kind, severity, subject, sentence, step, source } = decision.finding;
      this.alerts.push({ id: String(++this.#id), kind, severity, subject, sentence, step, source, sinceMs: decision.sinceMs, raisedAtMs: this.nowMs, clearedAtMs: null, acknowledged: null, times: decision.times });
      this.told.push(`raised ${subject}`);
    } else if (decision.decision === "clear") {
      this.alerts = this.alerts.map((record) => (record.id === decision.record.id ? { ...record, clearedAtMs: this.nowMs } : record));
      this.told.push(`cleared ${decision.record.subject}`);
    } else {
      const { severity, sentence } = decision.finding;
      this.alerts = this.alerts.map((record) => (record.id === decision.record.id ? { ...record, severity, sentence } : record));
      this.told.push(decision.worse ? `worse ${severity}` : `reworded ${sentence}`);
    }
  }
}

test("an alert is raised once, lasts without another word, and is cleared once", () => {
  const desk = new Desk();
  desk.look([finding()], 100);
  expect(desk.told).toEqual(["raised server-1"]);
  desk.look([], 100);
  expect(desk.told).toEqual(["raised server-1", "cleared server-1"]);
});

test("what does not last long enough is nobody's concern, and time it was gone does not count", () => {
  const desk = new Desk();
  for (let n = 0; n < 5; n++) {
    desk.look([finding({ afterMs: 10_000 })], 8);
    desk.look([], 60);
  }
  expect(desk.told).toEqual([]);
  desk.look([finding({ afterMs: 10_000 })], 11);
  expect(desk.told).toEqual(["raised server-1"]);
  expect(desk.alerts[0]?.sinceMs).toBe(desk.nowMs - 10_000);
});

test("a short absence does not clear it", () => {
  const desk = new Desk();
  desk.look([finding()], 3);
  desk.look([], CLEAR_AFTER_MS / 1000 - 2);
  desk.look([finding()], 3);
  expect(desk.told).toEqual(["raised server-1"]);
});

test("what comes and goes is told ever more rarely, and as before when it has been quiet for an hour", () => {
  const desk = new Desk();
  // Half a minute there, half a minute gone, for an hour.
  for (let n = 0; n < 60; n++) {
    desk.look([finding()], 30);
    desk.look([], 30);
  }
  const flaps = desk.told.filter((text) => text.startsWith("raised")).length;
  expect(flaps).toBeGreaterThan(1);
  expect(flaps).toBeLessThanOrEqual(4);
  desk.look([], (FLAP_WINDOW_MS * 2) / 1000);
  desk.told.length = 0;
  desk.look([finding()], 2);
  desk.look([], CLEAR_AFTER_MS / 1000 + 2);
  expect(desk.told).toEqual(["raised server-1", "cleared server-1"]);
});
test("clearing waits four times as long each time, up to ten minutes", () => {
  expect([1, 2, 3, 4, 5, 50].map(clearAfterMs)).toEqual([5_000, 20_000, 80_000, 320_000, 600_000, 600_000]);
});

describe("a new leader", () => {
  test("raises nothing again, and does not clear what it has not had time to see", () => {
    const desk = new Desk();
    desk.look([finding()], 3);
    desk.book = new AlertBook(desk.nowMs);
    desk.look([], 3);
    desk.look([finding()], 3);
    expect(desk.told).toEqual(["raised server-1"]);
  });
  test("clears what was over before it led", () => {
    const desk = new Desk();
    desk.look([finding()], 3);
    desk.book = new AlertBook(desk.nowMs);
    desk.look([], CLEAR_AFTER_MS / 1000 + 1);
    expect(desk.told).toEqual(["raised server-1", "cleared server-1"]);
  });
});

test("while the server that measures it is silent, nothing is known and the alert stays", () => {
  const desk = new Desk();
  desk.look([finding({ kind: "drive-failing", source: "server-1" })], 3);
  desk.silent = ["server-1"];
  desk.look([], 1000);
  expect(desk.told).toEqual(["raised server-1"]);
  desk.silent = [];
  desk.look([], 1);
  expect(desk.told).toEqual(["raised server-1", "cleared server-1"]);
});

test("when it becomes worse that is told at once; other words are written now and then, and told to nobody", () => {
  const desk = new Desk();
  desk.look([finding({ severity: "warning", sentence: "86 % full." })], 2);
  for (let percent = 87; percent < 97; percent++) desk.look([finding({ severity: "warning", sentence: `${percent} % full.` })], 6);
  expect(desk.told.filter((text) => text.startsWith("reworded"))).toHaveLength(2);
  desk.look([finding({ severity: "critical", sentence: "97 % full." })], 5);
  expect(desk.told.at(-1)).toBe("worse critical");
  expect(desk.told.filter((text) => text.startsWith("raised"))).toHaveLength(1);
});

test("the same kind of thing on another subject is another alert", () => {
  const desk = new Desk();
  desk.look([finding(), finding({ subject: "server-2" })], 5);
  desk.look([finding({ subject: "server-2" })], 20);
  expect(desk.told).toEqual(["raised server-1", "raised server-2", "cleared server-1"]);
});
