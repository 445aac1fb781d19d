import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Runner } from "./command-runner.ts";
import { uplinkMacs, type NetworkConfig } from "./model.ts";
import { listPorts } from "./ports.ts";
import { OUR_FILES, renderNetwork, type NetworkFiles } from "./render.ts";

/** Makes this machine's network what a configuration says; null: DHCP on each port. */
export interface NetworkExecutor {
  /** `withAddress` false: all but the address. Does nothing when it is so already. Rejects with a sentence. */
  apply(config: NetworkConfig | null, withAddress: boolean): Promise<void>;
}

/** The kernel's default of Ethernet. A port that had jumbo frames gets it back. */
const MTU_DEFAULT = 1500;

/**
 * systemd-networkd reads files below `directory` (/run/systemd/network). It is started anew when they changed: then what was tried is
 * what the next boot makes of the same files. Before networkd runs, at boot, this writes the files and no more.
 */
export function networkdExecutor(directory: string, run: Runner): NetworkExecutor {
  return {
    async apply(config, withAddress) {
      const files = renderNetwork(config, withAddress);
      const before = readFiles(directory);
      if (sameFiles(before, files)) return;
      writeFiles(directory, before, files);
      if ((await run(["systemctl", "is-active", "--quiet", "systemd-networkd.service"])).code !== 0) return;
      // networkd changes no device that exists: a bond or VLAN that is to be different has to go first.
      for (const device of changedDevices(before, files)) await run(["ip", "link", "delete", "dev", device]);
      await resetMtu(config, run);
      const { code, stderr } = await run(["systemctl", "restart", "systemd-networkd.service"]);
      if (code !== 0) throw new Error(`systemd-networkd did not start again (${stderr.trim() || "no reason given"}): restart this server; it comes back with the network it had.`);
    },
  };
}

async function resetMtu(config: NetworkConfig | null, run: Runner): Promise<void> {
  if (config !== null && config.mtu !== null) return;
  const macs = config === null ? null : uplinkMacs(config);
  for (const port of await listPorts(run)) {
    if (port.mtu > MTU_DEFAULT && (macs === null || macs.includes(port.mac))) await run(["ip", "link", "set", "dev", port.name, "mtu", String(MTU_DEFAULT)]);
  }
}

function readFiles(directory: string): NetworkFiles {
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  const names = readdirSync(directory).filter((name) => OUR_FILES.test(name));
  return new Map(names.map((name) => [name, readFileSync(join(directory, name), "utf8")]));
}

function sameFiles(a: NetworkFiles, b: NetworkFiles): boolean {
  return a.size === b.size && [...a].every(([name, text]) => b.get(name) === text);
}

function writeFiles(directory: string, before: NetworkFiles, files: NetworkFiles): void {
  for (const name of before.keys()) if (!files.has(name)) rmSync(join(directory, name));
  for (const [name, text] of files) {
    // networkd runs as a user of its own and must be able to read them.
    writeFileSync(join(directory, `.${name}.new`), text, { mode: 0o644 });
    renameSync(join(directory, `.${name}.new`), join(directory, name));
  }
}

/** Names of virtual devices whose definition is gone or another. */
function changedDevices(before: NetworkFiles, files: NetworkFiles): string[] {
  return [...before].flatMap(([name, text]) => {
    if (!name.endsWith(".netdev") || files.get(name) === text) return [];
    const device = /^Name=(.+)$/m.exec(text)?.[1];
    return device === undefined ? [] : [device];
  });
}
