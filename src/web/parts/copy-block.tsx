import { Button, Group, Text } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import type { ReactNode } from "react";

interface Props {
  readonly title: string;
  readonly note?: string | undefined;
  readonly text: string;
}

/** Commands to be copied. Selecting them works, too, where the browser gives no clipboard. */
export function CopyBlock({ title, note, text }: Props): ReactNode {
  const { copy, copied } = useClipboard({ timeout: 2_000 });
  return (
    <div>
      <Group justify="space-between" mb={4} gap="xs" wrap="nowrap" align="flex-start">
        <div>
          <Text fw={600} size="sm">
            {title}
          </Text>
          {note !== undefined && (
            <Text size="sm" c="dimmed">
              {note}
            </Text>
          )}
        </div>
        <Button size="compact-sm" variant="subtle" style={{ flexShrink: 0 }} leftSection={copied ? <IconCheck size={14} /> : <IconCopy size={14} />} onClick={() => copy(text)} aria-label={copied ? "Copied" : `Copy: ${title}`}>
          {copied ? "Copied" : "Copy"}
        </Button>
      </Group>
      <pre className="copy" tabIndex={0}>
        {text}
      </pre>
    </div>
  );
}
