import { Anchor, Code, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";
import type { ClusterAnswer, VersionAnswer } from "../../../management/api/cluster.ts";
import type { StatusAnswer } from "../../../management/api.ts";
import { useApi } from "../../api/queries.ts";
import { Card } from "../../parts/card.tsx";
import { Shown } from "../../parts/page.tsx";
import { Line } from "../dashboard/capacity.tsx";

export function AboutPanel(): ReactNode {
  const cluster = useApi<ClusterAnswer>("/cluster", ["settings"]);
  const version = useApi<VersionAnswer>("/version", []);
  const status = useApi<StatusAnswer>("/status", ["status"]);
  return (
    <Card title="This cluster">
      <Shown query={cluster}>
        {({ name, id, fingerprint, evaluation }) => (
          <Stack gap="sm" maw={640}>
            <Line label="Name" value={name} />
            <Line label="Id" value={id} />
            <Line label="iSCSI target" value={status.data?.cluster?.targetName ?? "-"} />
            <Line label="VirtuStor" value={version.data?.version ?? "-"} />
            {evaluation && <Text>Evaluation: everything has one copy only, and the loss of a drive loses data.</Text>}
            {fingerprint !== null && (
              <div>
                <Text size="sm" c="dimmed">
                  Fingerprint of its certificates
                </Text>
                <Code block style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
                  {fingerprint}
                </Code>
              </div>
            )}
            <Text size="sm">
              Programs use the same API as these pages:{" "}
              <Anchor href="/api/v1/openapi.json" size="sm">
                its OpenAPI document
              </Anchor>
              .
            </Text>
          </Stack>
        )}
      </Shown>
    </Card>
  );
}
