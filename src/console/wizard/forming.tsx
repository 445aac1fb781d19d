import { Box } from "ink";
import type { ReactNode } from "react";
import { useAsked } from "../asked.ts";
import type { LocalServer } from "../local-server.ts";
import { Frame } from "../widgets/frame.tsx";
import { Menu } from "../widgets/menu.tsx";
import { ErrorBox } from "../widgets/message.tsx";
import { ProgressBar } from "../widgets/progress.tsx";
import type { LocalState } from "../../management/api/local.ts";
import { EVALUATION_NOTICE, KEYS_MENU } from "./wizard-step.tsx";
import { Para } from "../widgets/para.tsx";

/** How far creating or joining is; the server does it, and goes on with it after a power cut. */
export function Forming({ state, server }: { state: LocalState; server: LocalServer }): ReactNode {
  const asked = useAsked<unknown>();
  const joins = state.phase === "joining";
  const { step, error } = state;
  return (
    <Frame
      title={`VirtuStor set-up: ${joins ? "joining" : "creating"} the cluster${state.cluster === undefined ? "" : ` ${state.cluster.name}`}`}
      right={state.name ?? ""}
      notice={state.cluster?.evaluation === true ? EVALUATION_NOTICE : undefined}
      keys={error === undefined ? [] : KEYS_MENU.slice(0, 2)}
    >
      <Para>{error === undefined ? "This takes a minute or two. After a power cut it goes on where it was." : "It stopped. Nothing more happens until you choose."}</Para>
      <Box marginY={1} flexDirection="column">
        {step === undefined ? <Para>Beginning ...</Para> : (
          <>
            <ProgressBar fraction={(step.number - 1) / step.of} label={`step ${step.number} of ${step.of}`} />
            <Box marginTop={1}><Para>{step.detail === "" ? step.name : step.detail}</Para></Box>
          </>
        )}
      </Box>
      {error === undefined ? null : (
        <>
          <ErrorBox sentence={error} />
          <Menu
            items={[
              { id: "retry", label: "Try again", detail: "Goes on with the step that failed." },
              { id: "abandon", label: joins ? "Forget it and go back" : "Forget it and begin anew", detail: "What you typed is kept on this console. Drives that were formatted already are empty." },
            ]}
            onSelect={(id) => asked.ask(() => (id === "retry" ? server.retry() : server.abandon()))}
            active={asked.asked.state !== "asking"}
          />
          {asked.asked.state === "failed" ? <ErrorBox sentence={asked.asked.sentence} /> : null}
        </>
      )}
    </Frame>
  );
}
