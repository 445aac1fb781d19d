import { Alert, Anchor, Button, Group, Modal, NumberInput, Select, Stack, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useState, type ReactNode } from "react";
import { Link } from "wouter";
import type { HostsAnswer, MappingCreateAnswer, MappingCreateBody, VolumeAnswer } from "../../../management/api.ts";
import { call } from "../../api/client.ts";
import { useApi, useChange } from "../../api/queries.ts";
import { Shown } from "../../parts/page.tsx";

const LUN_MAX = 255;

interface Props {
  readonly volume: VolumeAnswer;
  readonly opened: boolean;
  readonly onClose: () => void;
}

export function MapDialog(props: Props): ReactNode {
  return (
    <Modal opened={props.opened} onClose={props.onClose} title={`Map ${props.volume.name} to a host`}>
      <MapForm {...props} />
    </Modal>
  );
}

function MapForm({ volume, onClose }: Props): ReactNode {
  const hosts = useApi<HostsAnswer>("/hosts", ["hosts", "volumes"]);
  const [host, setHost] = useState<string | null>(null);
  const [lun, setLun] = useState<number | string>("");
  const map = useChange((body: MappingCreateBody) => call<MappingCreateAnswer>("POST", "/mappings", body), ["volumes", "hosts", "sessions"], (answer) => {
    notifications.show({ color: "teal", title: "Mapped", message: `${answer.host} sees ${answer.volume} as LUN ${answer.lun} once it looks again.` });
    onClose();
  });
  return (
    <Shown query={hosts} rows={2}>
      {(data) => {
        const free = data.hosts.filter(({ name }) => !volume.mappings.some((mapping) => mapping.host === name));
        if (free.length === 0) {
          return (
            <Stack>
              <Text size="sm">
                {data.hosts.length === 0 ? "No host is known yet." : "Every host that is known has it already."}{" "}
                <Anchor component={Link} href="/hosts" size="sm">
                  Add a host
                </Anchor>{" "}
                first.
              </Text>
              <Group justify="flex-end">
                <Button variant="default" onClick={onClose}>
                  Close
                </Button>
              </Group>
            </Stack>
          );
        }
        return (
          <form
            onSubmit={(event) => {
              event.preventDefault();
              if (host !== null) map.mutate({ volume: volume.name, host, ...(typeof lun === "number" ? { lun } : {}) });
            }}
          >
            <Stack>
              <Select label="Host" required data-autofocus searchable data={free.map(({ name }) => name)} value={host} onChange={setHost} />
              <NumberInput label="LUN" description="Empty: the lowest that the host has free" min={0} max={LUN_MAX} allowDecimal={false} value={lun} onChange={setLun} />
              {volume.mappings.length > 0 && <Alert color="orange">{volume.mappings.map((mapping) => mapping.host).join(", ")} may use it already. Two hosts that write to one disk destroy its data, unless the file system on it is made for that.</Alert>}
              {map.error && (
                <Alert color="red" role="alert">
                  {map.error.message}
                </Alert>
              )}
              <Group justify="flex-end">
                <Button variant="default" onClick={onClose}>
                  Cancel
                </Button>
                <Button type="submit" loading={map.isPending} disabled={host === null}>
                  Map
                </Button>
              </Group>
            </Stack>
          </form>
        );
      }}
    </Shown>
  );
}
