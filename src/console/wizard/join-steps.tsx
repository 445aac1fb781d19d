import { Box } from "ink";
import { useEffect, useState, type ReactNode } from "react";
import { useAsked } from "../asked.ts";
import { Form, type FormProblem } from "../widgets/form.tsx";
import { Menu } from "../widgets/menu.tsx";
import { Continue, ErrorBox } from "../widgets/message.tsx";
import type { LocalDiscovered, LocalJoinSeen, LocalStarted } from "../../management/api/local.ts";
import { joinProblem } from "./draft.ts";
import { KEYS_FORM, KEYS_MENU, StepFrame, type StepProps } from "./wizard-step.tsx";
import { Para } from "../widgets/para.tsx";

/** Which cluster: one that was found in the network, or an address; and the code that a server of it shows. */
export function ClusterStep({ draft, change, next, back, place, server }: StepProps): ReactNode {
  const [problem, setProblem] = useState<FormProblem<"address" | "code"> | null>(null);
  const [choosing, setChoosing] = useState(draft.join.address === "");
  const found = useAsked<LocalDiscovered>();
  const seen = useAsked<LocalJoinSeen | LocalStarted>();
  useEffect(() => {
    if (choosing) found.ask(() => server.discover());
    // Once for each visit of the list.
  }, [choosing]);

  if (choosing) {
    const clusters = found.asked.state === "answered" ? found.asked.answer.clusters : [];
    const looking = found.asked.state === "asking" || found.asked.state === "idle";
    return (
      <StepFrame title="which cluster" place={place} draft={draft} keys={KEYS_MENU}>
        <Para>{looking ? "Looking for clusters in this network ..." : clusters.length === 0 ? "No cluster was found in this network. It may be in another one: give the address of one of its servers." : "These clusters were found in this network:"}</Para>
        <Box marginTop={1}>
          <Menu
            key={clusters.length}
            items={[
              ...clusters.map(({ name, address }) => ({ id: address, label: name, value: address })),
              { id: "typed", label: "Give an address" },
              { id: "again", label: "Look again" },
            ]}
            onSelect={(id) => {
              if (id === "again") return found.ask(() => server.discover());
              if (id !== "typed") change({ join: { ...draft.join, address: id } });
              setChoosing(false);
            }}
            onBack={back}
          />
        </Box>
      </StepFrame>
    );
  }
  const submit = (): void => {
    const wrong = joinProblem(draft);
    setProblem(wrong);
    if (wrong !== null || seen.asked.state === "asking") return;
    seen.ask(
      // Without the fingerprint: with one it would begin.
      () => server.join(joinBody({ ...draft, join: { ...draft.join, fingerprint: null } })),
      (answer) => {
        if (!("fingerprint" in answer)) return;
        change({ join: { ...draft.join, clusterName: answer.clusterName, fingerprint: answer.fingerprint } });
        next();
      },
    );
  };
  return (
    <StepFrame title="which cluster" place={place} draft={draft} keys={KEYS_FORM}>
      <Box marginBottom={1}>
        <Para>A server of the cluster shows a join code on its console: Actions, then Show a join code. It is valid for an hour.</Para>
      </Box>
      <Form
        fields={[
          { kind: "text", id: "address", label: "Address of a server", value: draft.join.address, lengthMax: 60, width: 24 },
          { kind: "text", id: "code", label: "Join code", value: draft.join.code, lengthMax: 12, width: 24, hint: "As in K7QF-2M9X; small letters are fine." },
        ]}
        onChange={(id, value) => (seen.forget(), change({ join: { ...draft.join, [id]: value, fingerprint: null } }))}
        onSubmit={submit}
        onBack={() => (seen.forget(), setChoosing(true))}
        problem={problem}
        active={seen.asked.state !== "asking"}
      />
      {seen.asked.state === "asking" ? <Para color="yellow">{`Asking ${draft.join.address} ...`}</Para> : null}
      {seen.asked.state === "failed" ? <ErrorBox sentence={seen.asked.sentence} /> : null}
    </StepFrame>
  );
}

/** What is asked of the server; without a fingerprint it only looks. */
export function joinBody({ join, serverName, address, drives }: StepProps["draft"]): Parameters<StepProps["server"]["join"]>[0] {
  return {
    address: join.address.trim(),
    code: join.code.trim(),
    serverName,
    ownAddress: address,
    drives,
    ...(join.fingerprint !== null && { fingerprint: join.fingerprint }),
  };
}

/** The fingerprint, to be compared with what the cluster's own console shows. */
export function CompareStep({ draft, change, next, back, place }: StepProps): ReactNode {
  const { clusterName, fingerprint, address } = draft.join;
  const again = (): void => {
    change({ join: { ...draft.join, fingerprint: null } });
    back();
  };
  if (fingerprint === null) return <StepFrame title="is it this cluster?" place={place} draft={draft} keys={[{ key: "Enter", does: "back" }]}><Para>Ask the cluster again first.</Para><Continue onDone={back} /></StepFrame>;
  return (
    <StepFrame title="is it this cluster?" place={place} draft={draft} keys={KEYS_MENU}>
      <Para>{`The server ${address} knows the code and belongs to the cluster ${clusterName}. Its fingerprint:`}</Para>
      <Box marginY={1} flexDirection="column">
        {fingerprintLines(fingerprint).map((line) => <Para key={line} bold color="green">{`    ${line}`}</Para>)}
      </Box>
      <Box marginBottom={1}><Para>The cluster's consoles show theirs with the join code. If it is another one, somebody else answers in its place: go back and do not join.</Para></Box>
      <Menu items={[{ id: "same", label: "It is the same: go on" }, { id: "other", label: "It is another one: go back" }]} onSelect={(id) => (id === "same" ? next() : again())} onBack={again} />
    </StepFrame>
  );
}

/** Lines that an eye can compare: four groups each, as the cluster writes them. */
export function fingerprintLines(fingerprint: string): string[] {
  const groups = fingerprint.split("-");
  return Array.from({ length: Math.ceil(groups.length / 4) }, (_, line) => groups.slice(line * 4, line * 4 + 4).join("-"));
}
