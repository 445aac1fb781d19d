import { Text } from "ink";
import type { ReactNode } from "react";
import type { Key } from "./keys.ts";

export interface Edited {
  readonly value: string;
  /** Characters before it. */
  readonly cursor: number;
}
const LENGTH_MAX = 256;

/** What a key makes of a line of text; null when the key is none that edits. */
export function editText({ value, cursor }: Edited, key: Key, lengthMax = LENGTH_MAX): Edited | null {
  const at = Math.min(cursor, value.length);
  switch (key.name) {
    case "text":
      return value.length >= lengthMax ? { value, cursor: at } : { value: value.slice(0, at) + key.text + value.slice(at), cursor: at + 1 };
    case "backspace":
      return at === 0 ? { value, cursor: 0 } : { value: value.slice(0, at - 1) + value.slice(at), cursor: at - 1 };
    case "delete":
      return { value: value.slice(0, at) + value.slice(at + 1), cursor: at };
    case "clear":
      return { value: "", cursor: 0 };
    case "left":
      return { value, cursor: Math.max(0, at - 1) };
    case "right":
      return { value, cursor: Math.min(value.length, at + 1) };
    case "home":
      return { value, cursor: 0 };
    case "end":
      return { value, cursor: value.length };
    default:
      return null;
  }
}

/** A line of text in its box of `width` characters; `cursor` null: it has not got the cursor. A secret shows stars. */
export function TextLine({ value, cursor, secret, width }: { value: string; cursor: number | null; secret: boolean; width: number }): ReactNode {
  const shown = secret ? "*".repeat(value.length) : value;
  // A longer text scrolls so that the cursor is seen.
  const from = Math.max(0, (cursor ?? 0) - width + 1);
  const cells = shown.slice(from, from + width).padEnd(width, "_");
  if (cursor === null) return <Text wrap="truncate">{cells}</Text>;
  const at = cursor - from;
  return (
    <Text wrap="truncate">
      <Text bold>{cells.slice(0, at)}</Text>
      <Text inverse>{cells.charAt(at) === "_" && cursor >= value.length ? " " : cells.charAt(at)}</Text>
      <Text bold>{cells.slice(at + 1)}</Text>
    </Text>
  );
}
