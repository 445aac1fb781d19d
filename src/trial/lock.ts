import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { FileError, type File, type Platform } from "../platform/platform.ts";
import { pause } from "./processes.ts";

/** Longer than any other command on the same trial takes when all goes well. */
const WAIT_MS = 150_000;
const RETRY_MS = 100;

/** One command at a time changes a trial: the others wait. The lock ends with the process, however it ends. */
export async function withLock<T>(platform: Platform, directory: string, run: () => Promise<T>, waitMs: number = WAIT_MS): Promise<T> {
  const path = join(directory, "lock");
  const deadlineMs = platform.clock.nowMs() + waitMs;
  for (;;) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const file = await openLock(platform, path);
    try {
      // A wipe removes the file that it has locked: whoever waited for that one holds the lock of nothing.
      if ((await file?.lock()) === true && (await platform.files.stat(path)) !== null) return await run();
    } finally {
      await file?.close();
    }
    if (platform.clock.nowMs() > deadlineMs) throw new Error(`another trial command still works on ${directory}`);
    await pause(platform.clock, RETRY_MS);
  }
}

/** Null when a wipe has removed the directory in this very moment. */
async function openLock(platform: Platform, path: string): Promise<File | null> {
  try {
    return await platform.files.open(path, { write: true, create: true });
  } catch (error) {
    if (error instanceof FileError && error.code === "ENOENT") return null;
    throw error;
  }
}
