import { useRef, useState, type ReactNode } from "react";
import type { LocalServer } from "../local-server.ts";
import type { NetworkDoor } from "../network-door.ts";
import { NetworkSetup } from "../network-setup.tsx";
import { ConfirmStep } from "./confirm-step.tsx";
import { networkDraft, type Draft } from "./draft.ts";
import { DrivesStep } from "./drives-step.tsx";
import { GoalStep, NamesStep, PasswordStep } from "./first-steps.tsx";
import { ClusterStep, CompareStep } from "./join-steps.tsx";
import { StepFrame, type StepProps } from "./wizard-step.tsx";

type StepName = "goal" | "names" | "network" | "cluster" | "compare" | "password" | "drives" | "confirm";
const CREATE: readonly StepName[] = ["goal", "names", "network", "password", "drives", "confirm"];
const JOIN: readonly StepName[] = ["goal", "names", "network", "cluster", "compare", "drives", "confirm"];

/**
 * The first set-up of a server. The caller owns the draft, so that it is still there when a formation was abandoned. Nothing but the
 * network is changed before the last step is confirmed; then the server's state tells how it goes on.
 */
export function Wizard({ server, network, draft, change, onPower }: {
  server: LocalServer;
  network: NetworkDoor;
  draft: Draft;
  change(change: (draft: Draft) => Draft): void;
  onPower(what: "restart" | "power-off"): void;
}): ReactNode {
  const [step, setStep] = useState<StepName>("goal");
  const looked = useRef(false);
  // The goal decides the steps, and is chosen in the first of them: the order is taken when a step is left.
  const latest = useRef(draft);
  latest.current = draft;
  const set = (part: Partial<Draft>): void => {
    latest.current = { ...latest.current, ...part };
    change((before) => ({ ...before, ...part }));
  };
  const order = draft.goal === "create" ? CREATE : JOIN;
  const move = (by: 1 | -1): void => {
    const steps = latest.current.goal === "create" ? CREATE : JOIN;
    setStep(steps[steps.indexOf(step) + by] ?? step);
  };
  const props: StepProps = {
    server,
    network,
    draft,
    change: set,
    next: () => move(1),
    back: () => move(-1),
    place: `step ${order.indexOf(step) + 1} of ${order.length}`,
  };
  switch (step) {
    case "goal":
      return <GoalStep {...props} onPower={onPower} />;
    case "names":
      return <NamesStep {...props} />;
    case "network":
      // What is kept from an earlier set-up fills the form, once.
      if (!looked.current) {
        looked.current = true;
        void network.look().then(({ kept }) => {
          if (kept !== null && latest.current.network.macs.length === 0) set({ network: networkDraft(kept) });
        }).catch(() => undefined);
      }
      return (
        <NetworkSetup
          network={network}
          draft={draft.network}
          change={(changed) => set({ network: changed })}
          peers={[]}
          expectAddress={null}
          onDone={(address) => {
            set({ address });
            move(1);
          }}
          onBack={props.back}
          frame={(keys, content) => <StepFrame title="network" place={props.place} draft={draft} keys={keys}>{content}</StepFrame>}
        />
      );
    case "cluster":
      return <ClusterStep {...props} />;
    case "compare":
      return <CompareStep {...props} />;
    case "password":
      return <PasswordStep {...props} />;
    case "drives":
      return <DrivesStep {...props} />;
    case "confirm":
      return <ConfirmStep {...props} />;
  }
}
