import { Box, Text } from "ink";
import { useEffect, useState, type ReactNode } from "react";
import { useAsked, usePolled } from "../asked.ts";
import { LocalProblem, type LocalServer } from "../local-server.ts";
import type { FooterKey } from "../widgets/frame.tsx";
import { BigCode } from "../widgets/big-code.tsx";
import { ConfirmYes } from "../widgets/confirm.tsx";
import { Form, type FormProblem } from "../widgets/form.tsx";
import { Menu } from "../widgets/menu.tsx";
import { Back, Continue, ErrorBox } from "../widgets/message.tsx";
import { useKeys, useScreenSize } from "../widgets/mount.ts";
import type { LocalJoinCode, LocalState } from "../../management/api/local.ts";
import { FIRST_USER, unfitPassword } from "../../cluster/users.ts";
import { fingerprintLines } from "../wizard/join-steps.tsx";
import { KEYS_FORM, KEYS_MENU } from "../wizard/wizard-step.tsx";
import { clockText, webAddress } from "./status-words.ts";
import { Para } from "../widgets/para.tsx";

/** What an action gets; `frame` puts its content under the cluster's title. */
export interface ActionProps {
  readonly state: LocalState;
  readonly server: LocalServer;
  onDone(): void;
  frame(title: string, keys: readonly FooterKey[], content: ReactNode): ReactNode;
}
export type Action = "join-code" | "drive" | "network" | "password" | "log" | "restart" | "power-off";
const BACK: readonly FooterKey[] = [{ key: "Esc", does: "back" }];

export function ActionMenu({ state, frame, onDone, onChoose }: ActionProps & { onChoose(action: Action): void }): ReactNode {
  const alone = state.cluster?.evaluation === true ? "an evaluation stays on one server; create a cluster of three servers instead" : undefined;
  return frame("actions", KEYS_MENU, (
    <Menu<Action>
      items={[
        { id: "join-code", label: "Show a join code", detail: "Another server joins this cluster with it.", disabled: alone },
        { id: "drive", label: "Add a drive", detail: "A free drive of this server begins to store data." },
        { id: "network", label: "Network", detail: "Ports, bond, VLAN, MTU, gateway. It is tried, and comes back as it was when it does not work." },
        { id: "password", label: "Reset the administrator's password", detail: "Sets a new one for the user admin. All its sessions end." },
        { id: "log", label: "Log", detail: "What this server did last." },
        { id: "restart", label: "Restart this server" },
        { id: "power-off", label: "Power off this server" },
      ]}
      onSelect={onChoose}
      onBack={onDone}
    />
  ));
}

/** The code in big letters, with what whoever types it in has to compare. */
export function JoinCodeScreen({ state, server, frame, onDone }: ActionProps): ReactNode {
  const made = useAsked<LocalJoinCode>();
  const known = state.joinCode;
  useEffect(() => {
    if (known === undefined) made.ask(() => server.joinCode());
    // Once: a code that is still valid is shown again.
  }, []);
  const code = known ?? (made.asked.state === "answered" ? made.asked.answer : undefined);
  useKeys((key) => {
    if (key.text.toLowerCase() !== "n") return false;
    made.ask(() => server.joinCode());
    return true;
  });
  const fingerprint = state.cluster?.fingerprint ?? "";
  return frame("join code", [{ key: "Enter", does: "done" }, { key: "N", does: "make a new one" }], (
    <>
      {made.asked.state === "failed" ? <ErrorBox sentence={made.asked.sentence} /> : null}
      {code === undefined ? <Para>Making a code ...</Para> : (
        <>
          <BigCode code={code.code} />
          <Box marginTop={1}><Para>{`${code.code}, valid until ${clockText(code.expiresAtMs)}. On the other server's console: Join a cluster, address ${state.address ?? "of this server"}.`}</Para></Box>
          <Box marginTop={1} flexDirection="column">
            <Para>The other server shows this fingerprint, and asks whether it is the same:</Para>
            {fingerprintLines(fingerprint).map((line) => <Para key={line} bold>{`    ${line}`}</Para>)}
          </Box>
          <Box marginTop={1}><Para>{`Web UI: ${webAddress(state)}  user admin`}</Para></Box>
        </>
      )}
      <Continue onDone={onDone} />
    </>
  ));
}

export function PasswordScreen({ server, frame, onDone }: ActionProps): ReactNode {
  const [typed, setTyped] = useState({ password: "", again: "" });
  const [problem, setProblem] = useState<FormProblem<"password" | "again"> | null>(null);
  const asked = useAsked<unknown>();
  if (asked.asked.state === "answered") return frame("administrator's password", [{ key: "Enter", does: "done" }], <><Para color="green" bold>The user admin has the new password; its sessions have ended.</Para><Continue onDone={onDone} /></>);
  const submit = (): void => {
    const unfit = unfitPassword(typed.password, FIRST_USER);
    if (unfit !== null) return setProblem({ field: "password", sentence: unfit });
    if (typed.password !== typed.again) return setProblem({ field: "again", sentence: "The two passwords differ: type the second one again, or both." });
    setProblem(null);
    asked.ask(() => server.setPassword(typed.password));
  };
  return frame("administrator's password", KEYS_FORM, (
    <>
      <Box marginBottom={1}><Para>A new password for the user admin. The old one ends, and so does whoever is logged in with it.</Para></Box>
      <Form
        fields={[
          { kind: "text", id: "password", label: "New password", value: typed.password, secret: true, hint: "At least 10 characters." },
          { kind: "text", id: "again", label: "Once more", value: typed.again, secret: true },
        ]}
        onChange={(id, value) => setTyped((before) => ({ ...before, [id]: value }))}
        onSubmit={submit}
        onBack={onDone}
        problem={problem}
        active={asked.asked.state !== "asking"}
      />
      {asked.asked.state === "asking" ? <Para color="yellow">Setting it ...</Para> : null}
      {asked.asked.state === "failed" ? <ErrorBox sentence={asked.asked.sentence} /> : null}
    </>
  ));
}

export function LogScreen({ server, frame, onDone }: ActionProps): ReactNode {
  const { rows } = useScreenSize();
  const shown = rows - 5;
  const log = usePolled(() => server.log(500), 2000);
  const [back, setBack] = useState(0);
  const lines = log.latest?.lines ?? [];
  const most = Math.max(0, lines.length - shown);
  const at = Math.min(back, most);
  useKeys((key) => {
    const step = { up: 1, down: -1, "page-up": shown, "page-down": -shown, home: most, end: -most }[key.name as string];
    if (key.name === "escape" || key.name === "enter") onDone();
    else if (step === undefined) return false;
    else setBack(Math.max(0, Math.min(most, at + step)));
    return true;
  });
  const end = lines.length - at;
  return frame("log", [{ key: "Up/Down/PgUp/PgDn", does: "older and newer" }, ...BACK], (
    <>
      {log.problem === null ? null : <ErrorBox sentence={log.problem} />}
      {lines.slice(Math.max(0, end - shown), end).map((line, index) => <Text key={`${String(index)} ${line}`} wrap="truncate">{line}</Text>)}
    </>
  ));
}

/** The server says what it costs; without a yes nothing happens. */
export function PowerScreen({ what, server, frame, onDone }: Omit<ActionProps, "state"> & { what: "restart" | "power-off" }): ReactNode {
  const cost = useAsked<unknown>();
  const asked = useAsked<unknown>();
  const act = (confirm: boolean): Promise<unknown> => (what === "restart" ? server.restart(confirm) : server.powerOff(confirm));
  useEffect(() => {
    // Refused with the cost: that is the answer.
    cost.ask(() => act(false).catch((error: unknown) => {
      if (error instanceof LocalProblem && error.refused) return error.message;
      throw error;
    }));
  }, []);
  const title = what === "restart" ? "restart this server" : "power off this server";
  if (asked.asked.state === "asking" || asked.asked.state === "answered") return frame(title, [], <Para color="yellow">{what === "restart" ? "This server restarts ..." : "This server powers off ..."}</Para>);
  const failed = asked.asked.state === "failed" ? asked.asked.sentence : cost.asked.state === "failed" ? cost.asked.sentence : null;
  if (failed !== null) return frame(title, BACK, <><ErrorBox sentence={failed} /><Continue onDone={onDone} /></>);
  if (cost.asked.state !== "answered") return frame(title, BACK, <><Para>Asking what it costs ...</Para><Back onBack={onDone} /></>);
  const sentence = typeof cost.asked.answer === "string" ? cost.asked.answer : "";
  return frame(title, KEYS_MENU, (
    <ConfirmYes yes={what === "restart" ? "Restart it" : "Power it off"} no="Go back" onConfirm={() => asked.ask(() => act(true))} onBack={onDone}>
      <Para color="yellow" bold>{sentence}</Para>
    </ConfirmYes>
  ));
}
