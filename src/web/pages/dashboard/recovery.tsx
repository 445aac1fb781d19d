import { Group, Progress, Stack, Text } from "@mantine/core";
import { IconShieldCheck } from "@tabler/icons-react";
import type { ReactNode } from "react";
import type { GroupsAnswer } from "../../../management/api.ts";
import type { RecoveryAnswer } from "../../../management/api/servers.ts";
import { useApi } from "../../api/queries.ts";
import { bytes, duration, percent } from "../../format.ts";
import { Card } from "../../parts/card.tsx";
import { Line } from "./capacity.tsx";

/** Whether everything has its copies, and how far the making of new ones is. */
export function RecoveryCard({ groups }: { readonly groups: GroupsAnswer }): ReactNode {
  const recovery = useApi<RecoveryAnswer>("/recovery", ["status", "servers"]);
  const secondsLeft = recovery.data?.secondsLeft ?? null;
  const copied = recovery.data?.copiedBytes ?? groups.recoveryCopiedBytes;
  const remaining = recovery.data?.remainingBytes ?? groups.recoveryRemainingBytes;
  const working = groups.recovering > 0 || remaining > 0;
  return (
    <Card title="Copies">
      <Stack gap="sm">
        {groups.short === 0 && !working ? (
          <Group gap="xs" wrap="nowrap">
            <IconShieldCheck size={28} color="var(--mantine-color-teal-7)" aria-hidden />
            <Text fw={600}>{groups.total > 0 ? "Everything has all its copies" : "Nothing is stored yet"}</Text>
          </Group>
        ) : (
          <div>
            <Text fz={28} fw={650} className="numbers">
              {working ? `${bytes(remaining)} left` : "Waiting"}
            </Text>
            <Text c="dimmed" size="sm">
              {working ? `to be copied${secondsLeft === null ? "" : `, about ${duration(secondsLeft * 1_000)}`}` : "New copies are not being made yet"}
            </Text>
          </div>
        )}
        {working && <Progress value={percent(copied, copied + remaining)} size="lg" color="orange" animated aria-label={`${bytes(copied)} of ${bytes(copied + remaining)} copied`} />}
        <Stack gap={4}>
          <Line label="Groups" value={groups.total} />
          <Line label="Serving" value={groups.serving} />
          {groups.short > 0 && <Line label="Short of a copy" value={groups.short} />}
          {working && <Line label="Being copied" value={groups.recovering} />}
        </Stack>
      </Stack>
    </Card>
  );
}
