import { Box, Text } from "ink";
import type { ReactNode } from "react";
import { usePolled } from "../asked.ts";
import type { LocalServer } from "../local-server.ts";
import { Frame } from "../widgets/frame.tsx";
import { useKeys, useScreenSize } from "../widgets/mount.ts";
import type { LocalState } from "../../management/api/local.ts";
import { EVALUATION_NOTICE } from "../wizard/wizard-step.tsx";
import { atMost, clockText, driveLines, HEALTH_COLOURS, missingServers, roleText, serverLines, webAddress } from "./status-words.ts";
import { Para } from "../widgets/para.tsx";

const LOG_EVERY_MS = 5000;
const LOG_LINES_MAX = 12;
const SERVERS_SHOWN = 4;
const DRIVES_SHOWN = 3;
const ALERTS_SHOWN = 2;

/** The whole cluster as this server knows it, live. Enter opens the actions. */
export function StatusScreen({ state, problem, server, onActions }: { state: LocalState; /** The server does not answer now. */ problem: string | null; server: LocalServer; onActions(): void }): ReactNode {
  const { columns, rows } = useScreenSize();
  const width = columns - 3;
  const log = usePolled(() => server.log(LOG_LINES_MAX), LOG_EVERY_MS);
  useKeys((key) => {
    if (key.name !== "enter" && key.text.toLowerCase() !== "a") return false;
    onActions();
    return true;
  });
  const { status, cluster, name, version } = state;
  const health = status?.health ?? null;
  const sentence = problem ?? health?.sentence ?? "This server is starting; it does not know the cluster's state yet.";
  const colour = problem !== null ? "red" : health === null ? "yellow" : HEALTH_COLOURS[health.state];
  const missing = problem === null ? missingServers(state) : null;
  const code = state.joinCode;
  const servers = status === undefined ? [] : atMost(serverLines(status, name), SERVERS_SHOWN);
  const drives = status === undefined ? [] : atMost(driveLines(status, name), DRIVES_SHOWN);
  const alerts = status === undefined ? [] : atMost(status.alerts, ALERTS_SHOWN);
  const facts = [`Web UI   ${webAddress(state)}  user admin`, `Here     ${roleText(state)}`, ...(code === undefined ? [] : [`Join     code ${code.code}, valid until ${clockText(code.expiresAtMs)}`])];
  // The log takes what is left: title, notice, keys, blank lines and headings are not.
  const taken = 2 + (cluster?.evaluation === true ? 1 : 0) + 2 + textRows(sentence, width) + (missing === null ? 0 : textRows(missing, width)) + 1 + facts.length
    + section(servers) + section(drives) + section(alerts) + 2;
  const lines = (log.latest?.lines ?? []).slice(-Math.max(1, Math.min(LOG_LINES_MAX, rows - taken)));
  return (
    <Frame title={`VirtuStor ${name ?? ""}${cluster === undefined ? "" : ` in cluster ${cluster.name}`}`} right={version} notice={cluster?.evaluation === true ? EVALUATION_NOTICE : undefined} keys={[{ key: "Enter", does: "actions (network, join code, drives, password, log, power)" }]}>
      <Box flexShrink={0}><Para bold color={colour}>{sentence}</Para></Box>
      {missing === null ? null : <Box flexShrink={0}><Para color="yellow">{missing}</Para></Box>}
      <Box height={1} flexShrink={0} />
      {facts.map((line) => <Line key={line} text={line} />)}
      <Section title="Servers" lines={servers} />
      <Section title="Drives of this server" lines={drives} />
      <Section title="Alerts" lines={alerts} colour="yellow" />
      <Section title="Log" lines={lines} />
    </Frame>
  );
}

function Section({ title, lines, colour }: { title: string; lines: readonly string[]; colour?: string }): ReactNode {
  if (lines.length === 0) return null;
  return (
    <>
      <Box marginTop={1} flexShrink={0}><Para color="cyan">{title}</Para></Box>
      {lines.map((line, index) => <Line key={`${String(index)} ${line}`} text={`  ${line}`} colour={line.includes("DOWN") ? "red" : colour} />)}
    </>
  );
}

function Line({ text, colour }: { text: string; colour?: string | undefined }): ReactNode {
  return <Box flexShrink={0} height={1}><Text wrap="truncate" {...(colour !== undefined && { color: colour })}>{text}</Text></Box>;
}

function section(lines: readonly string[]): number {
  return lines.length === 0 ? 0 : lines.length + 2;
}
/** Rows that a text takes when it is broken at blanks. */
export function textRows(text: string, width: number): number {
  let rows = 1;
  let used = 0;
  for (const word of text.split(" ")) {
    if (used > 0 && used + 1 + word.length > width) {
      rows += 1;
      used = word.length;
    } else used += (used > 0 ? 1 : 0) + word.length;
  }
  return rows;
}
