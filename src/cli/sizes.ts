const UNITS: readonly (readonly [name: string, bytes: number])[] = [
  ["PiB", 2 ** 50],
  ["TiB", 2 ** 40],
  ["GiB", 2 ** 30],
  ["MiB", 2 ** 20],
  ["KiB", 2 ** 10],
];

/** Bytes of "2GiB", "1.5 TiB" or "4096"; throws an Error that says what is accepted. Units of 1000 are refused rather than guessed. */
export function parseSize(text: string): number {
  const match = /^(-?[0-9]+(?:\.[0-9]+)?) ?([A-Za-z]*)$/.exec(text.trim());
  const unit = match?.[2]?.toLowerCase() ?? "";
  const factor = unit === "" || unit === "b" ? 1 : UNITS.find(([name]) => name.toLowerCase() === unit)?.[1];
  const bytes = factor === undefined ? NaN : Number(match?.[1]) * factor;
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new Error(`the size ${JSON.stringify(text)} is not understood: give whole bytes, or a number with KiB, MiB, GiB or TiB, as in 2GiB`);
}

/** "2.0 GiB". */
export function formatSize(bytes: number): string {
  for (const [name, unit] of UNITS) if (bytes >= unit) return `${(bytes / unit).toFixed(1)} ${name}`;
  return `${bytes} bytes`;
}
