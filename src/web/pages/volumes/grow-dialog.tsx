import { Alert, Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useState, type ReactNode } from "react";
import type { VolumeAnswer, VolumeChangeBody, VolumeCreateAnswer } from "../../../management/api.ts";
import { call } from "../../api/client.ts";
import { useChange } from "../../api/queries.ts";
import { bytes } from "../../format.ts";
import { parseSize } from "../../sizes.ts";

interface Props {
  readonly volume: VolumeAnswer;
  readonly opened: boolean;
  readonly onClose: () => void;
}

export function GrowDialog(props: Props): ReactNode {
  return (
    <Modal opened={props.opened} onClose={props.onClose} title={`Grow volume ${props.volume.name}`}>
      <GrowForm {...props} />
    </Modal>
  );
}

function GrowForm({ volume, onClose }: Props): ReactNode {
  const [size, setSize] = useState("");
  const sizeBytes = parseSize(size);
  const grow = useChange((body: VolumeChangeBody) => call<VolumeCreateAnswer>("POST", `/volumes/${volume.name}`, body), ["volumes", "status"], ({ name, sizeBytes: now, warning }) => {
    notifications.show({ color: warning === undefined ? "teal" : "orange", title: `${name} has ${bytes(now)} now`, message: warning ?? "Let its hosts look for the new size, then grow the file system." });
    onClose();
  });
  const tooSmall = sizeBytes !== null && sizeBytes <= volume.sizeBytes;
  const wrong = size !== "" && sizeBytes === null ? "This is no size such as 500 GiB or 2 TiB." : tooSmall ? `It has ${bytes(volume.sizeBytes)} already, and a volume only grows.` : null;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (sizeBytes !== null && !tooSmall) grow.mutate({ sizeBytes });
      }}
    >
      <Stack>
        <TextInput label="New size" description={`It has ${bytes(volume.sizeBytes)} now.`} required data-autofocus value={size} onChange={(event) => setSize(event.currentTarget.value)} error={wrong} />
        <Text size="sm" c="dimmed">
          Hosts go on working meanwhile. A volume cannot be made smaller again.
        </Text>
        {grow.error && (
          <Alert color="red" role="alert">
            {grow.error.message}
          </Alert>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={grow.isPending} disabled={sizeBytes === null || tooSmall}>
            Grow
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
