import { Alert, Button, Code, Group, Modal, Radio, Stack, Text, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import type { UseMutationResult } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import type { DriveAddAnswer, DriveAddBody, FreeDriveAnswer, FreeDrivesAnswer, ServerDetailAnswer } from "../../../management/api/servers.ts";
import { call } from "../../api/client.ts";
import { useApi, useChange } from "../../api/queries.ts";
import { bytes } from "../../format.ts";
import { Shown } from "../../parts/page.tsx";
import { parseSize } from "../../sizes.ts";

interface Props {
  readonly server: ServerDetailAnswer;
  readonly onClose: () => void;
}

/** Drives of a server that VirtuStor does not use yet. Whatever is on one is lost, so its name must be typed unless it is empty. */
export function AddDriveDialog({ server, onClose }: Props): ReactNode {
  const free = useApi<FreeDrivesAnswer>(`/servers/${server.name}/free-drives`, ["servers"]);
  return (
    <Modal opened onClose={onClose} title={`Add a drive to ${server.name}`} size="lg">
      <Shown query={free} rows={3}>
        {({ drives }) => <AddDriveForm server={server} drives={drives} onClose={onClose} />}
      </Shown>
    </Modal>
  );
}

function AddDriveForm({ server, drives, onClose }: Props & { readonly drives: readonly FreeDriveAnswer[] }): ReactNode {
  const [device, setDevice] = useState(drives.length === 1 ? (drives[0]?.device ?? "") : "");
  const [typed, setTyped] = useState("");
  const [elsewhere, setElsewhere] = useState(false);
  const chosen = drives.find((drive) => drive.device === device);
  const needsWipe = chosen !== undefined && chosen.content !== "empty";
  const add = useAdd(server, onClose);
  if (drives.length === 0 || elsewhere) {
    return (
      <Stack>
        {drives.length === 0 && <Text size="sm">{server.name} has no drive that is free. Put one in; it is shown here within seconds. The system's own drive, and those that are too small, are not offered.</Text>}
        <DirectoryForm server={server} onClose={onClose} />
      </Stack>
    );
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (chosen && (!needsWipe || typed === device)) add.mutate({ device, ...(needsWipe ? { wipe: typed } : {}) });
      }}
    >
      <Stack>
        <Radio.Group label="Free drives" value={device} onChange={setDevice}>
          <Stack gap="xs" mt="xs">
            {drives.map((drive) => (
              <Radio.Card key={drive.device} value={drive.device} p="sm">
                <Group wrap="nowrap" align="flex-start">
                  <Radio.Indicator />
                  <div style={{ minWidth: 0 }}>
                    <Text size="sm" fw={600} style={{ overflowWrap: "anywhere" }}>
                      {drive.device}, {bytes(drive.sizeBytes)} {drive.rotational ? "HDD" : "SSD"}
                    </Text>
                    <Text size="sm" c="dimmed" style={{ overflowWrap: "anywhere" }}>
                      {[drive.model, drive.serial === "" ? "" : `serial ${drive.serial}`].filter((part) => part !== "").join(", ")}
                    </Text>
                    <Text size="sm" c={drive.content === "empty" ? "dimmed" : "var(--mantine-color-error)"}>
                      {drive.content === "empty" ? "Empty" : `On it: ${drive.content}`}
                    </Text>
                  </div>
                </Group>
              </Radio.Card>
            ))}
          </Stack>
        </Radio.Group>
        {needsWipe && (
          <>
            <Alert color="red">Everything on {device} is lost for good.</Alert>
            <TextInput
              autoComplete="off"
              label={
                <>
                  Type <Code>{device}</Code> to confirm
                </>
              }
              value={typed}
              onChange={(event) => setTyped(event.currentTarget.value)}
            />
          </>
        )}
        {add.error && (
          <Alert color="red" role="alert">
            {add.error.message}
          </Alert>
        )}
        <Group justify="flex-end">
          <Button variant="subtle" onClick={() => setElsewhere(true)} mr="auto">
            A directory instead
          </Button>
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" color={needsWipe ? "red" : "cyan"} loading={add.isPending} disabled={chosen === undefined || (needsWipe && typed !== device)}>
            {needsWipe ? "Wipe and add" : "Add drive"}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

/** A file system that an administrator has mounted, or a folder of a trial. */
function DirectoryForm({ server, onClose }: Props): ReactNode {
  const [directory, setDirectory] = useState("");
  const [size, setSize] = useState("");
  const capacityBytes = parseSize(size);
  const wrongSize = size !== "" && capacityBytes === null;
  const add = useAdd(server, onClose);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!wrongSize) add.mutate({ directory: directory.trim(), ...(capacityBytes === null ? {} : { capacityBytes }) });
      }}
    >
      <Stack>
        <TextInput label="Directory" description={`On ${server.name}: a file system that is mounted there, or, for a trial, an empty folder`} required data-autofocus value={directory} onChange={(event) => setDirectory(event.currentTarget.value)} />
        <TextInput label="Size" description="How much of it VirtuStor may use; empty: all that is free" value={size} onChange={(event) => setSize(event.currentTarget.value)} error={wrongSize ? "This is no size such as 500 GiB or 2 TiB." : null} />
        {add.error && (
          <Alert color="red" role="alert">
            {add.error.message}
          </Alert>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={add.isPending} disabled={directory.trim() === "" || wrongSize}>
            Add drive
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function useAdd(server: ServerDetailAnswer, onClose: () => void): UseMutationResult<DriveAddAnswer, Error, DriveAddBody> {
  return useChange(
    (body: DriveAddBody) => call<DriveAddAnswer>("POST", `/servers/${server.name}/drives`, body),
    ["servers", "status"],
    () => {
      notifications.show({ color: "teal", title: "The drive is being added", message: "It appears with its server, and data moves to it by itself." });
      onClose();
    },
  );
}
