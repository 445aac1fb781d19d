import { Button, Group, Paper, SegmentedControl, Stack, Tabs, Text } from "@mantine/core";
import { IconBellCheck, IconHistory } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import type { AlertsAnswer, EventsAnswer } from "../../../management/api/monitor.ts";
import { call } from "../../api/client.ts";
import { useApi } from "../../api/queries.ts";
import { moment } from "../../format.ts";
import { AlertRow, SeverityIcon } from "../../parts/alert-row.tsx";
import { Empty, Page, Shown } from "../../parts/page.tsx";

export function AlertsPage(): ReactNode {
  return (
    <Page title="Alerts and events" description="An alert lasts until its cause is gone. Acknowledging one says that somebody knows; it is not told again, and clears by itself.">
      <Tabs defaultValue="alerts" keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="alerts">Alerts</Tabs.Tab>
          <Tabs.Tab value="events">Events</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="alerts">
          <Alerts />
        </Tabs.Panel>
        <Tabs.Panel value="events">
          <Events />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}

function Alerts(): ReactNode {
  const [state, setState] = useState("active");
  const alerts = useApi<AlertsAnswer>(`/alerts?state=${state}`, ["alerts"]);
  return (
    <Stack>
      <SegmentedControl
        aria-label="Which alerts"
        value={state}
        onChange={setState}
        data={[
          { value: "active", label: "Active" },
          { value: "all", label: "All" },
        ]}
        style={{ alignSelf: "flex-start" }}
      />
      <Shown query={alerts}>
        {({ alerts: list }) =>
          list.length === 0 ? (
            <Empty icon={<IconBellCheck size={48} />} title={state === "active" ? "There is no active alert" : "There has been no alert yet"}>
              Mail and webhooks that tell of new ones are set up under Settings.
            </Empty>
          ) : (
            <Stack gap="sm">
              {list.map((alert) => (
                <Paper key={alert.id} withBorder p="sm" bg="var(--mantine-color-default)" opacity={alert.clearedAtMs === null ? 1 : 0.85}>
                  <AlertRow alert={alert} />
                </Paper>
              ))}
            </Stack>
          )
        }
      </Shown>
    </Stack>
  );
}

/** Events that are asked for at once. */
const EVENTS_COUNT = 50;
const EVENTS_EVERY_MS = 15_000;

function Events(): ReactNode {
  const events = useInfiniteQuery<EventsAnswer>({
    queryKey: ["api", "/events"],
    queryFn: ({ pageParam }) => call<EventsAnswer>("GET", `/events?limit=${EVENTS_COUNT}${pageParam === null ? "" : `&before=${String(pageParam)}`}`),
    initialPageParam: null,
    getNextPageParam: (last) => last.before,
    meta: { topics: ["alerts", "audit"] },
    refetchInterval: EVENTS_EVERY_MS,
  });
  const list = events.data?.pages.flatMap((page) => page.events) ?? [];
  return (
    <Shown query={events}>
      {() =>
        list.length === 0 ? (
          <Empty icon={<IconHistory size={48} />} title="Nothing has happened yet">
            What happens to servers, drives and volumes is listed here.
          </Empty>
        ) : (
          <Stack gap="xs">
            {list.map((event) => (
              <Group key={event.number} wrap="nowrap" align="flex-start" gap="sm" component="article">
                <SeverityIcon severity={event.severity} />
                <div style={{ minWidth: 0, flex: 1 }}>
                  <Text size="sm">{event.sentence}</Text>
                  <Text size="xs" c="dimmed" className="numbers">
                    {moment(event.atMs)}
                    {event.subject !== "" && ` · ${event.subject}`}
                  </Text>
                </div>
              </Group>
            ))}
            {events.hasNextPage && (
              <Button variant="default" loading={events.isFetchingNextPage} onClick={() => void events.fetchNextPage()} style={{ alignSelf: "flex-start" }}>
                Older
              </Button>
            )}
          </Stack>
        )
      }
    </Shown>
  );
}
