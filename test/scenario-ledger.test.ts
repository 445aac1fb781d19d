import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { appendTelling, ofCode, readLedger, showSummary, timesPassed, type Telling } from "./scenarios/ledger.ts";

const directory = mkdtempSync(join(tmpdir(), "virtustor-ledger-"));
const path = join(directory, "ledger.jsonl");
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const CODE = { commit: "c0ffee", code: "aaaa", dirty: false };
const telling = (given: Partial<Telling>): Telling => ({ ...CODE, file: "one.test.ts", story: "a story", passed: true, seconds: 3, notes: [], date: "2026-01-01T00:00:00.000Z", ...given });

test("a story counts for the code that it was told with, from a clean tree, and a file as often as its least told story", () => {
  expect(readLedger(path)).toEqual([]);
  const told = [telling({}), telling({ seconds: 5 }), telling({ story: "another" }), telling({ code: "bbbb" }), telling({ dirty: true }), telling({ file: "two.test.ts", passed: false })];
  for (const one of told) appendTelling(one, path);
  const counted = ofCode(readLedger(path), CODE);
  expect(counted).toHaveLength(4);
  expect(timesPassed(counted, "one.test.ts")).toBe(1);
  expect(timesPassed(counted, "two.test.ts")).toBe(0);
  expect(timesPassed(counted, "three.test.ts")).toBe(0);
  const summary = showSummary(told, CODE).split("\n");
  expect(summary.slice(2).map((line) => line.trim().replace(/ +/g, " "))).toEqual(["2 0 4 one: a story", "1 0 3 one: another", "0 1 3 two: a story"]);
});
