/** As much of a terminal as the console may count on: a place, a clear screen, colours. What else comes is kept in `strange`. */
export class Vt {
  readonly strange: string[] = [];
  readonly #cells: string[][];
  #row = 0;
  #column = 0;
  #rest = "";

  constructor(columns: number, rows: number) {
    this.#cells = Array.from({ length: rows }, () => Array<string>(columns).fill("#"));
  }

  /** Lines with their trailing blanks. */
  get lines(): string[] {
    return this.#cells.map((line) => line.join(""));
  }
  get text(): string {
    return this.lines.map((line) => line.trimEnd()).join("\n");
  }

  write(bytes: string): void {
    let text = this.#rest + bytes;
    this.#rest = "";
    while (text !== "") {
      const found = /^(?:\x1b\[([0-9;?]*)([A-Za-z])|\x1b\(B)/.exec(text);
      if (found !== null) {
        this.#sequence(found[1] ?? "", found[2] ?? "");
        text = text.slice(found[0].length);
      } else if (/^\x1b(\[[0-9;?]*|\()?$/.test(text)) {
        this.#rest = text;
        return;
      } else {
        this.#put(text.charAt(0));
        text = text.slice(1);
      }
    }
  }

  #put(character: string): void {
    const line = this.#cells[this.#row];
    if (!/^[ -~]$/.test(character) || line === undefined || this.#column >= line.length) this.strange.push(JSON.stringify(character));
    else line[this.#column++] = character;
  }

  #sequence(parameters: string, letter: string): void {
    if (letter === "H") {
      const [row = 1, column = 1] = parameters === "" ? [] : parameters.split(";").map(Number);
      this.#row = row - 1;
      this.#column = column - 1;
    } else if (letter === "J" && parameters === "2") for (const line of this.#cells) line.fill(" ");
    else if (letter !== "m" && letter !== "" && !["?25l", "?25h"].includes(`${parameters}${letter}`)) this.strange.push(`CSI ${parameters}${letter}`);
  }
}
