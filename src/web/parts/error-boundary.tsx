import { Button, Center, Stack, Text, Title } from "@mantine/core";
import { Component, type ReactNode } from "react";

interface Props {
  readonly children: ReactNode;
}
interface State {
  readonly error: Error | null;
}

/** A bug in a page: said plainly, with the way back. Nothing in the cluster has changed by it. */
export class ErrorBoundary extends Component<Props, State> {
  override state: State = { error: null };

  static getDerivedStateFromError(error: Error): State {
    return { error };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === null) return this.props.children;
    return (
      <Center mih="60dvh" p="md">
        <Stack maw={520}>
          <Title order={1} size="h2">
            This page has failed
          </Title>
          <Text>It is a mistake of the web UI; nothing in the cluster has changed by it. Load the page again; if it fails again, the command virtustor does the same work.</Text>
          <Text c="dimmed" size="sm">
            {error.message}
          </Text>
          <Button onClick={() => location.reload()}>Load again</Button>
        </Stack>
      </Center>
    );
  }
}
