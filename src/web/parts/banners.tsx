import { Alert, Anchor, Text } from "@mantine/core";
import { IconDatabaseOff, IconFlask, IconPlugConnectedX } from "@tabler/icons-react";
import { useEffect, useState, useSyncExternalStore, type ReactNode } from "react";
import type { StatusAnswer } from "../../management/api.ts";
import type { ClusterAnswer } from "../../management/api/cluster.ts";
import { useApi } from "../api/queries.ts";
import { currentReach, onReach } from "../api/client.ts";
import { duration, moment } from "../format.ts";

/** A request that fails once is no news. */
const SILENT_FOR_MS = 2_000;

/** Above every page: what makes it out of date. What was last known stays below. */
export function Banners({ status }: { readonly status: StatusAnswer | undefined }): ReactNode {
  const reach = useSyncExternalStore(onReach, currentReach);
  const nowMs = useNow(1_000);
  const silentMs = reach.silentSinceMs === null ? 0 : nowMs - reach.silentSinceMs;
  if (silentMs >= SILENT_FOR_MS) {
    const others = (status?.servers ?? []).filter(({ api }) => !isHere(api));
    return (
      <Alert color="red" icon={<IconPlugConnectedX />} title={`${location.host} does not answer`} mb="md" role="alert">
        <Text size="sm">
          What is shown is what it last knew, at {moment(reach.answeredAtMs)}. It is asked again all the time.
          {others.length > 0 && " Any other server shows the same pages: "}
          {others.map(({ name, api }, index) => (
            <span key={name}>
              {index > 0 && ", "}
              <Anchor href={api} size="sm">
                {name}
              </Anchor>
            </span>
          ))}
        </Text>
      </Alert>
    );
  }
  if (status && !status.store.answering) {
    return (
      <Alert color="orange" icon={<IconDatabaseOff />} title="Nothing can be changed now" mb="md" role="alert">
        <Text size="sm">
          The cluster store has not answered this server for {duration(status.store.silentMs)}, so what is shown is what was last known. Data goes on being served where its copies are in touch. Check that most of the servers are
          up and reach one another.
        </Text>
      </Alert>
    );
  }
  return null;
}

/** Said on every page for as long as it is so. */
export function EvaluationBanner(): ReactNode {
  const cluster = useApi<ClusterAnswer>("/cluster", ["settings"]);
  if (cluster.data?.evaluation !== true) return null;
  return (
    <Alert color="yellow" icon={<IconFlask />} title="Evaluation: one copy only" mb="md">
      <Text size="sm">Nothing is kept twice: the loss of one drive loses data. Keep nothing here that matters.</Text>
    </Alert>
  );
}

function isHere(api: string): boolean {
  try {
    return new URL(api).host === location.host;
  } catch {
    return false;
  }
}

export function useNow(everyMs: number): number {
  const [nowMs, setNowMs] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNowMs(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return nowMs;
}
