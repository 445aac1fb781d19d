import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { FileError, type File, type Platform } from "../platform/platform.ts";
import { pause } from "./processes.ts";
import { SAVED_FILE } from "./state.ts";

/** Longer than any other command on the same trial takes when all goes well. */
const WAIT_MS = 150_000;
const RETRY_MS = 100;

/** One command at a time changes a trial: the others wait. The lock ends with the process, however it ends. */
export async function withLock<T>(platform: Platform, directory: string, run: () => Promise<T>, waitMs: number = WAIT_MS): Promise<T> {
  const path = join(directory, "lock");
  const deadlineMs = platform.clock.nowMs() + waitMs;
  for (;;) {
    const madeFile = !existsSync(path);
    const madeDirectory = makeDirectory(directory);
    const file = await openLock(platform, path);
    let held = false;
    try {
      // A wipe removes the file that it has locked: whoever waited for that one holds the lock of nothing.
      held = (await file?.lock()) === true && (await platform.files.stat(path)) !== null;
      if (held) return await run();
    } finally {
      // A command that came to nothing leaves nothing behind.
      if (held && madeFile && !existsSync(join(directory, SAVED_FILE))) {
        rmSync(path, { force: true });
        if (madeDirectory && existsSync(directory) && readdirSync(directory).length === 0) rmdirSync(directory);
      }
      await file?.close();
    }
    if (platform.clock.nowMs() > deadlineMs) throw new Error(`another trial command still works on ${directory}`);
    await pause(platform.clock, RETRY_MS);
  }
}

/** Whether it was not there before. Throws an Error that names it. */
function makeDirectory(directory: string): boolean {
  try {
    return mkdirSync(directory, { recursive: true, mode: 0o700 }) !== undefined;
  } catch (error) {
    throw new Error(`the directory ${directory} cannot be made: ${(error as Error).message.replace(/, mkdir .*/, "")}`, { cause: error });
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
