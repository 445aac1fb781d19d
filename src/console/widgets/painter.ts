interface Cell {
  readonly character: string;
  /** Parameters of the SGR sequence that draws it, "0" without any. */
  readonly style: string;
}
const BLANK: Cell = { character: " ", style: "0" };
const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";
/** Unchanged cells between two changes that are written again rather than jumped over: a jump costs as much. */
const JUMP_CELLS = 8;

/**
 * Puts frames on a terminal with as few bytes as it can: a serial line at 9600 baud carries one full screen in two seconds.
 * Knows what is on the screen and writes only cells that differ. Writes printable ASCII and SGR colours, nothing else,
 * so that no font and no terminal lacks anything; the last column stays free since terminals disagree on what follows it.
 */
export class Painter {
  readonly #write: (bytes: string) => void;
  readonly #columns: number;
  readonly #rows: number;
  #shown: Cell[][] | null = null;

  constructor(write: (bytes: string) => void, size: { readonly columns: number; readonly rows: number }) {
    this.#write = write;
    this.#columns = size.columns - 1;
    this.#rows = size.rows;
  }

  /** `frame` is text with SGR sequences, a line for each row. */
  paint(frame: string): void {
    const lines = frame.split("\n").slice(0, this.#rows).map(cellsOf);
    const bytes: string[] = [];
    if (this.#shown === null) {
      bytes.push(`${HIDE_CURSOR}\x1b(B\x1b[0m\x1b[H\x1b[2J`);
      this.#shown = [];
    }
    for (let row = 0; row < this.#rows; row++) {
      const wanted = Array.from({ length: this.#columns }, (_, column) => lines[row]?.[column] ?? BLANK);
      bytes.push(rowChanges(row, this.#shown[row] ?? [], wanted));
      this.#shown[row] = wanted;
    }
    const all = bytes.join("");
    if (all !== "") this.#write(`${all}`);
  }

  /** The next frame is drawn whole: somebody else may have written on the screen, or a terminal was plugged in. */
  forget(): void {
    this.#shown = null;
  }

  /** Leaves a clear screen with a cursor. */
  close(): void {
    this.#shown = null;
    this.#write(`\x1b[0m\x1b[H\x1b[2J${SHOW_CURSOR}`);
  }
}

function rowChanges(row: number, shown: readonly Cell[], wanted: readonly Cell[]): string {
  const differs = (column: number): boolean => {
    const old = shown[column] ?? BLANK;
    return old.character !== wanted[column]?.character || old.style !== wanted[column]?.style;
  };
  let out = "";
  let column = 0;
  while (column < wanted.length) {
    if (!differs(column)) {
      column += 1;
      continue;
    }
    let end = column + 1;
    for (let next = end; next < wanted.length && next - end < JUMP_CELLS; next++) if (differs(next)) end = next + 1;
    out += `\x1b[${row + 1};${column + 1}H${run(wanted.slice(column, end))}`;
    column = end;
  }
  return out;
}

function run(cells: readonly Cell[]): string {
  let style = "0";
  let out = "";
  for (const cell of cells) {
    if (cell.style !== style) {
      out += `\x1b[${cell.style === "0" ? "" : "0;"}${cell.style}m`;
      style = cell.style;
    }
    out += cell.character;
  }
  return style === "0" ? out : `${out}\x1b[0m`;
}

/** Attributes that the screens use: bold, inverse, foreground and background. */
interface Attributes {
  bold: string;
  inverse: string;
  foreground: string;
  background: string;
}

function cellsOf(line: string): Cell[] {
  const cells: Cell[] = [];
  const attributes: Attributes = { bold: "", inverse: "", foreground: "", background: "" };
  let style = "0";
  for (const [part, sgr] of line.matchAll(/\x1b\[([0-9;]*)m|\x1b\[[0-9;?]*[A-Za-z]|[^]/gu)) {
    if (sgr !== undefined) {
      for (const code of sgr.split(";")) apply(attributes, Number(code));
      style = Object.values(attributes).filter((one: string) => one !== "").join(";") || "0";
    } else if (!part.startsWith("\x1b")) {
      cells.push({ character: asciiOf(part), style });
    }
  }
  return cells;
}

function apply(attributes: Attributes, code: number): void {
  if (code === 0) Object.assign(attributes, { bold: "", inverse: "", foreground: "", background: "" });
  else if (code === 1) attributes.bold = "1";
  else if (code === 22) attributes.bold = "";
  else if (code === 7) attributes.inverse = "7";
  else if (code === 27) attributes.inverse = "";
  else if (code === 39) attributes.foreground = "";
  else if (code === 49) attributes.background = "";
  else if (code >= 30 && code <= 37) attributes.foreground = String(code);
  else if (code >= 40 && code <= 47) attributes.background = String(code);
}

/** Ink ends a text that it cut with an ellipsis; names that came from outside may hold anything. */
function asciiOf(character: string): string {
  if (/^[ -~]$/.test(character)) return character;
  if (character === "\u2026") return "~";
  return character === "\t" ? " " : "?";
}
