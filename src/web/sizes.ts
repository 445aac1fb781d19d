const FACTORS: Readonly<Record<string, number>> = { b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40, p: 2 ** 50 };

/** Bytes of "500 GiB", "1.5t" or "2 TiB" (units of 1024, as hosts show them); null when it is no size. */
export function parseSize(text: string): number | null {
  const match = /^\s*(\d+(?:[.,]\d+)?)\s*(?:([kmgtp])(?:i?b)?|b)\s*$/i.exec(text);
  if (!match) return null;
  const value = Number((match[1] ?? "").replace(",", ".")) * (FACTORS[(match[2] ?? "b").toLowerCase()] ?? 1);
  // Whole blocks of 4 KiB, the least that a volume consists of.
  return Number.isSafeInteger(Math.round(value)) ? Math.ceil(value / 4096) * 4096 : null;
}
