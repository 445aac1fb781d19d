import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const COUNT = 38;
const PROTOCOL = join(import.meta.dir, "../../../docs/protocol.md");
/** Why there is no scenario: a sentence, not a word. */
const REASON = /^none: .{30,}/;

interface Listed {
  readonly number: number;
  readonly scenario: string;
}

/** The rows of the table of interleavings. */
function listed(): Listed[] {
  const rows: Listed[] = [];
  for (const line of readFileSync(PROTOCOL, "utf8").split("\n")) {
    const [, , name = "", , scenario = ""] = line.split("|").map((cell) => cell.trim());
    const number = /^X(\d+)$/.exec(name)?.[1];
    if (number !== undefined) rows.push({ number: Number(number), scenario });
  }
  return rows;
}

/** Whether the file names the interleaving in a test's title or in a comment of its own line. */
function tells(text: string, number: number): boolean {
  const named = new RegExp(`\\bX${number}\\b`);
  return text.split("\n").some((line) => named.test(line) && /^\s*(\/\/|(describe|test)\()/.test(line));
}

describe("the interleavings that the protocol prevents", () => {
  const rows = listed();
  test("are all in the table, once each", () => expect(rows.map(({ number }) => number)).toEqual(Array.from({ length: COUNT }, (_, i) => i + 1)));

  for (const { number, scenario } of rows)
    test(`have X${number} told by the test that the table names, or say why by none`, () => {
      if (REASON.test(scenario)) return;
      const files = scenario.split(", ").map((name) => join(import.meta.dir, `${name}.test.ts`));
      for (const file of files) {
        expect(existsSync(file), `${file} is there`).toBe(true);
        expect(tells(readFileSync(file, "utf8"), number), `${file} names X${number}`).toBe(true);
      }
    });

  test("are looked for in titles and comments only", () => {
    expect(tells('  test("X3: a title", () => {', 3)).toBe(true);
    expect(tells("  // X3", 3)).toBe(true);
    expect(tells('  test("X31: another", () => {', 3)).toBe(false);
    expect(tells('  const name = "X3";', 3)).toBe(false);
  });
});
