import type { ReactNode } from "react";
import { Frame, type FooterKey } from "../widgets/frame.tsx";
import type { LocalServer } from "../local-server.ts";
import type { NetworkDoor } from "../network-door.ts";
import type { Draft } from "./draft.ts";

/** What each step of the first set-up gets. */
export interface StepProps {
  readonly server: LocalServer;
  readonly network: NetworkDoor;
  readonly draft: Draft;
  change(change: Partial<Draft>): void;
  next(): void;
  back(): void;
  /** "step 3 of 6". */
  readonly place: string;
}

export const EVALUATION_NOTICE = "EVALUATION: one copy of all data. A lost drive or server loses data for good.";
export const KEYS_FORM: readonly FooterKey[] = [{ key: "Enter", does: "next field, then go on" }, { key: "Tab/arrows", does: "move" }, { key: "Esc", does: "back" }];
export const KEYS_MENU: readonly FooterKey[] = [{ key: "Up/Down", does: "move" }, { key: "Enter", does: "choose" }, { key: "Esc", does: "back" }];
export const KEYS_CHECK: readonly FooterKey[] = [{ key: "Space", does: "check" }, { key: "Up/Down", does: "move" }, { key: "Enter", does: "go on" }, { key: "Esc", does: "back" }];

/** The frame of a step. */
export function StepFrame({ title, place, draft, keys, children }: { title: string; place: string; draft: Draft; keys: readonly FooterKey[]; children?: ReactNode }): ReactNode {
  return (
    <Frame title={`VirtuStor set-up: ${title}`} right={place} notice={draft.goal === "create" && draft.evaluation ? EVALUATION_NOTICE : undefined} keys={keys}>
      {children}
    </Frame>
  );
}
