import { Grid, Stack } from "@mantine/core";
import type { ReactNode } from "react";
import type { StatusAnswer } from "../../../management/api.ts";
import { useApi } from "../../api/queries.ts";
import { Page, Shown } from "../../parts/page.tsx";
import { ActiveAlerts } from "./alerts.tsx";
import { CapacityCard } from "./capacity.tsx";
import { HealthCard } from "./health-card.tsx";
import { RecoveryCard } from "./recovery.tsx";
import { ServersCard } from "./servers.tsx";
import { Performance } from "./performance.tsx";

export function DashboardPage(): ReactNode {
  const status = useApi<StatusAnswer>("/status", ["status"]);
  return (
    <Page title="Dashboard">
      <Shown query={status} rows={8}>
        {(data) => (
          <Stack gap="lg">
            <HealthCard status={data} />
            <Grid>
              <Grid.Col span={{ base: 12, md: 4 }}>
                <CapacityCard capacity={data.capacity} />
              </Grid.Col>
              <Grid.Col span={{ base: 12, xs: 6, md: 4 }}>
                <RecoveryCard groups={data.groups} />
              </Grid.Col>
              <Grid.Col span={{ base: 12, xs: 6, md: 4 }}>
                <ServersCard status={data} />
              </Grid.Col>
            </Grid>
            <Performance />
            <ActiveAlerts />
          </Stack>
        )}
      </Shown>
    </Page>
  );
}
