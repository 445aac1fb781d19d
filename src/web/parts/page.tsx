import { Alert, Button, Center, Group, Skeleton, Stack, Text, Title } from "@mantine/core";
import { IconAlertCircle } from "@tabler/icons-react";
import type { UseQueryResult } from "@tanstack/react-query";
import { useEffect, type ReactNode } from "react";
import { NoAnswer, sentenceOf } from "../api/client.ts";

interface PageProps {
  readonly title: string;
  readonly description?: ReactNode;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}

export function Page({ title, description, actions, children }: PageProps): ReactNode {
  useEffect(() => {
    document.title = `${title} - VirtuStor`;
  }, [title]);
  return (
    <Stack gap="lg">
      <Group justify="space-between" align="flex-start" gap="md">
        <div>
          <Title order={1} size="h2">
            {title}
          </Title>
          {description !== undefined && (
            <Text c="dimmed" size="sm" maw={720}>
              {description}
            </Text>
          )}
        </div>
        {actions !== undefined && <Group gap="xs">{actions}</Group>}
      </Group>
      {children}
    </Stack>
  );
}

interface ShownProps<T> {
  readonly query: Pick<UseQueryResult<T>, "data" | "error" | "isFetching"> & { readonly refetch: () => unknown };
  /** Rows of the placeholder while it loads. */
  readonly rows?: number;
  readonly children: (data: T) => ReactNode;
}

/** What a query answered; while there is nothing, a placeholder; after a failure the sentence, over what was last known. */
export function Shown<T>({ query, rows = 4, children }: ShownProps<T>): ReactNode {
  const { data, error, refetch, isFetching } = query;
  if (data === undefined && error === null) {
    return (
      <Stack gap="sm" aria-busy aria-label="Loading">
        {Array.from({ length: rows }, (_, index) => (
          <Skeleton key={index} height={36} />
        ))}
      </Stack>
    );
  }
  return (
    <>
      {/* That the server does not answer stands above all pages already. */}
      {error !== null && !(data !== undefined && error instanceof NoAnswer) && (
        <Alert color="red" icon={<IconAlertCircle />} title={data === undefined ? "This cannot be shown now" : "This may be out of date"} role="alert">
          <Stack gap="xs" align="flex-start">
            <Text size="sm">{sentenceOf(error)}</Text>
            <Button size="xs" variant="default" loading={isFetching} onClick={() => refetch()}>
              Ask again
            </Button>
          </Stack>
        </Alert>
      )}
      {data !== undefined && children(data)}
    </>
  );
}

interface EmptyProps {
  readonly icon: ReactNode;
  readonly title: string;
  readonly children: ReactNode;
  readonly action?: ReactNode;
}

/** Nothing is there yet: what would be, and how it comes. */
export function Empty({ icon, title, children, action }: EmptyProps): ReactNode {
  return (
    <Center py={48}>
      <Stack align="center" gap="xs" maw={440} ta="center">
        <Text c="dimmed" component="span" aria-hidden>
          {icon}
        </Text>
        <Title order={2} size="h4">
          {title}
        </Title>
        <Text c="dimmed" size="sm">
          {children}
        </Text>
        {action !== undefined && <div style={{ marginTop: 12 }}>{action}</div>}
      </Stack>
    </Center>
  );
}
