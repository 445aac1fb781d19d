import { describe, expect, test } from "bun:test";
import { Painter } from "../../../src/console/widgets/painter.ts";
import { Vt } from "../vt.ts";

function painted(columns = 20, rows = 4): { painter: Painter; screen(): string[]; written(): string } {
  const vt = new Vt(columns, rows);
  let written = "";
  const write = (bytes: string): void => {
    written = bytes;
    vt.write(bytes);
    expect(vt.strange).toEqual([]);
  };
  return { painter: new Painter(write, { columns, rows }), screen: () => vt.lines, written: () => written };
}

describe("the painter", () => {
  test("clears what was there and draws the whole frame first, leaving the last column free", () => {
    const { painter, screen } = painted(6, 2);
    painter.paint("abcdefgh\nx");
    expect(screen()).toEqual(["abcde ", "x     "]);
  });
  test("writes only the cells that changed, and nothing when none did", () => {
    const { painter, screen, written } = painted();
    painter.paint("clock 12:00:01\nsteady");
    painter.paint("clock 12:00:02\nsteady");
    expect(written()).toBe("\x1b[1;14H2");
    painter.paint("clock 12:00:02\nsteady");
    expect(written()).toBe("\x1b[1;14H2");
    expect(screen()[0]?.trim()).toBe("clock 12:00:02");
  });
  test("takes away lines and ends of lines that are gone", () => {
    const { painter, screen } = painted();
    painter.paint("a long line\nanother");
    painter.paint("a");
    expect(screen().map((line) => line.trim())).toEqual(["a", "", "", ""]);
  });
  test("draws a change of colour alone, and ends each run without colour", () => {
    const { painter, written } = painted();
    painter.paint("\x1b[1m\x1b[31mhot\x1b[39m\x1b[22m");
    painter.paint("\x1b[31mhot\x1b[39m");
    expect(written()).toBe("\x1b[1;1H\x1b[0;31mhot\x1b[0m");
  });
  test("writes nothing but printable ASCII, whatever a label holds", () => {
    const { painter, screen } = painted();
    painter.paint("\u251c caf\u00e9\u2026 \u{1F4A5}\x1b[3J\x07");
    expect(screen()[0]?.trim()).toBe("? caf?~ ??");
  });
  test("draws everything anew after it was told to forget", () => {
    const { painter, written } = painted();
    painter.paint("same");
    painter.forget();
    painter.paint("same");
    expect(written()).toContain("\x1b[2J");
  });
});
