import { utcMinute } from "../../base/utc.ts";
import type { EventRecord } from "../../cluster/alerting.ts";

/** Of a digest: more would not be read; the alerts page has all. */
const LISTED_MAX = 50;
/** A subject line beyond this is cut by most mail programs. */
const SUBJECT_CHARACTERS_MAX = 120;

export interface ClusterName {
  readonly name: string;
  readonly id: string;
}
export interface Message {
  readonly subject: string;
  readonly text: string;
}

/** One mail for all events that wait. `lost`: how many fell out of the bounded list before they could be told. Pure. */
export function mailMessage(cluster: ClusterName, events: readonly EventRecord[], lost: number): Message {
  const [first] = events;
  const lines = events.slice(0, LISTED_MAX).map(entryText);
  const more = events.length - lines.length;
  const notes = [
    ...(more > 0 ? [`${more} more are on the alerts page.`] : []),
    ...(lost > 0 ? [`${lost} earlier events could not be told in time and are in the history only.`] : []),
  ];
  const text = `${[...lines, ...notes].join("\n\n")}\n\n-- \nVirtuStor, cluster ${cluster.name}\n`;
  if (first !== undefined && events.length === 1) return { subject: subjectLine(cluster, first.what === "alert-cleared" ? first.sentence : `${label(first)}: ${first.sentence}`), text };
  return { subject: subjectLine(cluster, `${events.length} alerts: ${tally(events)}`), text };
}

/** What a webhook gets as JSON. */
export interface WebhookPayload {
  readonly product: "VirtuStor";
  readonly cluster: ClusterName;
  /** True when it was asked for by an administrator and nothing has happened. */
  readonly test: boolean;
  readonly lost: number;
  readonly events: readonly { number: number; atMs: number; what: EventRecord["what"] | "test"; kind: string; severity: EventRecord["severity"]; subject: string; sentence: string; step: string }[];
}
export function webhookPayload(cluster: ClusterName, events: readonly EventRecord[], lost: number): WebhookPayload {
  return { product: "VirtuStor", cluster, test: false, lost, events: events.map(({ number, atMs, what, kind, severity, subject, sentence, step }) => ({ number, atMs, what, kind, severity, subject, sentence, step })) };
}

function entryText(event: EventRecord): string {
  const { atMs, sentence, step } = event;
  return `${utcMinute(atMs)}  ${label(event)}\n${sentence}${step === "" ? "" : `\n${step}`}`;
}

function label({ what, severity }: EventRecord): string {
  if (what === "alert-cleared") return "Cleared";
  return severity.charAt(0).toUpperCase() + severity.slice(1);
}

/** "2 critical, 1 warning, 3 cleared". */
function tally(events: readonly EventRecord[]): string {
  const counts = new Map<string, number>();
  for (const event of events) counts.set(label(event), (counts.get(label(event)) ?? 0) + 1);
  return ["Critical", "Warning", "Info", "Cleared"].flatMap((name) => (counts.has(name) ? [`${counts.get(name)} ${name.toLowerCase()}`] : [])).join(", ");
}

function subjectLine({ name }: ClusterName, text: string): string {
  const line = `[${name}] ${text.replaceAll(/\s+/g, " ")}`;
  return line.length <= SUBJECT_CHARACTERS_MAX ? line : `${line.slice(0, SUBJECT_CHARACTERS_MAX - 3)}...`;
}
