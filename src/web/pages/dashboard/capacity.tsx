import { Group, Progress, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";
import type { CapacityAnswer } from "../../../management/api.ts";
import { bytes, percent } from "../../format.ts";
import { Card } from "../../parts/card.tsx";

/** From here on drives raise an alert; at 95 % they refuse new data. */
const WARN_PERCENT = 85;

export function CapacityCard({ capacity }: { readonly capacity: CapacityAnswer }): ReactNode {
  const used = percent(capacity.usedBytes, capacity.rawBytes);
  const overcommitted = capacity.provisionedRawBytes > capacity.rawBytes;
  return (
    <Card title="Capacity">
      <Stack gap="sm">
        <div>
          <Text span fz={28} fw={650} className="numbers">
            {bytes(capacity.usedBytes)}
          </Text>{" "}
          <Text span c="dimmed">
            of {bytes(capacity.rawBytes)} on all drives
          </Text>
        </div>
        <Progress value={used} size="lg" color={used >= WARN_PERCENT ? "red" : "cyan.7"} aria-label={`${Math.round(used)} % of the drives used, every copy counted`} />
        <Stack gap={4}>
          <Line label="Usable with 2 copies" value={bytes(capacity.usableBytes)} />
          {capacity.usableFactor2Bytes > 0 && <Line label="Usable with 3 copies" value={bytes(capacity.usableFactor2Bytes)} />}
          <Line label="Provisioned in volumes" value={bytes(capacity.provisionedBytes)} />
        </Stack>
        {overcommitted && (
          <Text size="sm" c="dimmed">
            Volumes may grow to more than the drives hold. Watch the use, or add drives in time.
          </Text>
        )}
      </Stack>
    </Card>
  );
}

export function Line({ label, value }: { readonly label: string; readonly value: ReactNode }): ReactNode {
  return (
    <Group justify="space-between" gap="xs" wrap="nowrap">
      <Text size="sm" c="dimmed">
        {label}
      </Text>
      <Text size="sm" fw={600} className="numbers" ta="right">
        {value}
      </Text>
    </Group>
  );
}
