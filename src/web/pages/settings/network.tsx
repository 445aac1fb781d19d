import { Badge, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";
import type { StatusAnswer } from "../../../management/api.ts";
import { useApi } from "../../api/queries.ts";
import { Card } from "../../parts/card.tsx";
import { DataTable } from "../../parts/data-table.tsx";
import { Shown } from "../../parts/page.tsx";
import { useNow } from "../../parts/banners.tsx";
import { Line } from "../dashboard/capacity.tsx";

/** Shown here, changed on each server's console, where a mistake can be rolled back. */
export function NetworkPanel(): ReactNode {
  const status = useApi<StatusAnswer>("/status", ["status"]);
  return (
    <Stack>
      <Card title="Addresses">
        <Shown query={status}>
          {({ servers }) => (
            <DataTable
              bare
              label="Addresses"
              rows={servers}
              rowKey={({ name }) => name}
              columns={[
                { label: "Server", isName: true, cell: ({ name }) => <Text size="sm" fw={600}>{name}</Text> },
                { label: "Address", cell: ({ address }) => address },
                { label: "iSCSI portal", cell: ({ portal }) => portal },
                { label: "Web UI and API", cell: ({ api }) => api },
                { label: "State", cell: ({ up }) => <Badge color={up ? "teal" : "red"} variant="light" tt="none">{up ? "Up" : "Down"}</Badge> },
              ]}
            />
          )}
        </Shown>
        <Text size="sm" c="dimmed" mt="sm">
          The network of a server is changed on its console, where it is tested before it is kept.
        </Text>
      </Card>
      <TimeCard />
    </Stack>
  );
}

function TimeCard(): ReactNode {
  const now = new Date(useNow(1_000));
  return (
    <Card title="Time">
      <Stack gap={4} maw={480}>
        <Line label="This browser" value={now.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" })} />
        <Line label="Time zone of these pages" value={Intl.DateTimeFormat().resolvedOptions().timeZone} />
        <Line label="UTC" value={now.toISOString().slice(0, 19).replace("T", " ")} />
      </Stack>
      <Text size="sm" c="dimmed" mt="sm">
        Servers ask Debian&apos;s public time servers; an alert says so when the clock of one is off. Other time servers cannot be chosen yet.
      </Text>
    </Card>
  );
}
