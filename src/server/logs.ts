import { copyFileSync, readdirSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import type { Clock, Log, Timer } from "../platform/platform.ts";

/** A log grows to about this size, then it becomes <name>.1 and begins anew: 32 MiB for each role at most. */
export const LOG_BYTES_MAX = 16 * 1024 * 1024;
const CHECK_EVERY_MS = 5_000;

/**
 * Bounds the logs of a server. Each child appends to its own file (O_APPEND), so that a log needs nobody to pass it on and a
 * child's last words are never lost; here a file that is too long is copied aside and cut to nothing. The few lines written
 * between copy and cut are lost, which a log can bear.
 */
export function boundLogs(directory: string, clock: Clock, log: Log): { stop(): void } {
  let timer: Timer;
  const check = (): void => {
    try {
      rotateLogs(directory);
    } catch (error) {
      log.warn("The logs could not be rotated", { directory, error: (error as Error).message });
    }
    timer = clock.timer(CHECK_EVERY_MS, check);
  };
  check();
  return { stop: () => timer.cancel() };
}

export function rotateLogs(directory: string, bytesMax: number = LOG_BYTES_MAX): void {
  for (const name of readdirSync(directory)) {
    if (!name.endsWith(".log")) continue;
    const path = join(directory, name);
    if (statSync(path).size <= bytesMax) continue;
    copyFileSync(path, `${path}.1`);
    truncateSync(path, 0);
  }
}
