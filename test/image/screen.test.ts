import { describe, expect, test } from "bun:test";
import { Screen } from "../system/image/screen.ts";

function shown(...parts: readonly string[]): string {
  const screen = new Screen();
  for (const part of parts) screen.write(Buffer.from(part));
  return screen.text;
}

describe("the screen of a serial line", () => {
  test("has text where the cursor was put", () => expect(shown("\x1b[2J\x1b[3;5Hhello\x1b[1;1Htop")).toBe("top\n\n    hello"));
  test("forgets what was erased, to the end of the line and of the screen", () => {
    expect(shown("one two\x1b[4G\x1b[K")).toBe("one");
    expect(shown("one\r\ntwo\r\nthree\x1b[2;2H\x1b[J")).toBe("one\nt");
  });
  test("scrolls when it is full, and within a region only there", () => {
    const lines = Array.from({ length: 27 }, (_, n) => `line ${n}`).join("\r\n");
    expect(shown(lines).split("\n")[0]).toBe("line 2");
    expect(shown("head\r\n\x1b[2;3r\x1b[2;1Ha\r\nb\r\nc")).toBe("head\nb\nc");
  });
  test("wraps behind the last column", () => expect(shown("x".repeat(82))).toBe(`${"x".repeat(80)}\nxx`));
  test("understands sequences and letters that arrive in two parts", () => {
    expect(shown("ab\x1b[", "1;1Hc")).toBe("cb");
    const bytes = Buffer.from("é");
    const screen = new Screen();
    screen.write(bytes.subarray(0, 1));
    screen.write(bytes.subarray(1));
    expect(screen.text).toBe("é");
  });
  test("shows nothing of colours, modes, titles and character sets", () => {
    expect(shown("\x1b[?25l\x1b[1;31mred\x1b[0m\x1b]0;title\x07\x1b(B\x1b[!p green")).toBe("red green");
  });
});
