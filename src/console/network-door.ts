import { existsSync, rmSync, writeFileSync } from "node:fs";
import { systemRunner } from "../network/command-runner.ts";
import { networkPaths } from "../network/places.ts";
import { loadNetwork, loadReport } from "../network/kept.ts";
import type { NetworkConfig } from "../network/model.ts";
import { listAddresses, listPorts, type DeviceAddress, type Port } from "../network/ports.ts";
import type { TryReport } from "../network/try.ts";
import { realProcesses } from "../platform/process.ts";

export interface NetworkLook {
  readonly ports: readonly Port[];
  readonly addresses: readonly DeviceAddress[];
  /** null: never set; each port asks DHCP. */
  readonly kept: NetworkConfig | null;
}
/** This machine's network as the screens see and change it. */
export interface NetworkDoor {
  /** False: it is somebody else's (a server on a developer's machine), and the screens only choose among its addresses. */
  readonly managed: boolean;
  look(): Promise<NetworkLook>;
  /** Begins a try; `report` tells how it goes. Goes on without this console. Rejects with a sentence. */
  begin(config: NetworkConfig, options: { readonly peers: readonly string[]; readonly expectAddress: string | null }): Promise<void>;
  /** null until the try that was begun has something to tell. */
  report(): TryReport | null;
}

const TRY_UNIT = "virtustor-network-try";

export function realNetworkDoor(options: { readonly managed: boolean; readonly state: string; readonly run: string }): NetworkDoor {
  const paths = networkPaths(options.state, options.run);
  return {
    managed: options.managed,
    async look() {
      const [ports, addresses] = await Promise.all([listPorts(systemRunner), listAddresses(systemRunner)]);
      return { ports, addresses, kept: readKept(paths.kept) };
    },
    async begin(config, { peers, expectAddress }) {
      rmSync(paths.report, { force: true });
      writeFileSync(paths.wanted, JSON.stringify(config), { mode: 0o600 });
      const self = [...realProcesses().selfExecutable(), "network"];
      const places = ["--state", options.state, "--run", options.run];
      const command = [...self, "try", ...places, "--file", paths.wanted, ...peers.flatMap((peer) => ["--peer", peer]), ...(expectAddress === null ? [] : ["--expect-address", expectAddress])];
      // A unit of its own: it outlives this console. Should it be killed, what is kept is applied again.
      const unit = ["systemd-run", "--quiet", "--collect", `--unit=${TRY_UNIT}`, `--property=ExecStopPost=${[...self, "apply", ...places].join(" ")}`, "--property=SendSIGHUP=no"];
      if (existsSync("/run/systemd/system")) {
        const { code, stderr } = await systemRunner([...unit, ...command]);
        if (code !== 0) throw new Error(`The change of the network could not be begun (${stderr.trim()}). Nothing was changed; wait half a minute and try again.`);
      } else {
        // Without systemd there is nobody who would end it with this console.
        const child = Bun.spawn(command, { stdin: "ignore", stdout: "ignore", stderr: "ignore", detached: true });
        child.unref();
      }
    },
    report: () => loadReport(paths.report),
  };
}

function readKept(path: string): NetworkConfig | null {
  try {
    return loadNetwork(path);
  } catch {
    return null; // `virtustor network apply` has told it, and each port asks DHCP
  }
}
