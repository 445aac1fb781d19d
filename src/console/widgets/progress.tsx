import { Box, Text } from "ink";
import type { ReactNode } from "react";

/** "[######------]  48 %  copying". `fraction` from 0 to 1; null: nobody knows. */
export function ProgressBar({ fraction, label = "", width = 40 }: { fraction: number | null; label?: string; width?: number }): ReactNode {
  const done = fraction === null ? 0 : Math.floor(Math.max(0, Math.min(1, fraction)) * width);
  const percent = fraction === null ? "     " : `${String(Math.floor(Math.max(0, Math.min(1, fraction)) * 100)).padStart(3)} %`;
  return <Text wrap="truncate">{`[${"#".repeat(done)}${"-".repeat(width - done)}] ${percent}  ${label}`}</Text>;
}

export interface ProgressStep {
  readonly name: string;
  readonly state: "waiting" | "running" | "done" | "failed";
  readonly detail?: string | undefined;
}
const MARKS: Readonly<Record<ProgressStep["state"], string>> = { waiting: "[    ]", running: "[ .. ]", done: "[ ok ]", failed: "[FAIL]" };
const COLOURS: Readonly<Record<ProgressStep["state"], string | undefined>> = { waiting: undefined, running: "yellow", done: "green", failed: "red" };

/** Steps one below the other, each with its state; the detail of the one that runs or has failed beside it. */
export function StepList({ steps }: { steps: readonly ProgressStep[] }): ReactNode {
  return (
    <Box flexDirection="column">
      {steps.map(({ name, state, detail }) => {
        const colour = COLOURS[state];
        return (
          <Text key={name} wrap="truncate">
            <Text bold={state === "failed"} {...(colour !== undefined && { color: colour })}>{MARKS[state]}</Text>
            {` ${name}${detail === undefined || state === "waiting" || state === "done" ? "" : `: ${detail}`}`}
          </Text>
        );
      })}
    </Box>
  );
}
