import { Button, Stack } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useState, type ReactNode } from "react";
import type { DriveDetailAnswer, DrivesAnswer } from "../../../management/api.ts";
import type { ServerDetailAnswer, ServersAnswer } from "../../../management/api/servers.ts";
import { useApi } from "../../api/queries.ts";
import { Page, Shown } from "../../parts/page.tsx";
import { useMayChange } from "../../session.tsx";
import { AddDriveDialog } from "./add-drive.tsx";
import { DriveDrawer } from "./drive-drawer.tsx";
import { JoinCodeDialog } from "./join-code.tsx";
import { ServerCard } from "./server-card.tsx";

export function ServersPage(): ReactNode {
  const servers = useApi<ServersAnswer>("/servers", ["servers", "status"]);
  const drives = useApi<DrivesAnswer>("/drives", ["servers", "status"]);
  const [joining, setJoining] = useState(false);
  const [addingTo, setAddingTo] = useState<ServerDetailAnswer | null>(null);
  const [open, setOpen] = useState<string | null>(null);
  const mayChange = useMayChange();
  const add = mayChange ? (
    <Button leftSection={<IconPlus size={18} />} onClick={() => setJoining(true)}>
      Add server
    </Button>
  ) : undefined;
  const chosen: DriveDetailAnswer | undefined = drives.data?.drives.find(({ id }) => id === open);
  return (
    <Page title="Servers and drives" description="Every piece of data lies on drives of different servers. Drives and servers may be added and taken out while hosts go on working." actions={add}>
      <Shown query={servers} rows={6}>
        {({ servers: list }) => (
          <Shown query={drives} rows={6}>
            {({ drives: all }) => (
              <Stack>
                {list.map((server) => (
                  <ServerCard key={server.name} server={server} drives={all.filter((drive) => drive.server === server.name)} onDrive={setOpen} onAddDrive={() => setAddingTo(server)} />
                ))}
              </Stack>
            )}
          </Shown>
        )}
      </Shown>
      {chosen && <DriveDrawer drive={chosen} onClose={() => setOpen(null)} />}
      {addingTo && <AddDriveDialog server={addingTo} onClose={() => setAddingTo(null)} />}
      {joining && <JoinCodeDialog onClose={() => setJoining(false)} />}
    </Page>
  );
}
