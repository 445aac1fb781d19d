import { Button, Group, Text } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import type { ReactNode } from "react";

interface Props {
  readonly label?: string;
  readonly text: string;
}

/** Commands to be copied. Selecting them works, too, where the browser gives no clipboard. */
export function CopyBlock({ label = "", text }: Props): ReactNode {
  const { copy, copied } = useClipboard({ timeout: 2_000 });
  return (
    <div>
      <Group justify="space-between" mb={4} gap="xs">
        <Text size="sm" c="dimmed">
          {label}
        </Text>
        <Button size="compact-xs" variant="subtle" leftSection={copied ? <IconCheck size={14} /> : <IconCopy size={14} />} onClick={() => copy(text)} aria-label={`Copy ${label || "this"}`}>
          {copied ? "Copied" : "Copy"}
        </Button>
      </Group>
      <pre className="copy" tabIndex={0}>
        {text}
      </pre>
    </div>
  );
}
