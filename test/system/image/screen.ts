/** What a terminal of 80 columns and 25 rows shows after the bytes it was sent: as much of ECMA-48 as GRUB, systemd and the console use. */
export const COLUMNS = 80;
export const ROWS = 25;

export class Screen {
  #rows: string[][] = Array.from({ length: ROWS }, blankRow);
  #row = 0;
  #column = 0;
  #saved: readonly [number, number] = [0, 0];
  #top = 0;
  #bottom = ROWS - 1;
  /** An escape sequence whose end has not come. */
  #pending = "";
  readonly #decoder = new TextDecoder();

  /** Trailing spaces and empty rows at the end are left out. */
  get text(): string {
    return this.#rows.map((row) => row.join("").trimEnd()).join("\n").trimEnd();
  }

  write(bytes: Uint8Array): void {
    let rest = this.#pending + this.#decoder.decode(bytes, { stream: true });
    this.#pending = "";
    while (rest !== "") {
      if (rest.startsWith("\x1b")) {
        const sequence = SEQUENCE.exec(rest)?.[0];
        if (sequence === undefined) {
          // Longer than any sequence has a reason to be: not one.
          if (rest.length < SEQUENCE_CHARACTERS_MAX) {
            this.#pending = rest;
            return;
          }
          rest = rest.slice(1);
          continue;
        }
        this.#escape(sequence);
        rest = rest.slice(sequence.length);
        continue;
      }
      const character = String.fromCodePoint(rest.codePointAt(0) ?? 0);
      this.#character(character);
      rest = rest.slice(character.length);
    }
  }

  #character(character: string): void {
    if (character === "\r") this.#column = 0;
    else if (character === "\n") this.#lineFeed();
    else if (character === "\b") this.#column = Math.max(0, this.#column - 1);
    else if (character === "\t") this.#column = Math.min(COLUMNS - 1, (this.#column >> 3 << 3) + 8);
    else if (character >= " ") {
      // The cursor stays behind the last column until something more is printed.
      if (this.#column >= COLUMNS) {
        this.#column = 0;
        this.#lineFeed();
      }
      this.#line(this.#row)[this.#column++] = character;
    }
  }

  #lineFeed(): void {
    if (this.#row === this.#bottom) this.#scroll(this.#top, 1);
    else this.#row = Math.min(ROWS - 1, this.#row + 1);
  }

  /** Rows from `from` to the bottom of the region move up by `count`, or down when it is negative. */
  #scroll(from: number, count: number): void {
    const region = this.#rows.splice(from, this.#bottom - from + 1);
    const height = region.length;
    for (let n = 0; n < Math.min(Math.abs(count), height); n++) {
      if (count > 0) {
        region.shift();
        region.push(blankRow());
      } else {
        region.pop();
        region.unshift(blankRow());
      }
    }
    this.#rows.splice(from, 0, ...region);
  }

  #escape(sequence: string): void {
    if (sequence === "\x1b7") this.#saved = [this.#row, this.#column];
    else if (sequence === "\x1b8") [this.#row, this.#column] = this.#saved;
    else if (sequence === "\x1bM" && this.#row === this.#top) this.#scroll(this.#top, -1);
    else if (sequence === "\x1bM") this.#row = Math.max(0, this.#row - 1);
    else if (sequence === "\x1bc") this.#clear(0, ROWS * COLUMNS, true);
    const control = /^\x1b\[([0-9;]*)([@-~])$/.exec(sequence);
    if (control === null) return;
    const numbers = (control[1] ?? "").split(";").map((text) => (text === "" ? null : Number(text)));
    this.#control(control[2] ?? "", numbers[0] ?? null, numbers[1] ?? null);
  }

  #control(final: string, first: number | null, second: number | null): void {
    const count = Math.max(1, first ?? 1);
    const column = Math.min(COLUMNS - 1, this.#column);
    const at = this.#row * COLUMNS + column;
    const lineStart = this.#row * COLUMNS;
    if (final === "A") this.#row = Math.max(0, this.#row - count);
    else if (final === "B") this.#row = Math.min(ROWS - 1, this.#row + count);
    else if (final === "C") this.#column = Math.min(COLUMNS - 1, this.#column + count);
    else if (final === "D") this.#column = Math.max(0, column - count);
    else if (final === "E") [this.#row, this.#column] = [Math.min(ROWS - 1, this.#row + count), 0];
    else if (final === "F") [this.#row, this.#column] = [Math.max(0, this.#row - count), 0];
    else if (final === "G") this.#column = Math.min(COLUMNS, count) - 1;
    else if (final === "d") this.#row = Math.min(ROWS, count) - 1;
    else if (final === "H" || final === "f") [this.#row, this.#column] = [Math.min(ROWS, count) - 1, Math.min(COLUMNS, Math.max(1, second ?? 1)) - 1];
    else if (final === "s") this.#saved = [this.#row, this.#column];
    else if (final === "u") [this.#row, this.#column] = this.#saved;
    else if (final === "J" && (first ?? 0) === 0) this.#clear(at, ROWS * COLUMNS);
    else if (final === "J" && first === 1) this.#clear(0, at + 1);
    else if (final === "J") this.#clear(0, ROWS * COLUMNS);
    else if (final === "K" && (first ?? 0) === 0) this.#clear(at, lineStart + COLUMNS);
    else if (final === "K" && first === 1) this.#clear(lineStart, at + 1);
    else if (final === "K") this.#clear(lineStart, lineStart + COLUMNS);
    else if (final === "X") this.#clear(at, Math.min(at + count, lineStart + COLUMNS));
    else if (final === "S") this.#scroll(this.#top, count);
    else if (final === "T") this.#scroll(this.#top, -count);
    else if (final === "M") this.#scroll(this.#row, count);
    else if (final === "L") this.#scroll(this.#row, -count);
    else if (final === "P") this.#line(this.#row).splice(column, Math.min(count, COLUMNS - column));
    else if (final === "@") this.#line(this.#row).splice(column, 0, ..." ".repeat(count));
    else if (final === "r") [this.#top, this.#bottom, this.#row, this.#column] = [(first ?? 1) - 1, Math.min(ROWS, second ?? ROWS) - 1, 0, 0];
    const line = this.#line(this.#row);
    while (line.length < COLUMNS) line.push(" ");
    line.length = COLUMNS;
  }

  #clear(from: number, to: number, home = false): void {
    for (let at = from; at < to; at++) this.#line(Math.floor(at / COLUMNS))[at % COLUMNS] = " ";
    if (home) [this.#row, this.#column, this.#top, this.#bottom] = [0, 0, 0, ROWS - 1];
  }

  #line(row: number): string[] {
    const line = this.#rows[row];
    if (line === undefined) throw new Error(`there is no row ${row}`);
    return line;
  }
}

/** CSI with its parameters, OSC up to its end, a choice of character set, or one character more. */
const SEQUENCE = /^\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()*+#][\s\S]|[^[\]()*+#])/;
const SEQUENCE_CHARACTERS_MAX = 300;

function blankRow(): string[] {
  return Array<string>(COLUMNS).fill(" ");
}
