import { Anchor, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "wouter";
import type { AlertsAnswer } from "../../../management/api/monitor.ts";
import { useApi } from "../../api/queries.ts";
import { AlertRow } from "../../parts/alert-row.tsx";
import { Card } from "../../parts/card.tsx";
import { Shown } from "../../parts/page.tsx";

/** More are on their own page. */
const SHOWN_MAX = 5;

export function ActiveAlerts(): ReactNode {
  const alerts = useApi<AlertsAnswer>("/alerts", ["alerts"]);
  return (
    <Card
      title="Active alerts"
      aside={
        <Anchor component={Link} href="/alerts" size="sm">
          All alerts and events
        </Anchor>
      }
    >
      <Shown query={alerts} rows={2}>
        {({ alerts: list }) =>
          list.length === 0 ? (
            <Text c="dimmed" size="sm">
              There is none.
            </Text>
          ) : (
            <Stack gap="sm">
              {list.slice(0, SHOWN_MAX).map((alert) => (
                <AlertRow key={alert.id} alert={alert} />
              ))}
              {list.length > SHOWN_MAX && (
                <Text size="sm" c="dimmed">
                  and {list.length - SHOWN_MAX} more
                </Text>
              )}
            </Stack>
          )
        }
      </Shown>
    </Card>
  );
}
