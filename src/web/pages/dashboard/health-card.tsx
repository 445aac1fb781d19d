import { Group, Paper, Stack, Text, ThemeIcon, Title } from "@mantine/core";
import { IconArrowRight } from "@tabler/icons-react";
import type { ReactNode } from "react";
import type { StatusAnswer } from "../../../management/api.ts";
import { HealthIcon, healthColor, healthWord, sentenceParts } from "../../parts/health.tsx";

/** The cluster in one sentence: what is, why, and what to do or not to do next. */
export function HealthCard({ status }: { readonly status: StatusAnswer }): ReactNode {
  const { health } = status;
  const { cause, step } = sentenceParts(health);
  const color = healthColor(health.state);
  return (
    <Paper withBorder p={{ base: "md", sm: "lg" }} component="section" aria-label="Health" data-health={health.state} bg="var(--mantine-color-default)" style={{ borderLeft: `6px solid var(--mantine-color-${color}-7)` }}>
      <Group wrap="nowrap" align="flex-start" gap="md">
        <ThemeIcon size={52} radius="xl" color={color} variant="light">
          <HealthIcon state={health.state} size={30} />
        </ThemeIcon>
        <Stack gap={6} aria-live="polite" style={{ flex: 1, minWidth: 0 }}>
          <Title order={2} size="h3">
            {healthWord(health.state)}
          </Title>
          <Text size="lg" style={{ textWrap: "pretty" }}>
            {cause}
          </Text>
          {step !== "" && (
            <Group gap={6} wrap="nowrap" align="flex-start">
              <IconArrowRight size={20} style={{ flexShrink: 0, marginTop: 3 }} aria-hidden />
              <Text size="lg" fw={600} style={{ textWrap: "pretty" }}>
                {step}
              </Text>
            </Group>
          )}
        </Stack>
      </Group>
    </Paper>
  );
}
