import { expect, test } from "bun:test";
import { utcMinute } from "../../src/base/utc.ts";

test("a time of the wall clock is told as the calendar has it, leap days included", () => {
  for (let ms = 0; ms < 5e12; ms += 123_456_789_1) expect(utcMinute(ms)).toBe(`${new Date(ms).toISOString().slice(0, 16).replace("T", " ")} UTC`);
  for (const text of ["2024-02-29T23:59:59.999Z", "2000-02-29T00:00:00Z", "2100-03-01T00:00:00Z", "2026-12-31T23:59:00Z"]) expect(utcMinute(Date.parse(text))).toBe(`${text.slice(0, 16).replace("T", " ")} UTC`);
});
