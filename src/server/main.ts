import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Platform } from "../platform/platform.ts";
import { realProcesses } from "../platform/process.ts";
import { realPlatform } from "../platform/real.ts";
import { runEmbeddedStore } from "../platform/store/embedded-server.ts";
import { openStore } from "../role/context.ts";
import { readConfigOrEnd } from "../role/run.ts";
import { startServer } from "../server.ts";
import { boundLogs } from "./logs.ts";
import { writePids } from "./pids.ts";

/** `virtustor server`: lives until SIGTERM or SIGINT. */
export async function runServerProcess(configFile: string): Promise<void> {
  const config = readConfigOrEnd("server", configFile);
  const platform = realPlatform({ name: "server", logLevel: config.logLevel });
  const world = { platform, processes: realProcesses(), store: await openStore(platform, config), config, configFile, removed: () => process.exit(0) };
  const { started, server } = startServer(world);
  stopOnSignals(() => server.stop());
  await started.catch((error: Error) => refuse(platform, error));
}

/** `virtustor store`: lives until SIGTERM or SIGINT. */
export async function runStoreProcess(directory: string, socketPath: string): Promise<void> {
  const platform = realPlatform({ name: "store" });
  const logs = join(directory, "log");
  mkdirSync(logs, { recursive: true, mode: 0o700 });
  boundLogs(logs, platform.clock, platform.log);
  writePids(directory, [{ role: "store", pid: process.pid }]);
  const store = await runEmbeddedStore(platform, { directory, socketPath }).catch((error: Error) => refuse(platform, error));
  stopOnSignals(() => store.close());
}

/** What keeps a process from starting is the administrator's to mend: a line, not a stack. */
function refuse(platform: Platform, error: Error): never {
  return platform.fatal("configuration", error.message);
}

function stopOnSignals(stop: () => Promise<void>): void {
  let stopping = false;
  const once = (): void => {
    if (stopping) return;
    stopping = true;
    void stop().then(() => process.exit(0));
  };
  const processes = realProcesses();
  processes.onSignal("SIGTERM", once);
  processes.onSignal("SIGINT", once);
  // Its terminal may go; a server stays.
  processes.onSignal("SIGHUP", () => undefined);
}
