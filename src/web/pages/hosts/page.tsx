import { Anchor, Badge, Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { IconDevices, IconPlus, IconSearch } from "@tabler/icons-react";
import { useState, type ReactNode } from "react";
import { Link } from "wouter";
import type { HostAnswer, HostsAnswer } from "../../../management/api.ts";
import type { SessionsAnswer } from "../../../management/api/sessions.ts";
import { call } from "../../api/client.ts";
import { useApi, useChange } from "../../api/queries.ts";
import { moment, plural } from "../../format.ts";
import { Card } from "../../parts/card.tsx";
import { Confirm } from "../../parts/confirm.tsx";
import { DataTable, type Column } from "../../parts/data-table.tsx";
import { Empty, Page, Shown } from "../../parts/page.tsx";
import { useMayChange } from "../../session.tsx";
import { HostDialog } from "./host-dialog.tsx";

export function HostsPage(): ReactNode {
  const hosts = useApi<HostsAnswer>("/hosts", ["hosts", "volumes"]);
  const sessions = useApi<SessionsAnswer>("/sessions", ["sessions"]);
  const [search, setSearch] = useState("");
  const [editing, setEditing] = useState<HostAnswer | "new" | null>(null);
  const [deleting, setDeleting] = useState<HostAnswer | null>(null);
  const mayChange = useMayChange();
  const add = mayChange ? (
    <Button leftSection={<IconPlus size={18} />} onClick={() => setEditing("new")}>
      Add host
    </Button>
  ) : undefined;
  return (
    <Page title="Hosts" description="The machines that use volumes, known by the names of their iSCSI initiators." actions={add}>
      <Shown query={hosts}>
        {({ hosts: list }) => {
          if (list.length === 0) {
            return (
              <Empty icon={<IconDevices size={48} />} title="No host is known yet" action={add}>
                {mayChange ? "Add a host with the name of its initiator; then map volumes to it." : "An administrator can add one."}
              </Empty>
            );
          }
          const wanted = search.trim().toLowerCase();
          const found = list.filter(({ name, iqns }) => name.toLowerCase().includes(wanted) || iqns.some((iqn) => iqn.includes(wanted)));
          return (
            <>
              <TextInput label="Search" aria-label="Search hosts" placeholder="Name or initiator" leftSection={<IconSearch size={16} />} value={search} onChange={(event) => setSearch(event.currentTarget.value)} maw={320} />
              {found.length === 0 ? <Text c="dimmed">No host and no initiator has “{search}” in its name.</Text> : <DataTable label="Hosts" columns={columns(sessions.data, mayChange, setEditing, setDeleting)} rows={found} rowKey={({ name }) => name} />}
              <Text size="sm" c="dimmed">
                {plural(list.length, "host")}
              </Text>
            </>
          );
        }}
      </Shown>
      {sessions.data && sessions.data.sessions.length > 0 && <AllSessions sessions={sessions.data} />}
      {editing !== null && <HostDialog host={editing === "new" ? null : editing} onClose={() => setEditing(null)} />}
      {deleting !== null && <DeleteDialog host={deleting} onClose={() => setDeleting(null)} />}
    </Page>
  );
}

function columns(sessions: SessionsAnswer | undefined, mayChange: boolean, edit: (host: HostAnswer) => void, remove: (host: HostAnswer) => void): Column<HostAnswer>[] {
  return [
    { label: "Name", isName: true, cell: ({ name }) => <Text size="sm" fw={600}>{name}</Text> },
    {
      label: "Initiators",
      cell: ({ iqns }) => (
        <Stack gap={0}>
          {iqns.map((iqn) => (
            <Text key={iqn} size="sm" ff="monospace" style={{ overflowWrap: "anywhere" }}>
              {iqn}
            </Text>
          ))}
        </Stack>
      ),
    },
    { label: "CHAP", cell: ({ chapUser }) => (chapUser === null ? <Text size="sm" c="dimmed" span>none</Text> : chapUser) },
    {
      label: "Volumes",
      cell: ({ mappings }) =>
        mappings.length === 0 ? (
          <Text size="sm" c="dimmed" span>
            none
          </Text>
        ) : (
          mappings.map(({ volume, lun }, index) => (
            <span key={volume}>
              {index > 0 && ", "}
              <Anchor component={Link} href={`/volumes/${volume}`} size="sm">
                {volume}
              </Anchor>{" "}
              (LUN {lun})
            </span>
          ))
        ),
    },
    { label: "Sessions", align: "right", cell: ({ name }) => <Sessions count={sessions?.sessions.filter(({ host }) => host === name).length ?? null} /> },
    ...(mayChange
      ? [
          {
            label: "Actions",
            isActions: true,
            align: "right" as const,
            cell: (host: HostAnswer) => (
              <Group gap={4} justify="flex-end" wrap="nowrap">
                <Button size="compact-sm" variant="default" aria-label={`Edit ${host.name}`} onClick={() => edit(host)}>
                  Edit
                </Button>
                <Button size="compact-sm" variant="default" c="var(--mantine-color-error)" aria-label={`Delete ${host.name}`} onClick={() => remove(host)}>
                  Delete
                </Button>
              </Group>
            ),
          },
        ]
      : []),
  ];
}

function Sessions({ count }: { readonly count: number | null }): ReactNode {
  if (count === null) return "-";
  return (
    <Badge variant="light" color={count > 0 ? "teal" : "gray"} tt="none">
      {count}
    </Badge>
  );
}

function AllSessions({ sessions }: { readonly sessions: SessionsAnswer }): ReactNode {
  return (
    <Card title="Sessions now">
      <DataTable
        bare
        label="Sessions"
        rows={sessions.sessions}
        rowKey={({ initiator, server, sinceMs }) => `${initiator} ${server} ${sinceMs}`}
        columns={[
          { label: "Host", isName: true, cell: ({ host }) => <Text size="sm" fw={600}>{host}</Text> },
          { label: "Initiator", cell: ({ initiator }) => <Text size="sm" ff="monospace" style={{ overflowWrap: "anywhere" }}>{initiator}</Text> },
          { label: "Through", cell: ({ server }) => server },
          { label: "From", cell: ({ address }) => address || "-" },
          { label: "LUNs", cell: ({ luns }) => luns.join(", ") || "none" },
          { label: "Since", cell: ({ sinceMs }) => moment(sinceMs) },
        ]}
      />
    </Card>
  );
}

function DeleteDialog({ host, onClose }: { readonly host: HostAnswer; readonly onClose: () => void }): ReactNode {
  const { name, mappings } = host;
  const change = useChange<unknown, void>(
    async () => {
      for (const { volume } of mappings) await call("DELETE", `/mappings/${volume}/${name}`);
      return call("DELETE", `/hosts/${name}`);
    },
    ["hosts", "volumes", "sessions"],
    onClose,
  );
  const mapped = mappings.length > 0 ? ` It loses ${mappings.map(({ volume }) => volume).join(", ")} at once: take these disks out of use there first, or what it is writing fails.` : "";
  return <Confirm opened onClose={onClose} title={`Delete host ${name}`} cost={`${name} is let in no more and its CHAP secret is forgotten.${mapped} Volumes keep their data.`} name={name} action="Delete host" change={change} />;
}
