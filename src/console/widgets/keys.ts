/** What a key means to the screens. "text" carries printable ASCII; "redraw" is Ctrl-L, "clear" is Ctrl-U. */
export type KeyName =
  | "text" | "enter" | "escape" | "tab" | "back-tab" | "up" | "down" | "left" | "right" | "home" | "end"
  | "page-up" | "page-down" | "backspace" | "delete" | "clear" | "redraw" | "other";
export interface Key {
  readonly name: KeyName;
  /** One printable ASCII character for "text", else "". */
  readonly text: string;
}

/** Escape sequences without their ESC, as the Linux console, vt100/vt220 and xterm send them. */
const SEQUENCES: Readonly<Record<string, KeyName>> = {
  "[A": "up", "[B": "down", "[C": "right", "[D": "left", "OA": "up", "OB": "down", "OC": "right", "OD": "left",
  "[H": "home", "[F": "end", "OH": "home", "OF": "end", "[1~": "home", "[7~": "home", "[4~": "end", "[8~": "end",
  "[3~": "delete", "[5~": "page-up", "[6~": "page-down", "[Z": "back-tab",
};
const CONTROLS: Readonly<Record<string, KeyName>> = {
  "\r": "enter", "\n": "enter", "\t": "tab", "\x7f": "backspace", "\x08": "backspace", "\x0c": "redraw", "\x15": "clear",
};
/** One complete sequence: CSI with parameters, the Linux console's F1 to F5, or SS3. */
const COMPLETE = /^(\[\[[A-E]|\[[0-9;]*[A-Za-z~]|O[A-Za-z])/;
/** What may yet become one. */
const BEGUN = /^(|O|\[|\[\[|\[[0-9;]*)$/;

/**
 * Bytes of a terminal to keys. A slow serial line may cut a sequence anywhere: what has begun with ESC is kept until it is complete
 * or `flush` says that nothing more came.
 */
export class KeyParser {
  #rest = "";
  #afterReturn = false;

  /** True while an ESC waits for what follows it. */
  get pending(): boolean {
    return this.#rest !== "";
  }

  feed(chunk: string): Key[] {
    const keys: Key[] = [];
    let text = this.#rest + chunk;
    this.#rest = "";
    while (text !== "") {
      const first = text.charAt(0);
      if (first === "\x1b") {
        const tail = text.slice(1);
        const found = COMPLETE.exec(tail)?.[0];
        if (found !== undefined) {
          keys.push({ name: SEQUENCES[found] ?? "other", text: "" });
          text = tail.slice(found.length);
          continue;
        }
        if (BEGUN.test(tail)) {
          this.#rest = text;
          break;
        }
        keys.push({ name: "escape", text: "" });
        text = tail;
        continue;
      }
      text = text.slice(1);
      // Some terminals end a line with both.
      const again = first === "\n" && this.#afterReturn;
      this.#afterReturn = first === "\r";
      if (!again) keys.push(keyOf(first));
    }
    return keys;
  }

  /** Nothing followed: the ESC was a key by itself. */
  flush(): Key[] {
    const begun = this.#rest.slice(1);
    if (this.#rest === "") return [];
    this.#rest = "";
    return [{ name: "escape", text: "" }, ...[...begun].map(keyOf)];
  }
}

function keyOf(character: string): Key {
  const control = CONTROLS[character];
  if (control !== undefined) return { name: control, text: "" };
  return /^[ -~]$/.test(character) ? { name: "text", text: character } : { name: "other", text: "" };
}
