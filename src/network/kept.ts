import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { parseNetworkConfig, type NetworkConfig } from "./model.ts";
import type { TryReport } from "./try.ts";

/** The configuration that is kept, or null before the first one. Throws an Error that names the file when it cannot be read. */
export function loadNetwork(path: string): NetworkConfig | null {
  const text = readText(path);
  if (text === null) return null;
  try {
    return parseNetworkConfig(JSON.parse(text));
  } catch (error) {
    throw new Error(`${path} is not readable: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** Durable when it returns; before that the old one is whole. */
export function saveNetwork(path: string, config: NetworkConfig): void {
  writeWhole(path, `${JSON.stringify(config, null, 2)}\n`);
}

/** What a try that is under way, or the last one, has to say; null: there was none since the start of this server. */
export function loadReport(path: string): TryReport | null {
  const text = readText(path);
  try {
    return text === null ? null : (JSON.parse(text) as TryReport);
  } catch {
    return null;
  }
}
export function saveReport(path: string, report: TryReport): void {
  writeWhole(path, JSON.stringify(report));
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}

function writeWhole(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const fd = openSync(`${path}.new`, "w", 0o600);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(`${path}.new`, path);
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
