/** A source file as the rules look at it. */
export interface Source {
  /** From the project's folder, "src/base/assert.ts". */
  readonly path: string;
  readonly text: string;
  /** Comments and the contents of strings and regular expressions are blanks; same length, same lines. */
  readonly code: string;
  readonly imports: readonly Import[];
}
export interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
}

const IMPORT = /(?:^|[\n;}])\s*(?:import|export)\s+(type\s+)?(?:[\w*{][^"'`;]*?\sfrom\s*)?(["'])([^"'\n]+)\2/g;
const DYNAMIC_IMPORT = /\bimport\(\s*(["'])([^"'\n]+)\1/g;

export function readSource(path: string, text: string): Source {
  const { code, uncommented } = blank(text);
  const imports: Import[] = [];
  for (const match of uncommented.matchAll(IMPORT)) {
    // An import inside a string is no import: there the blanked code has no such word.
    const start = match.index + match[0].search(/import|export/);
    if (/^(import|export)/.test(code.slice(start))) imports.push({ specifier: match[3] ?? "", typeOnly: match[1] !== undefined });
  }
  for (const match of uncommented.matchAll(DYNAMIC_IMPORT)) {
    if (code.startsWith("import", match.index)) imports.push({ specifier: match[2] ?? "", typeOnly: /:\s*$/.test(code.slice(0, match.index)) });
  }
  return { path, text, code, imports };
}

/** A small scanner of TypeScript: enough to tell code from comments, strings, templates and regular expressions. */
function blank(text: string): { code: string; uncommented: string } {
  const code = [...text.replace(/[^\u0000-\uffff]/g, "  ")].map((character) => character);
  const uncommented = [...code];
  const erase = (from: number, to: number, both: boolean): void => {
    for (let at = from; at < to && at < code.length; at++) {
      if (code[at] === "\n") continue;
      code[at] = " ";
      if (both) uncommented[at] = " ";
    }
  };
  /** For each template that is open: how many braces are open inside its present ${ }. */
  const templates: number[] = [];
  let at = 0;
  const source = code.join("");
  const skipTemplate = (from: number): number => {
    let end = from;
    while (end < source.length && source[end] !== "`" && !source.startsWith("${", end)) end += source[end] === "\\" ? 2 : 1;
    erase(from, end, false);
    if (source.startsWith("${", end)) {
      templates.push(0);
      return end + 2;
    }
    return end + 1;
  };
  while (at < source.length) {
    const character = source[at];
    if (source.startsWith("//", at)) {
      const end = source.indexOf("\n", at);
      erase(at, end < 0 ? source.length : end, true);
      at = end < 0 ? source.length : end;
    } else if (source.startsWith("/*", at)) {
      const end = source.indexOf("*/", at + 2);
      erase(at, end < 0 ? source.length : end + 2, true);
      at = end < 0 ? source.length : end + 2;
    } else if (character === '"' || character === "'") {
      let end = at + 1;
      while (end < source.length && source[end] !== character && source[end] !== "\n") end += source[end] === "\\" ? 2 : 1;
      erase(at + 1, end, false);
      at = end + 1;
    } else if (character === "`") {
      at = skipTemplate(at + 1);
    } else if (character === "/" && startsRegularExpression(source, at)) {
      const end = endOfRegularExpression(source, at);
      erase(at + 1, end, true);
      at = end + 1;
    } else {
      const open = templates.length - 1;
      if (character === "{" && open >= 0) templates[open] = (templates[open] ?? 0) + 1;
      if (character === "}" && open >= 0) {
        if (templates[open] === 0) {
          templates.pop();
          at = skipTemplate(at + 1);
          continue;
        }
        templates[open] = (templates[open] ?? 0) - 1;
      }
      at++;
    }
  }
  return { code: code.join(""), uncommented: uncommented.join("") };
}

/** A slash after a value divides; after an operator, an opening bracket or `return` it begins a regular expression. */
function startsRegularExpression(source: string, at: number): boolean {
  const before = source.slice(Math.max(0, at - 40), at).trimEnd();
  return before === "" || /[(,=:[!&|?{};+>]$/.test(before) || /\b(return|typeof|case|of|in)$/.test(before);
}

function endOfRegularExpression(source: string, from: number): number {
  let inClass = false;
  for (let at = from + 1; at < source.length; at++) {
    const character = source[at];
    if (character === "\n") return at;
    if (character === "\\") at++;
    else if (character === "[") inClass = true;
    else if (character === "]") inClass = false;
    else if (character === "/" && !inClass) return at;
  }
  return source.length;
}
