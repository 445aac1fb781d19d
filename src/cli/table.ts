/** Aligned columns, the headings first; no rows gives `empty` instead. Numbers of any kind come as text. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[], empty: string): string {
  if (rows.length === 0) return `${empty}\n`;
  return columns([headings.map((heading) => heading.toUpperCase()), ...rows]);
}

/** One line for each name and value, the values aligned. */
export function facts(pairs: readonly (readonly [name: string, value: string])[]): string {
  return columns(pairs);
}

function columns(lines: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const line of lines) line.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, cell.length)));
  return lines.map((line) => `${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd()}\n`).join("");
}
