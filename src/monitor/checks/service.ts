import { alerts } from "../../cluster/alerts.ts";
import { gatherFacts, type HealthFacts } from "../../cluster/health.ts";
import { describeHealth } from "../../cluster/health-sentence.ts";
import { describeRestore } from "../../cluster/restore-sentence.ts";
import type { Finding, Sight } from "./finding.ts";

/** A failover, a restarted primary: hosts wait through it. */
const PAUSE_MS = 10_000;
/** A server that was away is being brought up to date: that is told by its own alert, and most often over by then. */
const SHORT_MS = 5 * 60_000;

/** How data is served: read-only, waiting, short of copies; and what lies on drives and needs an administrator. */
export function serviceFindings({ map, pauses }: Sight): Finding[] {
  const facts = gatherFacts(map, pauses);
  if (!facts.formed || facts.groups.total === 0) return [];
  return [...stateFindings(facts), ...restoreFindings(describeRestore(map)), ...standing(alerts(map))];
}

function stateFindings(facts: HealthFacts): Finding[] {
  const { groups } = facts;
  const about = { subject: "cluster", source: null } as const;
  const tail = (sentence: string): { sentence: string; step: string } => split(sentence);
  if (facts.missing !== null) return [{ ...about, kind: "read-only", severity: "critical", afterMs: 0, ...tail(describeHealth("read-only", facts)) }];
  if (groups.states.peering + groups.states.waiting + groups.states.unserved > 0) {
    return [{ ...about, kind: "unavailable", severity: "critical", afterMs: PAUSE_MS, ...tail(describeHealth("unavailable", facts)) }];
  }
  // While a server or a drive is away its own alert says so.
  if (groups.short > 0 && facts.serversDown.length === 0 && facts.drivesDown.length === 0) {
    return [
      {
        ...about,
        kind: "copies-short",
        severity: "warning",
        afterMs: SHORT_MS,
        sentence: `${groups.short} of ${groups.total} groups lack a copy${groups.recovering > 0 ? "; copies are being made" : ", and none is being made"}.`,
        step: groups.recovering > 0 ? "Do not power off a server until they are made." : "Add a drive or bring back the one that is missing; do not power off a server.",
      },
    ];
  }
  return [];
}

function restoreFindings(sentence: string | null): Finding[] {
  if (sentence === null) return [];
  return [{ kind: "store-restored", subject: "cluster", severity: "critical", source: null, afterMs: 0, ...split(sentence) }];
}

/** The last sentence is the step, the others say what is; the state before them is the severity. */
function split(text: string): { sentence: string; step: string } {
  const sentences = capital(text.replace(/^[A-Za-z-]+: /, "")).split(/(?<=\.)\s+(?=[A-Z])/);
  const step = sentences.length > 1 ? (sentences.pop() as string) : "The status shows what is missing.";
  return { sentence: sentences.join(" "), step };
}

interface Standing {
  readonly pattern: RegExp;
  readonly kind: string;
  readonly severity: Finding["severity"];
}
/** How the sentences of cluster/alerts.ts are told apart; each is about one drive or about the cluster. */
const STANDING: readonly Standing[] = [
  { pattern: /% full: writes that need new space/, kind: "drive-full", severity: "critical" },
  { pattern: /% full; from 95 % on/, kind: "drive-filling", severity: "warning" },
  { pattern: /bad on every other copy/, kind: "blocks-lost", severity: "critical" },
  { pattern: /differed from the primary's copy/, kind: "copies-differed", severity: "warning" },
  { pattern: /^repaired /, kind: "blocks-repaired", severity: "info" },
  { pattern: /of the files in parked\//, kind: "parked-dropped", severity: "warning" },
  { pattern: /lost data, accepted at/, kind: "loss-accepted", severity: "info" },
  { pattern: /that the cluster store does not know/, kind: "unknown-volumes", severity: "warning" },
];

function standing(sentences: readonly string[]): Finding[] {
  const findings = new Map<string, Finding>();
  for (const text of sentences) {
    const known = STANDING.find(({ pattern }) => pattern.test(text)) ?? { kind: "attention", severity: "warning" as const };
    const subject = /\bdrive ([0-9a-f]{16})\b/.exec(text)?.[1] ?? "cluster";
    const parts = /^(.*?[^;:]);? ?[;:] ([^;:]+\.)$/s.exec(text);
    const key = `${known.kind} ${subject}`;
    const before = findings.get(key);
    // Several of one kind about the whole cluster are one alert.
    const sentence = before === undefined ? capital(parts === null ? text : `${parts[1]}.`) : `${before.sentence} ${capital(text)}`;
    findings.set(key, { kind: known.kind, subject, severity: known.severity, sentence, step: capital(parts?.[2] ?? "The status shows more of it."), source: null, afterMs: 0 });
  }
  return [...findings.values()];
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
