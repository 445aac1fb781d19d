import { serviceManager, type ServiceManager } from "../platform/notify.ts";
import type { Clock } from "../platform/platform.ts";

/** How often within the time that systemd allows: one beat may be late by a busy event loop. */
const BEATS_PER_WATCHDOG = 3;

/**
 * Says that this process is ready and, while its event loop turns, that it is well; systemd ends and starts it again when that
 * stops. Gives what to call at the beginning of an orderly stop. Does nothing when no service manager started the process.
 */
export function beAService(clock: Clock, manager: ServiceManager | null = serviceManager()): { stopping(): void } {
  if (manager === null) return { stopping: () => undefined };
  manager.ready();
  const { watchdogMs } = manager;
  const beat = (): void => {
    manager.alive();
    if (watchdogMs !== null) clock.timer(watchdogMs / BEATS_PER_WATCHDOG, beat);
  };
  if (watchdogMs !== null) beat();
  // It goes on beating: a stop may take longer than the watchdog's time, and TimeoutStopSec bounds it.
  return { stopping: () => manager.stopping() };
}
