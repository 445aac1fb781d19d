import { Button, Group, Stack, Text, ThemeIcon } from "@mantine/core";
import { IconAlertOctagon, IconAlertTriangle, IconArrowRight, IconInfoCircle } from "@tabler/icons-react";
import type { ReactNode } from "react";
import type { AlertAnswer, Severity } from "../../management/api/monitor.ts";
import { call } from "../api/client.ts";
import { useChange } from "../api/queries.ts";
import { moment } from "../format.ts";
import { useMayChange } from "../session.tsx";

const COLORS: Readonly<Record<Severity, string>> = { info: "blue", warning: "orange", critical: "red" };
const WORDS: Readonly<Record<Severity, string>> = { info: "Information", warning: "Warning", critical: "Critical" };

export function SeverityIcon({ severity }: { readonly severity: Severity }): ReactNode {
  const Icon = severity === "critical" ? IconAlertOctagon : severity === "warning" ? IconAlertTriangle : IconInfoCircle;
  return (
    <ThemeIcon color={COLORS[severity]} variant="light" size="md" role="img" aria-label={WORDS[severity]}>
      <Icon size={16} aria-hidden />
    </ThemeIcon>
  );
}

/** One alert with its next step. Acknowledging says that somebody knows; it does not clear it. */
export function AlertRow({ alert }: { readonly alert: AlertAnswer }): ReactNode {
  const mayChange = useMayChange();
  const acknowledge = useChange((id: string) => call<AlertAnswer>("POST", `/alerts/${encodeURIComponent(id)}/acknowledge`), ["alerts"]);
  const { raisedAtMs, clearedAtMs, acknowledged } = alert;
  return (
    <Group wrap="nowrap" align="flex-start" gap="sm" component="article" data-alert={alert.kind}>
      <SeverityIcon severity={alert.severity} />
      <Stack gap={2} style={{ flex: 1, minWidth: 0 }}>
        <Text size="sm" fw={600}>
          {alert.sentence}
        </Text>
        {alert.step !== "" && clearedAtMs === null && (
          <Group gap={4} wrap="nowrap" align="flex-start">
            <IconArrowRight size={16} style={{ flexShrink: 0, marginTop: 2 }} aria-hidden />
            <Text size="sm">{alert.step}</Text>
          </Group>
        )}
        <Text size="xs" c="dimmed">
          {clearedAtMs === null ? `Since ${moment(raisedAtMs)}` : `${moment(raisedAtMs)} to ${moment(clearedAtMs)}`}
          {acknowledged !== null && ` · acknowledged by ${acknowledged.by} at ${moment(acknowledged.atMs)}`}
          {acknowledge.error && ` · ${acknowledge.error.message}`}
        </Text>
        {mayChange && acknowledged === null && clearedAtMs === null && (
          <Button size="compact-sm" variant="default" loading={acknowledge.isPending} onClick={() => acknowledge.mutate(alert.id)} style={{ alignSelf: "flex-start", marginTop: 4 }}>
            Acknowledge
          </Button>
        )}
      </Stack>
    </Group>
  );
}
