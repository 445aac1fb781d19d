import type { LocalDrive } from "../management/api/local.ts";

/** "sdb" of "/dev/sdb". */
export function driveName(device: string): string {
  return device.replace(/^\/dev\//, "");
}

/** Sizes as drives are sold: powers of ten. */
export function driveSize(bytes: number): string {
  for (const [unit, size] of [["PB", 1e15], ["TB", 1e12], ["GB", 1e9]] as const) if (bytes >= size) return `${(bytes / size).toFixed(1)} ${unit}`;
  return `${Math.round(bytes / 1e6)} MB`;
}

/** One line that tells a drive from others. */
export function driveLine({ device, sizeBytes, rotational, model, serial, content }: LocalDrive): string {
  const what = [model, serial].filter((text) => text !== "").join(" ");
  return `${driveName(device).padEnd(9)} ${driveSize(sizeBytes).padStart(8)} ${rotational ? "disk " : "flash"}  ${content.padEnd(26)}  ${what}`;
}
