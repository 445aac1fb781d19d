import { Alert, Button, Drawer, Group, Stack, Text } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useState, type ReactNode } from "react";
import type { DriveDetailAnswer, DriveReleaseAnswer } from "../../../management/api.ts";
import type { RemoveAnswer, RemoveBody } from "../../../management/api/servers.ts";
import { call } from "../../api/client.ts";
import { useChange } from "../../api/queries.ts";
import { bytes, moment } from "../../format.ts";
import { Confirm } from "../../parts/confirm.tsx";
import { useMayChange } from "../../session.tsx";
import { Line } from "../dashboard/capacity.tsx";
import { DrainProgress, isDrained } from "./drain-progress.tsx";
import { LostBox } from "./server-dialogs.tsx";
import { stateWord } from "./drive-bay.tsx";

interface Props {
  readonly drive: DriveDetailAnswer;
  readonly onClose: () => void;
}

/** Everything about one drive, and what can be done with it. */
export function DriveDrawer({ drive, onClose }: Props): ReactNode {
  const mayChange = useMayChange();
  return (
    <Drawer opened onClose={onClose} position="right" title={`Drive ${drive.id}`} size="md">
      <Stack>
        <Stack gap={4}>
          <Line label="Server" value={drive.server} />
          <Line label="State" value={stateWord(drive)} />
          <Line label="Size" value={drive.capacityBytes === 0 ? "not known" : bytes(drive.capacityBytes)} />
          <Line label="Used" value={drive.usedBytes === null ? "not known" : bytes(drive.usedBytes)} />
        </Stack>
        {drive.failed && (
          <Alert color="red" icon={<IconAlertTriangle />} title={`Failed at ${moment(drive.failed.atMs)}`}>
            {drive.failed.why}. It is not started again until it is released. Its data is copied anew from other drives.
          </Alert>
        )}
        {drive.why !== null && (
          <Alert color="orange" title="It serves nothing">
            {drive.why}
          </Alert>
        )}
        {drive.alerts.map((sentence) => (
          <Alert key={sentence} color="orange">
            {sentence}
          </Alert>
        ))}
        {drive.parked && drive.parked.files > 0 && (
          <Text size="sm">
            {drive.parked.files} files ({bytes(drive.parked.bytes)}) of content that lost against another copy are kept in its folder parked/.
          </Text>
        )}
        {drive.drain && <DrainProgress what={`drive ${drive.id}`} drain={drive.drain} />}
        {mayChange && <Actions drive={drive} onClose={onClose} />}
      </Stack>
    </Drawer>
  );
}

function Actions({ drive, onClose }: Props): ReactNode {
  const [dialog, setDialog] = useState<"drain" | "remove" | "release" | null>(null);
  const close = (): void => setDialog(null);
  const cancel = useChange<DriveDetailAnswer, void>(() => call("DELETE", `/drives/${drive.id}/drain`), ["servers", "status"]);
  return (
    <>
      <Group>
        {drive.failed && <Button onClick={() => setDialog("release")}>Release</Button>}
        {drive.drain === null && drive.state === "up" && (
          <Button variant="default" onClick={() => setDialog("drain")}>
            Drain
          </Button>
        )}
        {drive.drain !== null && (
          <Button variant="default" loading={cancel.isPending} onClick={() => cancel.mutate()}>
            Stop draining
          </Button>
        )}
        <Button variant="default" c="var(--mantine-color-error)" onClick={() => setDialog("remove")}>
          Remove
        </Button>
      </Group>
      {cancel.error && (
        <Alert color="red" role="alert">
          {cancel.error.message}
        </Alert>
      )}
      {dialog === "drain" && <DrainDialog drive={drive} onClose={close} />}
      {dialog === "release" && <ReleaseDialog drive={drive} onClose={close} />}
      {dialog === "remove" && (
        <RemoveDialog
          drive={drive}
          onClose={close}
          onRemoved={() => {
            close();
            onClose();
          }}
        />
      )}
    </>
  );
}

function DrainDialog({ drive, onClose }: Props): ReactNode {
  const change = useChange<DriveDetailAnswer, void>(() => call("POST", `/drives/${drive.id}/drain`), ["servers", "status"], onClose);
  return <Confirm opened onClose={onClose} title={`Drain drive ${drive.id}`} cost={`Its data (${drive.usedBytes === null ? "size not known" : bytes(drive.usedBytes)}) moves to other drives; every piece keeps all its copies meanwhile. Hosts go on working, somewhat slower. It can be stopped at any time.`} name={null} action="Drain" change={change} />;
}

function ReleaseDialog({ drive, onClose }: Props): ReactNode {
  const change = useChange<DriveReleaseAnswer, void>(() => call("POST", `/drives/${drive.id}/release`), ["servers", "status", "alerts"], onClose);
  return <Confirm opened onClose={onClose} title={`Release drive ${drive.id}`} cost="It is started again and takes part as before, once it has caught up. Release it when the cause is mended, such as a cable or a controller; a drive that has failed by itself should be replaced." name={null} action="Release" change={change} />;
}

function RemoveDialog({ drive, onClose, onRemoved }: Props & { readonly onRemoved: () => void }): ReactNode {
  const { id, drain, state } = drive;
  const [lost, setLost] = useState(false);
  const change = useChange<RemoveAnswer, void>(() => call("POST", `/drives/${id}/remove`, { confirm: id, ...(lost ? { lost } : {}) } satisfies RemoveBody), ["servers", "status", "alerts"], onRemoved);
  const drained = drain !== null && isDrained(drain);
  const cost = drained
    ? "Nothing depends on it any more. It is forgotten, and what is on it is not used again."
    : "It is not drained: the cluster refuses as long as data depends on it. Drain it first. What is on it is then not used again.";
  return (
    <Confirm
      opened
      onClose={onClose}
      title={`Remove drive ${id}`}
      cost={
        <Stack gap="sm">
          <Text size="sm">{cost}</Text>
          {state !== "up" && !drained && <LostBox what="It" checked={lost} onChange={setLost} />}
        </Stack>
      }
      name={id}
      action="Remove drive"
      change={change}
    />
  );
}
