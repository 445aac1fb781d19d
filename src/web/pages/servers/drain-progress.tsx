import { Alert, Text } from "@mantine/core";
import type { ReactNode } from "react";
import type { DrainAnswer } from "../../../management/api/servers.ts";
import { bytes, duration, plural } from "../../format.ts";

export function isDrained({ groupsLeft, bytesLeft }: DrainAnswer): boolean {
  return groupsLeft === 0 && bytesLeft === 0;
}

/** How far a drain is, and whether what is drained may be pulled. */
export function DrainProgress({ what, drain }: { readonly what: string; readonly drain: DrainAnswer }): ReactNode {
  if (isDrained(drain)) {
    return (
      <Alert color="teal" p="xs" aria-live="polite">
        <Text size="sm">Nothing depends on {what} any more: remove it here, then it may be switched off or pulled.</Text>
      </Alert>
    );
  }
  const { groupsLeft, bytesLeft, secondsLeft } = drain;
  return (
    <Alert color="yellow" p="xs" aria-live="polite">
      <Text size="sm">
        Moving its data away: {plural(groupsLeft, "group")} left{bytesLeft > 0 && `, ${bytes(bytesLeft)}`}
        {secondsLeft !== null && `, about ${duration(secondsLeft * 1_000)}`}. Do not switch off or pull {what} yet.
      </Text>
    </Alert>
  );
}
