import { Anchor, Badge, Button, Group, Text, TextInput } from "@mantine/core";
import { IconDatabase, IconPlus, IconSearch } from "@tabler/icons-react";
import { useState, type ReactNode } from "react";
import { Link } from "wouter";
import type { VolumeAnswer, VolumesAnswer } from "../../../management/api.ts";
import type { SessionsAnswer } from "../../../management/api/sessions.ts";
import { useApi } from "../../api/queries.ts";
import { bytes, plural } from "../../format.ts";
import { DataTable, type Column } from "../../parts/data-table.tsx";
import { Empty, Page, Shown } from "../../parts/page.tsx";
import { useMayChange } from "../../session.tsx";
import { CreateWizard } from "./create-wizard.tsx";

export function VolumesPage(): ReactNode {
  const volumes = useApi<VolumesAnswer>("/volumes", ["volumes", "hosts"]);
  const sessions = useApi<SessionsAnswer>("/sessions", ["sessions"]);
  const [search, setSearch] = useState("");
  const [creating, setCreating] = useState(false);
  const mayChange = useMayChange();
  const create = mayChange ? (
    <Button leftSection={<IconPlus size={18} />} onClick={() => setCreating(true)}>
      Create volume
    </Button>
  ) : undefined;
  return (
    <Page title="Volumes" description="Disks that hosts see over iSCSI. They are thin: space is taken as it is written." actions={create}>
      <Shown query={volumes}>
        {({ volumes: list }) => {
          if (list.length === 0) {
            return (
              <Empty icon={<IconDatabase size={48} />} title="There is no volume yet" action={create}>
                {mayChange ? "Create one, and the steps to connect a host to it follow." : "An administrator can create one."}
              </Empty>
            );
          }
          const wanted = search.trim().toLowerCase();
          const found = list.filter(({ name, mappings }) => name.toLowerCase().includes(wanted) || mappings.some(({ host }) => host.toLowerCase().includes(wanted)));
          return (
            <>
              <TextInput label="Search" aria-label="Search volumes" placeholder="Name or host" leftSection={<IconSearch size={16} />} value={search} onChange={(event) => setSearch(event.currentTarget.value)} maw={320} />
              {found.length === 0 ? <Text c="dimmed">No volume and no host of one has “{search}” in its name.</Text> : <DataTable label="Volumes" columns={columns(sessions.data)} rows={found} rowKey={({ name }) => name} />}
              <Text size="sm" c="dimmed">
                {plural(list.length, "volume")}, {bytes(list.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))} provisioned
              </Text>
            </>
          );
        }}
      </Shown>
      <CreateWizard opened={creating} onClose={() => setCreating(false)} />
    </Page>
  );
}

function columns(sessions: SessionsAnswer | undefined): Column<VolumeAnswer>[] {
  return [
    {
      label: "Name",
      isName: true,
      cell: ({ name }) => (
        <Anchor component={Link} href={`/volumes/${name}`} fw={600} style={{ overflowWrap: "anywhere" }}>
          {name}
        </Anchor>
      ),
    },
    { label: "Size", align: "right", cell: ({ sizeBytes }) => bytes(sizeBytes) },
    { label: "Copies", align: "right", cell: ({ copies }) => copies },
    { label: "Mapped to", cell: ({ mappings }) => <MappedTo mappings={mappings} /> },
    { label: "Sessions", align: "right", cell: ({ mappings }) => (sessions === undefined ? "-" : sessionsOf(sessions, mappings).length) },
  ];
}

/** Hosts named in a list; more would drown it. */
const HOSTS_NAMED_MAX = 3;

function MappedTo({ mappings }: Pick<VolumeAnswer, "mappings">): ReactNode {
  if (mappings.length === 0) {
    return (
      <Text size="sm" c="dimmed" span>
        no host
      </Text>
    );
  }
  return (
    <Group gap={4} justify="inherit">
      {mappings.slice(0, HOSTS_NAMED_MAX).map(({ host, lun }) => (
        <Badge key={host} variant="light" color="gray" tt="none" fw={500} maw={220}>
          {host}, LUN {lun}
        </Badge>
      ))}
      {mappings.length > HOSTS_NAMED_MAX && <Text size="sm">and {mappings.length - HOSTS_NAMED_MAX} more</Text>}
    </Group>
  );
}

/** A host's sessions see all volumes that are mapped to it. */
export function sessionsOf(sessions: SessionsAnswer, mappings: VolumeAnswer["mappings"]): SessionsAnswer["sessions"] {
  return sessions.sessions.filter(({ host, luns }) => mappings.some((mapping) => mapping.host === host && luns.includes(mapping.lun)));
}
