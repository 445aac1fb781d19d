import type { ReactNode } from "react";
import type { RemoveAnswer, ServerDetailAnswer } from "../../../management/api/servers.ts";
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
  const { name, drain } = server;
  const change = useChange<RemoveAnswer, void>(() => call("POST", `/servers/${name}/remove`, { confirm: name }), ["servers", "status", "alerts"], onClose);
  const cost =
    drain !== null && isDrained(drain)
      ? "Nothing depends on it any more. It leaves the cluster with its drives and its portal; hosts that reach volumes through it use their other paths."
      : `It leaves the cluster with its drives and its portal, and cannot come back with the data it has. The cluster refuses as long as data depends on it: drain it first${server.up ? "" : ", or wait until the data of the lost server has been copied anew"}.`;
  return <Confirm opened onClose={onClose} title={`Remove server ${name}`} cost={cost} name={name} action="Remove server" change={change} />;
}
