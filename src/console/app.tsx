import { Box } from "ink";
import { useEffect, useRef, useState, type ReactNode } from "react";
import { VERSION } from "../base/version.ts";
import { usePolled } from "./asked.ts";
import type { LocalServer } from "./local-server.ts";
import type { NetworkDoor } from "./network-door.ts";
import { PowerScreen } from "./status/actions.tsx";
import { Status } from "./status/status.tsx";
import { Frame } from "./widgets/frame.tsx";
import { Menu } from "./widgets/menu.tsx";
import { emptyDraft, type Draft } from "./wizard/draft.ts";
import { Forming } from "./wizard/forming.tsx";
import { Wizard } from "./wizard/wizard.tsx";
import { Para } from "./widgets/para.tsx";

/** Screens change at most once a second, so that a slow line keeps up. */
const STATE_EVERY_MS = 1000;

/** Restarts or powers off this machine without its server: for when that does not answer. */
export type MachinePower = (what: "restart" | "power-off") => void;

/**
 * The console: asks this machine's server what it is and shows that. All state that matters is the server's, so two consoles may run at
 * once, and one that ends loses nothing but what was being typed.
 */
export function App({ server, network, power }: { server: LocalServer; network: NetworkDoor; power: MachinePower }): ReactNode {
  const { latest: state, problem } = usePolled(() => server.state(), STATE_EVERY_MS);
  const [draft, setDraft] = useState<Draft>(() => emptyDraft(null));
  const [leaving, setLeaving] = useState<"restart" | "power-off" | null>(null);
  // Whether this console saw the cluster being created: then it shows the join code first.
  const created = useRef(false);
  useEffect(() => {
    if (state?.phase === "forming") created.current = true;
  }, [state?.phase]);

  if (state === null) return <Unreachable problem={problem} power={power} />;
  if (state.phase === "configured") return <Status state={state} problem={problem} server={server} network={network} showCode={created.current && state.cluster?.evaluation !== true} />;
  if (problem !== null) return <Unreachable problem={problem} power={power} />;
  if (state.phase !== "unconfigured") return <Forming state={state} server={server} />;
  if (leaving !== null) {
    return <PowerScreen what={leaving} server={server} onDone={() => setLeaving(null)} frame={(title, keys, content) => <Frame title={`VirtuStor: ${title}`} right={state.version} keys={keys}>{content}</Frame>} />;
  }
  return <Wizard server={server} network={network} draft={draft} change={setDraft} onPower={setLeaving} />;
}

function Unreachable({ problem, power }: { problem: string | null; power: MachinePower }): ReactNode {
  return (
    <Frame title="VirtuStor" right={VERSION} keys={problem === null ? [] : [{ key: "Up/Down", does: "move" }, { key: "Enter", does: "choose" }]}>
      <Para>{problem ?? "VirtuStor is starting ..."}</Para>
      {problem === null ? null : (
        <Box marginTop={1}>
          <Menu
            items={[
              { id: "wait", label: "Wait" },
              { id: "restart", label: "Restart this machine", detail: "Volumes whose only copy up to date is here are not served meanwhile." },
              { id: "power-off", label: "Power off this machine", detail: "Volumes whose only copy up to date is here are not served until it is on again." },
            ]}
            onSelect={(id) => (id === "wait" ? undefined : power(id))}
          />
        </Box>
      )}
    </Frame>
  );
}
