import { IconAlertOctagon, IconAlertTriangle, IconCircleCheck, IconLock } from "@tabler/icons-react";
import type { ReactNode } from "react";
import type { HealthAnswer } from "../../management/api.ts";

type State = HealthAnswer["state"];

const WORDS: Readonly<Record<State, string>> = { healthy: "Healthy", degraded: "Degraded", "read-only": "Read-only", unavailable: "Unavailable" };
const COLORS: Readonly<Record<State, string>> = { healthy: "teal", degraded: "orange", "read-only": "red", unavailable: "red" };

export function healthWord(state: State): string {
  return WORDS[state];
}
export function healthColor(state: State): string {
  return COLORS[state];
}

/** The colour is never alone: each state has a shape of its own. */
export function HealthIcon({ state, size }: { readonly state: State; readonly size: number }): ReactNode {
  switch (state) {
    case "healthy":
      return <IconCircleCheck size={size} aria-hidden />;
    case "degraded":
      return <IconAlertTriangle size={size} aria-hidden />;
    case "read-only":
      return <IconLock size={size} aria-hidden />;
    case "unavailable":
      return <IconAlertOctagon size={size} aria-hidden />;
  }
}

/** "Degraded: CAUSE. STEP." in its parts; the state's word stands beside it. */
export function sentenceParts({ sentence }: HealthAnswer): { readonly cause: string; readonly step: string } {
  const rest = sentence.replace(/^(Healthy|Degraded|Read-only|Unavailable): */, "");
  const end = rest.search(/[.] (?=[A-Z])/);
  const cause = end < 0 ? rest : rest.slice(0, end + 1);
  return { cause: cause.slice(0, 1).toUpperCase() + cause.slice(1), step: end < 0 ? "" : rest.slice(end + 2) };
}
