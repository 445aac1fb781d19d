import { Anchor, Badge, Group, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "wouter";
import type { StatusAnswer } from "../../../management/api.ts";
import { Card } from "../../parts/card.tsx";

/** More are on their own page. */
const NAMED_MAX = 6;

export function ServersCard({ status }: { readonly status: StatusAnswer }): ReactNode {
  const { servers, drives } = status;
  // What is down comes first.
  const shown = [...servers].sort((a, b) => Number(a.up) - Number(b.up)).slice(0, NAMED_MAX);
  return (
    <Card
      title="Servers"
      aside={
        <Anchor component={Link} href="/servers" size="sm">
          All
        </Anchor>
      }
    >
      <Stack gap="xs">
        {shown.map(({ name, up }) => {
          const own = drives.filter(({ server }) => server === name);
          const upCount = own.filter((drive) => drive.up).length;
          return (
            <Group key={name} justify="space-between" wrap="nowrap" gap="xs">
              <Text size="sm" fw={600} truncate>
                {name}
              </Text>
              <Group gap="xs" wrap="nowrap">
                <Text size="sm" c="dimmed" className="numbers">
                  {upCount === own.length ? `${own.length} drives` : `${upCount} of ${own.length} drives`}
                </Text>
                <Badge color={up ? "teal" : "red"} variant="light" tt="none">
                  {up ? "Up" : "Down"}
                </Badge>
              </Group>
            </Group>
          );
        })}
        {servers.length > NAMED_MAX && (
          <Text size="sm" c="dimmed">
            and {servers.length - NAMED_MAX} more
          </Text>
        )}
      </Stack>
    </Card>
  );
}
