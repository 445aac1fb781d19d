import { EventEmitter } from "node:events";
import { createContext, createElement, useContext, useLayoutEffect, useRef, type ReactNode } from "react";
import { render } from "ink";
import type { Key } from "./keys.ts";

/** True: the key was used, and nobody else gets it. */
export type KeyHandler = (key: Key) => boolean | void;

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

interface ScreenValue {
  readonly size: ScreenSize;
  readonly handlers: Set<{ current: KeyHandler }>;
  readonly standing: string | undefined;
}
const ScreenContext = createContext<ScreenValue>({ size: { columns: 80, rows: 25 }, handlers: new Set(), standing: undefined });

export interface Mounted {
  /** Gives the key to the screen and returns when what it changed is drawn, so that the next key meets the new screen. */
  press(key: Key): void;
  unmount(): void;
}

/** Draws `node`; `onFrame` gets each frame as lines of text with SGR sequences. Knows nothing of terminals. `standing`: see `useStandingNotice`. */
export function mount(node: ReactNode, size: ScreenSize, onFrame: (frame: string) => void, standing?: string): Mounted {
  const handlers = new Set<{ current: KeyHandler }>();
  const output = Object.assign(new EventEmitter(), {
    isTTY: true,
    columns: size.columns - 1,
    rows: size.rows,
    write(frame: string): boolean {
      if (!closing) onFrame(frame.replace(/\n$/, ""));
      return true;
    },
  });
  let closing = false;
  const tree = (): ReactNode => createElement(ScreenContext.Provider, { value: { size, handlers, standing } }, node);
  const instance = render(tree(), {
    stdout: output as unknown as NodeJS.WritableStream,
    stdin: Object.assign(new EventEmitter(), { isTTY: false }) as unknown as NodeJS.ReadableStream,
    stderr: output as unknown as NodeJS.WritableStream,
    // Each frame is written whole, at once and without cursor movements: the painter finds what differs.
    debug: true,
    interactive: false,
    exitOnCtrlC: false,
    patchConsole: false,
  });
  return {
    press(key) {
      for (const handler of [...handlers]) if (handler.current(key) === true) break;
      // Renders synchronously, with the updates that the handlers have made.
      instance.rerender(tree());
    },
    unmount() {
      closing = true;
      instance.unmount();
      instance.cleanup();
    },
  };
}

/** Calls `handler` for each key while this component is on the screen and `active`. Children get keys before their parents. */
export function useKeys(handler: KeyHandler, active = true): void {
  const { handlers } = useContext(ScreenContext);
  // Layout effects run within the rendering: the next key of the same chunk already meets the new screen.
  const latest = useRef(handler);
  latest.current = handler;
  useLayoutEffect(() => {
    if (!active) return;
    handlers.add(latest);
    return () => void handlers.delete(latest);
  }, [handlers, active]);
}

/** Columns and rows of the terminal; a line holds one character fewer than `columns`. */
export function useScreenSize(): ScreenSize {
  return useContext(ScreenContext).size;
}

/** What every screen of this run says below its title, whatever it shows; undefined when there is nothing to say. */
export function useStandingNotice(): string | undefined {
  return useContext(ScreenContext).standing;
}
