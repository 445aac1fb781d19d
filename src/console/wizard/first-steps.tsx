import { Box } from "ink";
import { useState, type ReactNode } from "react";
import { Form, type FormProblem } from "../widgets/form.tsx";
import { Menu } from "../widgets/menu.tsx";
import { NAME_RULE, nameProblem, passwordProblem } from "./draft.ts";
import { KEYS_FORM, KEYS_MENU, StepFrame, type StepProps } from "./wizard-step.tsx";
import { Para } from "../widgets/para.tsx";

/** Create or join; this machine can also be switched off from here. */
export function GoalStep({ draft, change, next, place, onPower }: StepProps & { onPower(what: "restart" | "power-off"): void }): ReactNode {
  return (
    <StepFrame title="welcome" place={place} draft={{ ...draft, evaluation: false }} keys={KEYS_MENU.slice(0, 2)}>
      <Para>This server is not set up yet. Nothing is changed before the last step of the set-up, except its network.</Para>
      <Box marginTop={1}>
        <Menu
          items={[
            { id: "create", label: "Create a cluster", detail: "On the first server. Two more servers then join with a code that this one shows." },
            { id: "join", label: "Join a cluster", detail: "On every other server. Have the code ready that a server of the cluster shows on its console." },
            { id: "evaluation", label: "Create an evaluation cluster, one copy", detail: "For a trial on a single server. There is one copy of everything: a lost drive loses data for good, and every screen says so." },
            { id: "restart", label: "Restart this server" },
            { id: "power-off", label: "Power off this server" },
          ]}
          initial={draft.goal === "join" ? "join" : draft.evaluation ? "evaluation" : "create"}
          onSelect={(id) => {
            if (id === "restart" || id === "power-off") return onPower(id);
            change({ goal: id === "join" ? "join" : "create", evaluation: id === "evaluation" });
            next();
          }}
        />
      </Box>
    </StepFrame>
  );
}

export function NamesStep({ draft, change, next, back, place }: StepProps): ReactNode {
  const [problem, setProblem] = useState<FormProblem<"clusterName" | "serverName"> | null>(null);
  const create = draft.goal === "create";
  return (
    <StepFrame title="names" place={place} draft={draft} keys={KEYS_FORM}>
      <Box marginBottom={1}>
        <Para>{create ? "The cluster's name and this server's name within it. The server's name cannot be changed later." : "This server's name within the cluster. No other server of the cluster may have it, and it cannot be changed later."}</Para>
      </Box>
      <Form
        fields={[
          ...(create ? [{ kind: "text" as const, id: "clusterName" as const, label: "Name of the cluster", value: draft.clusterName, lengthMax: 63, hint: "For people: it stands on every screen." }] : []),
          { kind: "text", id: "serverName", label: "Name of this server", value: draft.serverName, lengthMax: 63, hint: NAME_RULE },
        ]}
        onChange={(id, value) => change({ [id]: value })}
        onSubmit={() => {
          const found = nameProblem(draft);
          setProblem(found);
          if (found === null) next();
        }}
        onBack={back}
        problem={problem}
      />
    </StepFrame>
  );
}

export function PasswordStep({ draft, change, next, back, place }: StepProps): ReactNode {
  const [problem, setProblem] = useState<FormProblem<"password" | "passwordAgain"> | null>(null);
  return (
    <StepFrame title="administrator's password" place={place} draft={draft} keys={KEYS_FORM}>
      <Box marginBottom={1}>
        <Para>The user admin administers the cluster in the web UI with it. At least 10 characters. Whoever stands in front of a server can set it anew here.</Para>
      </Box>
      <Form
        fields={[
          { kind: "text", id: "password", label: "Password", value: draft.password, secret: true },
          { kind: "text", id: "passwordAgain", label: "Once more", value: draft.passwordAgain, secret: true },
        ]}
        onChange={(id, value) => change({ [id]: value })}
        onSubmit={() => {
          const found = passwordProblem(draft);
          setProblem(found);
          if (found === null) next();
        }}
        onBack={back}
        problem={problem}
      />
    </StepFrame>
  );
}
