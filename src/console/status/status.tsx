import { useState, type ReactNode } from "react";
import type { LocalServer } from "../local-server.ts";
import type { NetworkDoor } from "../network-door.ts";
import { NetworkSetup } from "../network-setup.tsx";
import { Frame } from "../widgets/frame.tsx";
import { Continue } from "../widgets/message.tsx";
import type { LocalState } from "../../management/api/local.ts";
import { networkDraft, type NetworkDraft } from "../wizard/draft.ts";
import { EVALUATION_NOTICE } from "../wizard/wizard-step.tsx";
import { ActionMenu, JoinCodeScreen, LogScreen, PasswordScreen, PowerScreen, type Action, type ActionProps } from "./actions.tsx";
import { AddDrive } from "./add-drive.tsx";
import { StatusScreen } from "./status-screen.tsx";
import { Para } from "../widgets/para.tsx";

/** A server that is part of a cluster: its status, and what can be done from in front of it. */
export function Status({ state, problem, server, network, showCode }: {
  state: LocalState;
  problem: string | null;
  server: LocalServer;
  network: NetworkDoor;
  /** The cluster was created here just now: the next thing that somebody needs is the join code. */
  showCode: boolean;
}): ReactNode {
  const [place, setPlace] = useState<Action | "status" | "menu">(showCode ? "join-code" : "status");
  const [draft, setDraft] = useState<NetworkDraft | null>(null);
  const { cluster, name, version } = state;
  const props: ActionProps = {
    state,
    server,
    onDone: () => setPlace("status"),
    frame: (title, keys, content) => (
      <Frame title={`VirtuStor ${name ?? ""}: ${title}`} right={version} notice={cluster?.evaluation === true ? EVALUATION_NOTICE : undefined} keys={keys}>{content}</Frame>
    ),
  };
  const begin = (action: Action): void => {
    setPlace(action);
    if (action === "network" && network.managed) void network.look().then(({ kept }) => setDraft(networkDraft(kept))).catch(() => setDraft(networkDraft(null)));
  };
  switch (place) {
    case "status":
      return <StatusScreen state={state} problem={problem} server={server} onActions={() => setPlace("menu")} />;
    case "menu":
      return <ActionMenu {...props} onChoose={begin} />;
    case "join-code":
      return <JoinCodeScreen {...props} />;
    case "drive":
      return <AddDrive {...props} />;
    case "password":
      return <PasswordScreen {...props} />;
    case "log":
      return <LogScreen {...props} />;
    case "restart":
    case "power-off":
      return <PowerScreen {...props} what={place} />;
    case "network":
      if (!network.managed) return props.frame("network", [{ key: "Esc", does: "back" }], <><Para>This machine's network is not VirtuStor's: it is changed as on every other machine.</Para><Continue onDone={props.onDone} /></>);
      if (draft === null) return props.frame("network", [], <Para>Looking at the network ...</Para>);
      return (
        <NetworkSetup
          network={network}
          draft={draft}
          change={setDraft}
          peers={(state.status?.servers ?? []).filter((one) => one.name !== name && one.up).map(({ address }) => address)}
          expectAddress={state.address ?? null}
          onDone={props.onDone}
          onBack={props.onDone}
          frame={(keys, content) => props.frame("network", keys, content)}
        />
      );
  }
}
