import { Box, Text } from "ink";
import { useState, type ReactNode } from "react";
import { useKeys } from "./mount.ts";
import { Para } from "./para.tsx";

export interface MenuItem<Id extends string> {
  readonly id: Id;
  readonly label: string;
  /** Stands at the right of the label on the same line. */
  readonly value?: string;
  /** A sentence about the chosen item, below the menu. */
  readonly detail?: string;
  /** Why it cannot be chosen. */
  readonly disabled?: string | undefined;
}

/** Up and down move, Enter chooses, Esc goes back; a letter moves to the next item that begins with it. Longer lists scroll. */
export function Menu<Id extends string>(props: {
  items: readonly MenuItem<Id>[];
  initial?: Id | undefined;
  /** Rows that the items may take. */
  rows?: number;
  onSelect(id: Id): void;
  onBack?(): void;
  active?: boolean;
}): ReactNode {
  const { items, rows = 12, active = true } = props;
  const [chosen, setChosen] = useState(() => Math.max(0, items.findIndex(({ id }) => id === props.initial)));
  const at = Math.min(chosen, Math.max(0, items.length - 1));
  useKeys((key) => {
    if (key.name === "up") setChosen(Math.max(0, at - 1));
    else if (key.name === "down" || key.name === "tab") setChosen(Math.min(items.length - 1, at + 1));
    else if (key.name === "home" || key.name === "page-up") setChosen(0);
    else if (key.name === "end" || key.name === "page-down") setChosen(Math.max(0, items.length - 1));
    else if (key.name === "escape") props.onBack?.();
    else if (key.name === "enter") {
      const item = items[at];
      if (item !== undefined && item.disabled === undefined) props.onSelect(item.id);
    } else if (key.name === "text") {
      const wanted = key.text.toLowerCase();
      const order = [...items.keys()].map((index) => (at + 1 + index) % items.length);
      const next = order.find((index) => items[index]?.label.toLowerCase().startsWith(wanted) === true);
      if (next !== undefined) setChosen(next);
    } else return false;
    return true;
  }, active);

  const first = firstShown(at, items.length, rows);
  const labelWidth = Math.max(...items.map(({ label }) => label.length), 0);
  const item = items[at];
  return (
    <Box flexDirection="column">
      {items.slice(first, first + rows).map(({ id, label, value, disabled }, offset) => (
        <Text key={id} wrap="truncate" inverse={active && first + offset === at} {...(disabled !== undefined && { color: "blue", bold: true })}>
          {` ${first + offset === at ? ">" : " "} ${value === undefined ? label : `${label.padEnd(labelWidth)}  ${value}`} `}
        </Text>
      ))}
      {items.length > rows ? <Para color="cyan">{`   ${at + 1} of ${items.length}`}</Para> : null}
      {item?.disabled !== undefined ? (
        <Box marginTop={1}><Para color="yellow">{`Not possible: ${item.disabled}`}</Para></Box>
      ) : item?.detail !== undefined ? (
        <Box marginTop={1}><Para>{item.detail}</Para></Box>
      ) : null}
    </Box>
  );
}

/** The first row of a list that scrolls so that `at` is seen. */
export function firstShown(at: number, length: number, rows: number): number {
  return Math.max(0, Math.min(at - Math.floor(rows / 2), length - rows));
}
