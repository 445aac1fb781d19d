import { Alert, Anchor, Button, Group, Stack, Text } from "@mantine/core";
import { IconArrowsMaximize, IconLink, IconTrash } from "@tabler/icons-react";
import { useState, type ReactNode } from "react";
import { Link, useLocation } from "wouter";
import type { HostsAnswer, StatusAnswer, VolumeAnswer, VolumesAnswer } from "../../../management/api.ts";
import type { InitiatorSessionAnswer, SessionsAnswer } from "../../../management/api/sessions.ts";
import { call } from "../../api/client.ts";
import { useApi, useChange } from "../../api/queries.ts";
import { bytes, moment, plural } from "../../format.ts";
import { Card } from "../../parts/card.tsx";
import { Confirm } from "../../parts/confirm.tsx";
import { ConnectSteps } from "../../parts/connect-steps.tsx";
import { DataTable } from "../../parts/data-table.tsx";
import { Page, Shown } from "../../parts/page.tsx";
import { useMayChange } from "../../session.tsx";
import { Line } from "../dashboard/capacity.tsx";
import { GrowDialog } from "./grow-dialog.tsx";
import { MapDialog } from "./map-dialog.tsx";
import { sessionsOf } from "./page.tsx";

type Mapping = VolumeAnswer["mappings"][number];

export function VolumePage({ name }: { readonly name: string }): ReactNode {
  const volumes = useApi<VolumesAnswer>("/volumes", ["volumes", "hosts"]);
  return (
    <Shown query={volumes}>
      {(data) => {
        const volume = data.volumes.find((candidate) => candidate.name === name);
        return volume === undefined ? <Gone name={name} /> : <Volume volume={volume} />;
      }}
    </Shown>
  );
}

function Gone({ name }: { readonly name: string }): ReactNode {
  return (
    <Page title={`No volume ${name}`}>
      <Text>
        It has been deleted, or never was.{" "}
        <Anchor component={Link} href="/volumes">
          All volumes
        </Anchor>
      </Text>
    </Page>
  );
}

function Volume({ volume }: { readonly volume: VolumeAnswer }): ReactNode {
  const { name, mappings } = volume;
  const sessions = useApi<SessionsAnswer>("/sessions", ["sessions"]);
  const mayChange = useMayChange();
  const [dialog, setDialog] = useState<"map" | "grow" | "delete" | null>(null);
  const [unmapping, setUnmapping] = useState<Mapping | null>(null);
  const close = (): void => setDialog(null);
  const own = sessions.data ? sessionsOf(sessions.data, mappings) : [];
  const actions = mayChange ? (
    <>
      <Button leftSection={<IconLink size={18} />} onClick={() => setDialog("map")}>
        Map to a host
      </Button>
      <Button variant="default" leftSection={<IconArrowsMaximize size={18} />} onClick={() => setDialog("grow")}>
        Grow
      </Button>
      <Button variant="default" c="var(--mantine-color-error)" leftSection={<IconTrash size={18} />} onClick={() => setDialog("delete")}>
        Delete
      </Button>
    </>
  ) : undefined;
  return (
    <Page title={name} description={<Anchor component={Link} href="/volumes" size="sm">All volumes</Anchor>} actions={actions}>
      <Card title="Volume">
        <Stack gap={4} maw={420}>
          <Line label="Size" value={bytes(volume.sizeBytes)} />
          <Line label="Copies" value={`${volume.copies}, each on another server`} />
          <Line label="Created" value={moment(volume.createdAtMs)} />
        </Stack>
      </Card>
      <Card title="Hosts that may use it">
        {mappings.length === 0 ? (
          <Text c="dimmed" size="sm">
            None yet. {mayChange && "Map it to a host, and the steps to connect follow here."}
          </Text>
        ) : (
          <DataTable
            bare
            label="Mappings"
            rows={mappings}
            rowKey={({ host }) => host}
            columns={[
              { label: "Host", isName: true, cell: ({ host }) => <Text fw={600} size="sm">{host}</Text> },
              { label: "LUN", align: "right", cell: ({ lun }) => lun },
              { label: "Sessions", align: "right", cell: ({ host }) => own.filter((session) => session.host === host).length },
              ...(mayChange
                ? [{ label: "Actions", isActions: true, align: "right" as const, cell: (mapping: Mapping) => <Button size="compact-sm" variant="default" aria-label={`Unmap from ${mapping.host}`} onClick={() => setUnmapping(mapping)}>Unmap</Button> }]
                : []),
            ]}
          />
        )}
      </Card>
      {own.length > 0 && <SessionsCard sessions={own} />}
      {sessions.data && sessions.data.silent.length > 0 && <Alert color="orange">The portal of {sessions.data.silent.join(", ")} has not said lately who is connected to it.</Alert>}
      {mappings.length > 0 && <Connect mappings={mappings} />}
      <MapDialog volume={volume} opened={dialog === "map"} onClose={close} />
      <GrowDialog volume={volume} opened={dialog === "grow"} onClose={close} />
      <DeleteDialog volume={volume} sessions={own.length} opened={dialog === "delete"} onClose={close} />
      {unmapping && <UnmapDialog volume={volume} mapping={unmapping} sessions={own.filter(({ host }) => host === unmapping.host).length} onClose={() => setUnmapping(null)} />}
    </Page>
  );
}

function SessionsCard({ sessions }: { readonly sessions: readonly InitiatorSessionAnswer[] }): ReactNode {
  return (
    <Card title="Sessions">
      <DataTable
        bare
        label="Sessions"
        rows={sessions}
        rowKey={({ initiator, server, sinceMs }) => `${initiator} ${server} ${sinceMs}`}
        columns={[
          { label: "Initiator", isName: true, cell: ({ initiator }) => <Text size="sm" style={{ overflowWrap: "anywhere" }}>{initiator}</Text> },
          { label: "Host", cell: ({ host }) => host },
          { label: "Through", cell: ({ server }) => server },
          { label: "From", cell: ({ address }) => address || "-" },
          { label: "Since", cell: ({ sinceMs }) => moment(sinceMs) },
        ]}
      />
    </Card>
  );
}

function Connect({ mappings }: { readonly mappings: readonly Mapping[] }): ReactNode {
  const status = useApi<StatusAnswer>("/status", ["status"]);
  const hosts = useApi<HostsAnswer>("/hosts", ["hosts", "volumes"]);
  const [chosen, setChosen] = useState<string | null>(null);
  const mapping = mappings.find(({ host }) => host === chosen) ?? mappings[0];
  const host = hosts.data?.hosts.find(({ name }) => name === mapping?.host);
  if (mapping === undefined || host === undefined || !status.data?.cluster) return null;
  return (
    <Card
      title={`Connect ${host.name}`}
      aside={
        mappings.length > 1 ? (
          <Group gap={4}>
            {mappings.map(({ host: other }) => (
              <Button key={other} size="compact-sm" variant={other === host.name ? "light" : "subtle"} onClick={() => setChosen(other)} aria-pressed={other === host.name}>
                {other}
              </Button>
            ))}
          </Group>
        ) : null
      }
    >
      <ConnectSteps connection={{ targetName: status.data.cluster.targetName, portals: status.data.servers.map(({ portal }) => portal), iqns: host.iqns, chapUser: host.chapUser, lun: mapping.lun }} />
    </Card>
  );
}

interface DialogProps {
  readonly volume: VolumeAnswer;
  readonly opened: boolean;
  readonly onClose: () => void;
}

function DeleteDialog({ volume, sessions, opened, onClose }: DialogProps & { readonly sessions: number }): ReactNode {
  const { name, mappings } = volume;
  const [, go] = useLocation();
  const change = useChange<VolumeAnswer, void>(
    async () => {
      for (const { host } of mappings) await call("DELETE", `/mappings/${name}/${host}`);
      return call<VolumeAnswer>("DELETE", `/volumes/${name}`);
    },
    ["volumes", "hosts", "status"],
    () => {
      onClose();
      go("/volumes");
    },
  );
  const mapped = mappings.length > 0 ? ` It is first unmapped from ${mappings.map(({ host }) => host).join(", ")}${sessions > 0 ? `; ${plural(sessions, "session")} use it now, and what they are writing fails` : ""}.` : "";
  return <Confirm opened={opened} onClose={onClose} title={`Delete volume ${name}`} cost={`All ${bytes(volume.sizeBytes)} of ${name} and every copy of it are gone at once. This cannot be undone.${mapped}`} name={name} action="Delete volume" change={change} />;
}

function UnmapDialog({ volume, mapping, sessions, onClose }: { readonly volume: VolumeAnswer; readonly mapping: Mapping; readonly sessions: number; readonly onClose: () => void }): ReactNode {
  const change = useChange<unknown, void>(() => call("DELETE", `/mappings/${volume.name}/${mapping.host}`), ["volumes", "hosts", "sessions"], onClose);
  const used = sessions > 0 ? `${mapping.host} has ${plural(sessions, "session")} now: take the disk out of use there first, or what it is writing fails.` : `${mapping.host} has no session with it now.`;
  return <Confirm opened onClose={onClose} title={`Unmap ${volume.name} from ${mapping.host}`} cost={`The host loses the disk (LUN ${mapping.lun}) at once. ${used} The data stays, and it can be mapped again.`} name={sessions > 0 ? mapping.host : null} action="Unmap" change={change} />;
}
