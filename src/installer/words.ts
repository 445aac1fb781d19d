const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** "931.5 GiB", "16 GiB": binary units, one decimal where it is not zero. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const rounded = value.toFixed(1);
  return `${rounded.endsWith(".0") ? rounded.slice(0, -2) : rounded} ${UNITS[unit] ?? ""}`;
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
