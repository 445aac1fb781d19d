import { Box } from "ink";
import type { ReactNode } from "react";
import { useAsked } from "../asked.ts";
import { driveName } from "../drive-words.ts";
import { Menu } from "../widgets/menu.tsx";
import { ErrorBox, Facts } from "../widgets/message.tsx";
import { joinBody } from "./join-steps.tsx";
import { KEYS_MENU, StepFrame, type StepProps } from "./wizard-step.tsx";
import { Para } from "../widgets/para.tsx";

/** Everything that was chosen; from here on things happen. */
export function ConfirmStep({ draft, back, place, server }: StepProps): ReactNode {
  const started = useAsked<unknown>();
  const create = draft.goal === "create";
  const wiped = draft.wiped.filter((device) => draft.drives.includes(device)).map(driveName);
  const begin = (): void => {
    if (started.asked.state === "asking" || started.asked.state === "answered") return;
    started.ask(() =>
      create
        ? server.create({
            clusterName: draft.clusterName.trim(),
            serverName: draft.serverName,
            address: draft.address,
            adminPassword: draft.password,
            evaluation: draft.evaluation,
            drives: draft.drives,
          })
        : server.join(joinBody(draft)),
    );
  };
  return (
    <StepFrame title="confirm" place={place} draft={draft} keys={KEYS_MENU}>
      <Facts
        facts={[
          create ? ["Create", draft.evaluation ? `cluster ${draft.clusterName}, EVALUATION: one copy of all data` : `cluster ${draft.clusterName}`] : ["Join", `cluster ${draft.join.clusterName} through ${draft.join.address}`],
          ["Server", draft.serverName],
          ["Address", draft.address],
          ["Drives", draft.drives.length === 0 ? "none: this server stores no data yet" : draft.drives.map(driveName).join(", ")],
          ...(wiped.length === 0 ? [] : [["Lost", `everything that is on ${wiped.join(", ")}`] as const]),
          ...(create ? [["User", "admin, with the password that you typed"] as const] : []),
        ]}
      />
      <Box marginY={1}>
        <Para>
          {!create
            ? "This server then stores data of the cluster and serves volumes."
            : draft.evaluation
              ? "Every volume then has a single copy on this server. A lost drive loses it for good."
              : "A cluster serves volumes from three servers on. Until two more have joined, this one says what is missing."}
        </Para>
      </Box>
      <Menu
        items={[{ id: "begin", label: create ? "Create the cluster" : "Join the cluster" }, { id: "back", label: "Go back and change something" }]}
        initial="begin"
        onSelect={(id) => (id === "begin" ? begin() : back())}
        onBack={back}
        active={started.asked.state !== "asking" && started.asked.state !== "answered"}
      />
      {started.asked.state === "asking" || started.asked.state === "answered" ? <Para color="yellow">Beginning ...</Para> : null}
      {started.asked.state === "failed" ? <ErrorBox sentence={started.asked.sentence} /> : null}
    </StepFrame>
  );
}
