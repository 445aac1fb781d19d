import { Monitor } from "../monitor/monitor.ts";
import type { RunRole } from "./role.ts";

/** The monitor of one server. It serves as soon as it watches; whether it leads is settled among the servers. */
export const runMonitor: RunRole = async ({ platform, store, config }) => {
  const monitor = new Monitor(platform, store, config.name);
  monitor.start();
  return { stop: () => monitor.stop() };
};
