import { Box, Text } from "ink";
import { useState, type ReactNode } from "react";
import { firstShown } from "./menu.tsx";
import { useKeys } from "./mount.ts";
import { Para } from "./para.tsx";

export interface CheckItem<Id extends string> {
  readonly id: Id;
  readonly label: string;
  /** More about it, below the list while it is chosen. */
  readonly detail?: string;
  /** Why it cannot be checked. */
  readonly disabled?: string | undefined;
}

/** Up and down move, Space checks, Enter is done, Esc goes back. The caller owns what is checked. */
export function CheckList<Id extends string>(props: {
  items: readonly CheckItem<Id>[];
  checked: readonly Id[];
  rows?: number;
  onChange(checked: readonly Id[]): void;
  onDone(): void;
  onBack?(): void;
  active?: boolean;
}): ReactNode {
  const { items, checked, rows = 10, active = true } = props;
  const [chosen, setChosen] = useState(0);
  const at = Math.min(chosen, Math.max(0, items.length - 1));
  const item = items[at];
  useKeys((key) => {
    if (key.name === "up" || key.name === "back-tab") setChosen(Math.max(0, at - 1));
    else if (key.name === "down" || key.name === "tab") setChosen(Math.min(items.length - 1, at + 1));
    else if (key.name === "enter") props.onDone();
    else if (key.name === "escape") props.onBack?.();
    else if (key.text === " " && item !== undefined) {
      if (item.disabled !== undefined) return true;
      props.onChange(checked.includes(item.id) ? checked.filter((id) => id !== item.id) : [...checked, item.id]);
    } else return false;
    return true;
  }, active);
  const first = firstShown(at, items.length, rows);
  return (
    <Box flexDirection="column">
      {items.slice(first, first + rows).map(({ id, label, disabled }, offset) => (
        <Text key={id} wrap="truncate" inverse={active && first + offset === at} {...(disabled !== undefined && { color: "blue", bold: true })}>
          {` ${first + offset === at ? ">" : " "} ${disabled !== undefined ? " - " : checked.includes(id) ? "[x]" : "[ ]"} ${label} `}
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
