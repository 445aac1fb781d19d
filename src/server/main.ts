import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { realPlaces } from "../formation/any-places.ts";
import { APPLIANCE_PORTS, type ServerPorts } from "../formation/world.ts";
import { serveLocalHttp } from "../platform/http.ts";
import type { Platform } from "../platform/platform.ts";
import { realProcesses } from "../platform/process.ts";
import { realPlatform } from "../platform/real.ts";
import { runEmbeddedStore } from "../platform/store/embedded-server.ts";
import { openStore } from "../role/context.ts";
import { readConfigOrEnd } from "../role/run.ts";
import { startServer } from "../server.ts";
import { portsOf } from "../trial/options.ts";
import { Appliance } from "./appliance.ts";
import { LocalApi } from "./local-api.ts";
import { boundLogs } from "./logs.ts";
import { writePids } from "./pids.ts";
import { beAService } from "./service.ts";

/** `virtustor server`: lives until SIGTERM or SIGINT. */
export async function runServerProcess(configFile: string): Promise<void> {
  const config = readConfigOrEnd("server", configFile);
  const platform = realPlatform({ name: "server", logLevel: config.logLevel });
  const world = { platform, processes: realProcesses(), store: await openStore(platform, config), config, configFile, removed: () => process.exit(0) };
  const { started, server } = startServer(world);
  stopOnSignals(() => server.stop());
  await started.catch((error: Error) => refuse(platform, error));
}

/** `virtustor server --state`: a server that may belong to no cluster yet; lives until SIGTERM or SIGINT. */
export async function runStateProcess(options: { directory: string; socket: string; address: string; portBase: number | null; allowLoops: boolean }): Promise<void> {
  const platform = realPlatform({ name: "server" });
  const { directory } = options;
  // The storage network has no proxies, whatever the environment says.
  process.env["NO_PROXY"] = "*";
  const deviceKinds = options.allowLoops ? ["disk", "loop"] : ["disk"];
  const appliance = ((): Appliance => {
    try {
      return new Appliance({
        platform,
        processes: realProcesses(),
        directory,
        ports: options.portBase === null ? APPLIANCE_PORTS : portsFrom(options.portBase),
        places: realPlaces(platform, directory, deviceKinds),
        deviceKinds,
        setupAddress: options.address,
      });
    } catch (error) {
      return refuse(platform, error as Error);
    }
  })();
  const api = new LocalApi(appliance);
  const local = serveLocalHttp({ path: options.socket, fetch: (request) => api.answer(request), onError: (error) => platform.log.error("the local socket failed on a request", { error }) });
  // From here on it can be asked how it is; its roles may have to wait for other servers.
  const service = beAService(platform.clock);
  stopOnSignals(async () => {
    service.stopping();
    await appliance.stop();
    await local.stop();
  });
  await appliance.begin().catch((error: Error) => refuse(platform, error));
}

/** As a trial lays them out: all in the fifty from `base`. */
function portsFrom(base: number): ServerPorts {
  const { portal, api, etcdClient, etcdPeer, drive } = portsOf(base);
  return { portal, api, etcdClient, etcdPeer, drive };
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
