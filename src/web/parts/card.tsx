import { Group, Paper, Title } from "@mantine/core";
import type { ReactNode } from "react";

interface Props {
  readonly title: string;
  readonly aside?: ReactNode;
  readonly children: ReactNode;
}

/** A titled box; cards beside each other have one height. */
export function Card({ title, aside, children }: Props): ReactNode {
  return (
    <Paper withBorder p="md" h="100%" component="section" aria-label={title} bg="var(--mantine-color-default)">
      <Group justify="space-between" mb="sm" gap="xs">
        <Title order={2} size="h5">
          {title}
        </Title>
        {aside}
      </Group>
      {children}
    </Paper>
  );
}
