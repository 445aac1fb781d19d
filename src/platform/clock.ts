import type { Clock, Timer } from "./platform.ts";
import { bootTimeMs } from "./ffi.ts";

/** setTimeout takes a signed 32-bit count of milliseconds; a longer delay would fire at once. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

export function realClock(): Clock {
  return {
    nowMs: bootTimeMs,
    wallMs: () => Date.now(),
    timer: startTimer,
    soon: (run) => void setImmediate(run),
  };
}

function startTimer(delayMs: number, run: () => void): Timer {
  let handle: ReturnType<typeof setTimeout> | null = null;
  const wait = (leftMs: number): void => {
    const stepMs = Math.min(Math.max(leftMs, 0), TIMEOUT_MS_MAX);
    handle = setTimeout(() => {
      if (leftMs > stepMs) return wait(leftMs - stepMs);
      handle = null;
      run();
    }, stepMs);
  };
  wait(delayMs);
  return {
    cancel(): void {
      if (handle !== null) clearTimeout(handle);
      handle = null;
    },
  };
}
