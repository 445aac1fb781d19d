import type { ReactNode } from "react";
import type { KeyName } from "../../src/console/widgets/keys.ts";
import { mount } from "../../src/console/widgets/mount.ts";

export interface TestScreen {
  /** What stands on the screen: its lines without trailing blanks and colours. */
  text(): string;
  /** The frame as it is drawn, with its colours. */
  raw(): string;
  press(...names: KeyName[]): void;
  /** Presses each character's key. */
  type(text: string): void;
  /** Waits until the screen shows `wanted`; throws with what it shows after 30 s. */
  shows(wanted: string | RegExp): Promise<void>;
  close(): void;
}

/** Draws a screen as a terminal would show it, without a terminal. */
export function openScreen(node: ReactNode, size = { columns: 80, rows: 25 }, standing?: string, onFrame: () => void = () => undefined): TestScreen {
  let frame = "";
  const drawn = (next: string): void => {
    frame = next;
    onFrame();
  };
  const mounted = mount(node, size, drawn, standing);
  const text = (): string => frame.replaceAll(/\x1b\[[0-9;]*m/g, "").split("\n").map((line) => line.trimEnd()).join("\n");
  const has = (wanted: string | RegExp): boolean => (typeof wanted === "string" ? text().includes(wanted) : wanted.test(text()));
  return {
    text,
    raw: () => frame,
    press: (...names) => names.forEach((name) => mounted.press({ name, text: "" })),
    type: (typed) => [...typed].forEach((one) => mounted.press({ name: "text", text: one })),
    async shows(wanted) {
      // Answers that are there already arrive in a later turn.
      await Bun.sleep(1);
      for (let tries = 0; !has(wanted); tries++) {
        if (tries > 3000) throw new Error(`the screen does not show ${String(wanted)}:\n${text()}`);
        await Bun.sleep(10);
      }
    },
    close: () => mounted.unmount(),
  };
}
