import { chmodSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** Ending of a file's name until all of it is on disk. */
export const TEMPORARY = ".tmp";

/** A reader, and a restart after a power loss, finds the old content or the new, never a part. For its owner's eyes alone. */
export function writeDurably(file: string, content: string | Uint8Array): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}${TEMPORARY}`;
  try {
    writeFileSync(temporary, content, { mode: 0o600, flush: true });
  } catch (error) {
    if (existsSync(temporary)) rmSync(temporary);
    throw new Error(`cannot write ${file}: ${(error as Error).message}`, { cause: error });
  }
  chmodSync(temporary, 0o600);
  renameSync(temporary, file);
  syncDirectory(dirname(file));
}

/** Makes names created, renamed or removed in a directory durable. */
export function syncDirectory(path: string): void {
  const directory = openSync(path, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
