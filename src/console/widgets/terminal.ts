import type { ReactNode } from "react";
import type { ReadStream, WriteStream } from "node:tty";
import { KeyParser } from "./keys.ts";
import { mount } from "./mount.ts";
import { Painter } from "./painter.ts";

/** How long an ESC waits for the rest of its sequence: at 9600 baud a character takes 1 ms, a busy virtual machine much longer. */
const ESCAPE_MS = 150;
/** After such a silence the first key draws everything anew: a serial terminal may have been plugged in meanwhile. */
const FORGET_AFTER_MS = 60_000;
/** A serial line does not tell its size; these are on every terminal. */
const COLUMNS_DEFAULT = 80;
const ROWS_DEFAULT = 24;
const ROWS_MAX = 50;

export interface TerminalRun {
  /** Takes the screen away and gives the terminal back. Idempotent. */
  close(): void;
}

/** Shows `node` on this process's own terminal until `close`, with `standing` on every screen. Colours need FORCE_COLOR=1 before Ink is first imported. */
export function runOnTerminal(node: ReactNode, input: ReadStream, output: WriteStream, standing?: string): TerminalRun {
  const size = {
    columns: Math.max(output.columns || COLUMNS_DEFAULT, COLUMNS_DEFAULT),
    rows: Math.min(Math.max(output.rows || ROWS_DEFAULT, ROWS_DEFAULT), ROWS_MAX),
  };
  // While the line is still busy with the last write, only the newest frame is kept: a slow line skips frames, it never lags.
  let busy = false;
  let waiting: string | null = null;
  let closed = false;
  const painter = new Painter((bytes) => {
    busy = true;
    output.write(bytes, () => {
      busy = false;
      if (waiting !== null && !closed) show(waiting);
    });
  }, size);
  const show = (frame: string): void => {
    waiting = busy ? frame : null;
    if (!busy) painter.paint(frame);
  };
  let frame = "";
  const mounted = mount(node, size, (next) => {
    frame = next;
    if (!closed) show(next);
  }, standing);

  const parser = new KeyParser();
  let lastKeyMs = performance.now();
  let escape: ReturnType<typeof setTimeout> | null = null;
  const deliver = (keys: ReturnType<KeyParser["feed"]>): void => {
    const nowMs = performance.now();
    for (const key of keys) {
      if (key.name === "redraw" || nowMs - lastKeyMs > FORGET_AFTER_MS) {
        painter.forget();
        show(frame);
      }
      lastKeyMs = nowMs;
      if (key.name !== "redraw" && !closed) mounted.press(key);
    }
  };
  const onData = (chunk: string): void => {
    if (escape !== null) clearTimeout(escape);
    escape = null;
    deliver(parser.feed(chunk));
    if (parser.pending) escape = setTimeout(() => deliver(parser.flush()), ESCAPE_MS);
  };
  if (input.isTTY) input.setRawMode(true);
  input.setEncoding("latin1");
  input.on("data", onData);
  input.resume();

  return {
    close() {
      if (closed) return;
      closed = true;
      if (escape !== null) clearTimeout(escape);
      input.off("data", onData);
      if (input.isTTY) input.setRawMode(false);
      input.pause();
      mounted.unmount();
      painter.close();
    },
  };
}
