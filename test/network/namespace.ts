import { systemRunner, type Runner } from "../../src/network/command-runner.ts";
import { uplinkMacs, type NetworkConfig } from "../../src/network/model.ts";
import type { NetworkExecutor } from "../../src/network/networkd.ts";
import { listPorts } from "../../src/network/ports.ts";

/**
 *     server                      lan
 *     p0 ------------------------ l0   10.77.0.1/24 (the router), 10.77.0.9/24 (somebody else)
 *     p1 ------------------------ l1   nothing answers there
 */
export interface World {
  /** Runs a program inside the server's namespace. */
  readonly run: Runner;
  readonly lan: Runner;
  /** Names of the two namespaces, for `ip netns exec`. */
  readonly names: { readonly server: string; readonly lan: string };
  /** Own addresses of p0 and p1. */
  readonly macs: readonly [string, string];
  close(): Promise<void>;
}

/** Two network namespaces joined by two cables; null where this machine cannot make them. */
export async function openWorld(): Promise<World | null> {
  const server = `vsnet-s${process.pid}`;
  const other = `vsnet-l${process.pid}`;
  const inside = (name: string): Runner => (argv) => systemRunner(["ip", "netns", "exec", name, ...argv]);
  const close = async (): Promise<void> => {
    await systemRunner(["ip", "netns", "del", server]);
    await systemRunner(["ip", "netns", "del", other]);
  };
  if ((await systemRunner(["ip", "netns", "add", server])).code !== 0) return null;
  const commands = [
    `ip netns add ${other}`,
    `ip -n ${server} link add p0 type veth peer name l0 netns ${other}`,
    `ip -n ${server} link add p1 type veth peer name l1 netns ${other}`,
    `ip -n ${other} address add 10.77.0.1/24 dev l0`,
    `ip -n ${other} address add 10.77.0.9/24 dev l0`,
    `ip -n ${other} link set l0 up`,
    `ip -n ${other} link set l1 up`,
    `ip -n ${server} link set lo up`,
  ];
  for (const command of commands) {
    const ran = await systemRunner(command.split(" "));
    if (ran.code !== 0) {
      await close();
      throw new Error(`${command}: ${ran.stderr}`);
    }
  }
  const run = inside(server);
  // Without it Linux answers for its addresses on every port.
  await inside(other)(["sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore"]);
  const [first, second] = await listPorts(run);
  return { run, lan: inside(other), names: { server, lan: other }, macs: [first?.mac ?? "", second?.mac ?? ""], close };
}

/** Does at once, by ip(8), what networkd makes of the files for a single port with a static address. */
export function iprouteExecutor(run: Runner): NetworkExecutor & { readonly applied: (NetworkConfig | null)[] } {
  const applied: (NetworkConfig | null)[] = [];
  return {
    applied,
    async apply(config, withAddress) {
      if (withAddress) applied.push(config);
      for (const port of await listPorts(run)) {
        await run(["ip", "address", "flush", "dev", port.name]);
        await run(["ip", "link", "set", "dev", port.name, "up"]);
        if (config === null || !uplinkMacs(config).includes(port.mac)) continue;
        if (config.mtu !== null) await run(["ip", "link", "set", "dev", port.name, "mtu", String(config.mtu)]);
        const { ipv4 } = config;
        if (ipv4.kind !== "static" || !withAddress) continue;
        await run(["ip", "address", "add", `${ipv4.address}/${ipv4.prefix}`, "dev", port.name]);
        if (ipv4.gateway !== null) await run(["ip", "route", "add", "default", "via", ipv4.gateway, "dev", port.name]);
      }
    },
  };
}
