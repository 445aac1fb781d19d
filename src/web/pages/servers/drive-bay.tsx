import { Group, Progress, Text } from "@mantine/core";
import { IconAlertTriangle, IconCircleCheck, IconCircleOff, IconCircleX, IconTruckLoading } from "@tabler/icons-react";
import type { ReactNode } from "react";
import type { DriveDetailAnswer } from "../../../management/api.ts";
import { bytes, percent } from "../../format.ts";
import { isDrained } from "./drain-progress.tsx";

const FULL_PERCENT = 85;

export type BayState = DriveDetailAnswer["state"] | "draining";

export function bayState({ state, drain }: DriveDetailAnswer): BayState {
  return state === "up" && drain !== null ? "draining" : state;
}

export function stateWord(drive: DriveDetailAnswer): string {
  if (drive.state === "up" && drive.drain !== null) return isDrained(drive.drain) ? "Drained" : "Draining";
  return { up: "Up", down: "Down", failed: "Failed", "not-obeying": "Set aside" }[drive.state];
}

function StateIcon({ state }: { readonly state: BayState }): ReactNode {
  switch (state) {
    case "up":
      return <IconCircleCheck size={16} color="var(--mantine-color-teal-7)" aria-hidden />;
    case "down":
      return <IconCircleOff size={16} color="var(--mantine-color-red-7)" aria-hidden />;
    case "failed":
      return <IconCircleX size={16} color="var(--mantine-color-red-7)" aria-hidden />;
    case "not-obeying":
      return <IconAlertTriangle size={16} color="var(--mantine-color-orange-7)" aria-hidden />;
    case "draining":
      return <IconTruckLoading size={16} color="var(--mantine-color-yellow-8)" aria-hidden />;
  }
}

function usage({ capacityBytes, usedBytes }: DriveDetailAnswer): string {
  if (capacityBytes === 0) return "Size not known";
  return usedBytes === null ? `${bytes(capacityBytes)}, use not told` : `${bytes(usedBytes)} of ${bytes(capacityBytes)}`;
}

/** One drive in its bay; opens what there is to know and to do about it. */
export function DriveBay({ drive, onOpen }: { readonly drive: DriveDetailAnswer; readonly onOpen: () => void }): ReactNode {
  const state = bayState(drive);
  const used = percent(drive.usedBytes ?? 0, drive.capacityBytes);
  return (
    <button type="button" className="bay" data-state={state} data-drive={drive.id} onClick={onOpen}>
      <Group justify="space-between" wrap="nowrap" gap="xs">
        <Text size="sm" fw={600} ff="monospace" truncate>
          {drive.id}
        </Text>
        <Group gap={4} wrap="nowrap">
          <StateIcon state={state} />
          <Text size="sm">{stateWord(drive)}</Text>
        </Group>
      </Group>
      <Progress value={used} size="sm" my={6} color={used >= FULL_PERCENT ? "red" : "cyan.7"} aria-label={`${Math.round(used)} % used`} />
      <Text size="xs" c="dimmed" className="numbers">
        {usage(drive)}
        {drive.alerts.length > 0 && " · needs attention"}
      </Text>
    </button>
  );
}
