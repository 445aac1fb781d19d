import { dieWithParent, realProcesses } from "../platform/process.ts";
import { realPlatform } from "../platform/real.ts";
import type { ServerConfig } from "./config.ts";
import { openStore, readConfig } from "./context.ts";
import type { RoleContext, RunningRole } from "./role.ts";

export const ROLE_NAMES = ["storage", "iscsi", "shared", "monitor", "management"] as const;
export type RoleName = (typeof ROLE_NAMES)[number];

/** One role process: the program of a supervisor's child. Returns when it serves; it then lives until SIGTERM. */
export async function runRoleProcess(name: RoleName, options: { configFile: string; drive: number | null }): Promise<void> {
  // First of all: a role that outlives its supervisor would serve unwatched beside its own successor.
  dieWithParent();
  const label = options.drive === null ? name : `${name}-${options.drive}`;
  const config = readConfigOrEnd(label, options.configFile);
  const platform = realPlatform({ name: label, logLevel: config.logLevel });
  if (name === "storage" && (options.drive === null || config.drives[options.drive] === undefined)) {
    platform.fatal("configuration", `the configuration has no drive ${options.drive ?? "(none was named)"}`);
  }
  const context: RoleContext = { platform, store: await openStore(platform, config), config, configFile: options.configFile };
  const processes = realProcesses();
  // The terminal's Ctrl-C reaches every process of a server; the supervisor decides who stops when.
  processes.onSignal("SIGINT", () => undefined);
  processes.onSignal("SIGHUP", () => undefined);
  let stopWanted = false;
  let running: RunningRole | null = null;
  const stop = async (): Promise<void> => {
    await running?.stop();
    process.exit(0);
  };
  processes.onSignal("SIGTERM", () => {
    if (stopWanted) return;
    stopWanted = true;
    if (running === null) process.exit(0);
    void stop();
  });
  running = await load(name, context, options.drive ?? 0);
  platform.log.info("This role serves");
}

/** Ends the process with the exit code of "configuration", which the supervisor does not answer with a restart. */
export function readConfigOrEnd(label: string, file: string): ServerConfig {
  try {
    return readConfig(file);
  } catch (error) {
    return realPlatform({ name: label }).fatal("configuration", (error as Error).message);
  }
}

/** Only the code of the role that runs is loaded. */
async function load(name: RoleName, context: RoleContext, drive: number): Promise<RunningRole> {
  switch (name) {
    case "storage":
      return (await import("./storage.ts")).runStorage(context, drive);
    case "iscsi":
      return (await import("./gateway.ts")).runGateway(context);
    case "shared":
      return (await import("./shared.ts")).runShared(context);
    case "monitor":
      return (await import("./monitor.ts")).runMonitor(context);
    case "management":
      return (await import("./management.ts")).runManagement(context);
  }
}
