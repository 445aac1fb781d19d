import { describe, expect, test } from "bun:test";
import { KeyParser } from "../../../src/console/widgets/keys.ts";

const names = (...chunks: string[]): string[] => {
  const parser = new KeyParser();
  return [...chunks.flatMap((chunk) => parser.feed(chunk)), ...parser.flush()].map(({ name, text }) => (name === "text" ? text : name));
};

describe("keys", () => {
  test("arrive one by one however the line cuts them", () => {
    const typed = "ab\x1b[A\x1b[3~\x1bOB\t\x7f\r";
    const expected = ["a", "b", "up", "delete", "down", "tab", "backspace", "enter"];
    expect(names(typed)).toEqual(expected);
    expect(names(...typed)).toEqual(expected);
  });
  test("an escape by itself is a key once nothing follows it", () => {
    const parser = new KeyParser();
    expect(parser.feed("\x1b")).toEqual([]);
    expect(parser.pending).toBe(true);
    expect(parser.flush()).toEqual([{ name: "escape", text: "" }]);
    expect(parser.pending).toBe(false);
  });
  test("an escape before other keys takes none of them away", () => expect(names("\x1bq", "\x1b\x1b[B")).toEqual(["escape", "q", "escape", "down"]));
  test("a line end of two characters is one Enter", () => expect(names("\r\n", "\r", "\n", "\n")).toEqual(["enter", "enter", "enter"]));
  test("what no screen knows does nothing", () => expect(names("\x1b[[A", "\x1b[15~", "\x03", "\u00e9")).toEqual(["other", "other", "other", "other"]));
});
