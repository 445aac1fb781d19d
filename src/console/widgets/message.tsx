import { Box, Text } from "ink";
import type { ReactNode } from "react";
import { useKeys } from "./mount.ts";
import { Para } from "./para.tsx";

/** What went wrong and what to do, in red, over the screen's width. */
export function ErrorBox({ sentence }: { sentence: string }): ReactNode {
  return (
    <Box marginY={1} flexShrink={0}>
      <Box flexShrink={0}><Text backgroundColor="red" color="white" bold>{" ! "}</Text></Box>
      <Box marginLeft={1}><Para color="red" bold>{sentence}</Para></Box>
    </Box>
  );
}

/** Label and value on each line, the labels of one width. */
export function Facts({ facts }: { facts: readonly (readonly [label: string, value: string])[] }): ReactNode {
  const width = Math.max(...facts.map(([label]) => label.length), 0);
  return (
    <Box flexDirection="column">
      {facts.map(([label, value]) => (
        <Box key={label}>
          <Box flexShrink={0}><Text color="cyan">{`${label.padEnd(width)}  `}</Text></Box>
          <Para>{value}</Para>
        </Box>
      ))}
    </Box>
  );
}

/** Any of Enter and Esc goes on. */
export function Continue({ onDone }: { onDone(): void }): ReactNode {
  useKeys((key) => {
    if (key.name !== "enter" && key.name !== "escape") return false;
    onDone();
    return true;
  });
  return null;
}

/** Esc alone goes back: while something is being looked up, an Enter that was typed ahead must not. */
export function Back({ onBack }: { onBack(): void }): ReactNode {
  useKeys((key) => {
    if (key.name !== "escape") return false;
    onBack();
    return true;
  });
  return null;
}
