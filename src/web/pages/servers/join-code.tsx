import { Alert, Button, Code, Group, List, Modal, Paper, Stack, Text } from "@mantine/core";
import { useEffect, type ReactNode } from "react";
import type { ClusterAnswer, JoinCodeAnswer } from "../../../management/api/cluster.ts";
import { call } from "../../api/client.ts";
import { useApi, useChange } from "../../api/queries.ts";
import { duration } from "../../format.ts";
import { useNow } from "../../parts/banners.tsx";

/** A short code lets one new server in; the new server shows the cluster's fingerprint, to be compared with the one here. */
export function JoinCodeDialog({ onClose }: { readonly onClose: () => void }): ReactNode {
  const cluster = useApi<ClusterAnswer>("/cluster", ["settings"]);
  const make = useChange<JoinCodeAnswer, void>(() => call("POST", "/cluster/join-code"), ["audit"]);
  const { mutate } = make;
  useEffect(() => mutate(), [mutate]);
  const leftMs = (make.data?.expiresAtMs ?? 0) - useNow(1_000);
  return (
    <Modal opened onClose={onClose} title="Add a server" size="lg">
      <Stack>
        <List type="ordered" size="sm" spacing={4}>
          <List.Item>Install VirtuStor on the new machine from the ISO, and let it start.</List.Item>
          <List.Item>
            On its console choose <b>Join a cluster</b>. It finds this cluster by itself, or takes the address of a server: {location.hostname}.
          </List.Item>
          <List.Item>Compare the fingerprint that it shows with the one below, and type the code.</List.Item>
        </List>
        {make.error && (
          <Alert color="red" role="alert">
            {make.error.message}
          </Alert>
        )}
        {make.data && (
          <Paper withBorder p="md" ta="center">
            <Text c="dimmed" size="sm">
              Join code
            </Text>
            <Text fz={36} fw={700} ff="monospace" aria-label={`Join code ${[...make.data.code].join(" ")}`}>
              {make.data.code}
            </Text>
            <Text c="dimmed" size="sm">
              {leftMs > 0 ? `Valid for ${duration(leftMs)} more` : "No longer valid"}
            </Text>
          </Paper>
        )}
        {cluster.data?.fingerprint != null && (
          <div>
            <Text size="sm" c="dimmed">
              Fingerprint of {cluster.data.name}
            </Text>
            <Code block style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
              {cluster.data.fingerprint}
            </Code>
          </div>
        )}
        <Group justify="space-between">
          <Button variant="default" loading={make.isPending} onClick={() => mutate()}>
            New code
          </Button>
          <Button onClick={onClose}>Done</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
