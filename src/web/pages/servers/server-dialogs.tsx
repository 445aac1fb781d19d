import { Checkbox, Stack, Text } from "@mantine/core";
import { useState, type ReactNode } from "react";
import type { RemoveAnswer, RemoveBody, ServerDetailAnswer } from "../../../management/api/servers.ts";
import { call } from "../../api/client.ts";
import { useChange } from "../../api/queries.ts";
import { bytes, plural } from "../../format.ts";
import { Confirm } from "../../parts/confirm.tsx";
import { isDrained } from "./drain-progress.tsx";

interface Props {
  readonly server: ServerDetailAnswer;
  readonly onClose: () => void;
}

export function DrainServerDialog({ server, onClose }: Props): ReactNode {
  const { name } = server;
  const change = useChange<ServerDetailAnswer, void>(() => call("POST", `/servers/${name}/drain`), ["servers", "status"], onClose);
  const cost = `The data on its ${plural(server.drives.length, "drive")} (${bytes(server.usedBytes)}) moves to the other servers, which need room for it; every piece keeps all its copies meanwhile. Hosts go on working, somewhat slower. It can be stopped at any time.`;
  return <Confirm opened onClose={onClose} title={`Drain server ${name}`} cost={cost} name={null} action="Drain" change={change} />;
}

export function CancelDrainDialog({ server, onClose }: Props): ReactNode {
  const change = useChange<ServerDetailAnswer, void>(() => call("DELETE", `/servers/${server.name}/drain`), ["servers", "status"], onClose);
  return <Confirm opened onClose={onClose} title={`Stop draining ${server.name}`} cost="It keeps what it still has, and takes new data again." name={null} action="Stop draining" change={change} />;
}

export function RemoveServerDialog({ server, onClose }: Props): ReactNode {
  const { name, drain, up } = server;
  const [lost, setLost] = useState(false);
  const change = useChange<RemoveAnswer, void>(() => call("POST", `/servers/${name}/remove`, { confirm: name, ...(lost ? { lost } : {}) } satisfies RemoveBody), ["servers", "status", "alerts"], onClose);
  const drained = drain !== null && isDrained(drain);
  const cost = drained
    ? "Nothing depends on it any more. It leaves the cluster with its drives and its portal; hosts that reach volumes through it use their other paths."
    : "It leaves the cluster with its drives and its portal, and cannot come back with the data it has. The cluster refuses as long as data depends on it: drain it first.";
  return (
    <Confirm
      opened
      onClose={onClose}
      title={`Remove server ${name}`}
      cost={
        <Stack gap="sm">
          <Text size="sm">{cost}</Text>
          {!up && !drained && <LostBox what={name} checked={lost} onChange={setLost} />}
        </Stack>
      }
      name={name}
      action="Remove server"
      change={change}
    />
  );
}

/** Of what does not answer only somebody who stands in front of it knows whether it comes back. */
export function LostBox({ what, checked, onChange }: { readonly what: string; readonly checked: boolean; readonly onChange: (checked: boolean) => void }): ReactNode {
  return <Checkbox label={`${what} is lost and does not come back`} description="Its data is copied anew from other drives. Refused while the last copy of something is on it." checked={checked} onChange={(event) => onChange(event.currentTarget.checked)} />;
}
