import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Platform } from "../platform/platform.ts";
import { pause } from "./processes.ts";

/** Longer than any other command on the same trial takes when all goes well. */
const WAIT_MS = 150_000;
const RETRY_MS = 100;

/** One command at a time changes a trial: the others wait. The lock ends with the process, however it ends. */
export async function withLock<T>(platform: Platform, directory: string, run: () => Promise<T>, waitMs: number = WAIT_MS): Promise<T> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const deadlineMs = platform.clock.nowMs() + waitMs;
  for (;;) {
    const file = await platform.files.open(join(directory, "lock"), { write: true, create: true });
    try {
      if (await file.lock()) return await run();
    } finally {
      await file.close();
    }
    if (platform.clock.nowMs() > deadlineMs) throw new Error(`another trial command still works on ${directory}`);
    await pause(platform.clock, RETRY_MS);
  }
}
