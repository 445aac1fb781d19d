import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { NetworkConfig } from "../../src/network/model.ts";
import { networkdExecutor, type NetworkExecutor } from "../../src/network/networkd.ts";
import { gatewayOf, listAddresses, listPorts } from "../../src/network/ports.ts";
import { tryNetwork, type TryReport } from "../../src/network/try.ts";
import { startDaemon, type Daemon } from "./daemon.ts";
import { openWorld, type World } from "./namespace.ts";

/** A router that gives addresses, and a server: each a real systemd-networkd. */
let world: World;
let daemon: Daemon;
let router: Daemon;
let executor: NetworkExecutor;
beforeAll(async () => {
  const opened = await openWorld();
  if (opened === null) throw new Error("this test needs network namespaces: run it as root");
  world = opened;
  daemon = await startDaemon(world.names.server);
  executor = networkdExecutor(daemon.directory, daemon.run);
  router = await startDaemon(world.names.lan);
  writeFileSync(join(router.directory, "lan.network"), "[Match]\nName=l0\n\n[Network]\nAddress=10.77.0.1/24\nAddress=10.77.0.9/24\nDHCPServer=yes\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n\n[DHCPServer]\nServerAddress=10.77.0.1/24\nPoolOffset=100\nPoolSize=50\nEmitRouter=yes\n");
  await router.run(["systemctl", "restart"]);
});
afterAll(async () => {
  await daemon.close();
  await router.close();
  await world.close();
});

const config = (change: Partial<NetworkConfig> = {}): NetworkConfig => ({
  version: 1, uplink: { kind: "port", mac: world.macs[0] }, vlan: null, mtu: null, ipv4: { kind: "static", address: "10.77.0.5", prefix: 24, gateway: "10.77.0.1", dns: [] }, otherPorts: "off", ...change,
});
const addresses = async (): Promise<string[]> => (await listAddresses(daemon.run)).map(({ device, address, prefix }) => `${device} ${address}/${prefix}`);
function tryIt(wanted: NetworkConfig, previous: NetworkConfig | null, saved: NetworkConfig[] = []): Promise<TryReport> {
  return tryNetwork(
    { run: daemon.run, sleep: (ms) => Bun.sleep(ms / 4), patience: 1, executor, save: async (kept) => void saved.push(kept), report: () => undefined, stopped: () => false },
    { config: wanted, previous, peers: [], expectAddress: null },
  );
}

describe("systemd-networkd with these files", () => {
  test("asks for addresses by DHCP before anything is set", async () => {
    await executor.apply(null, true);
    for (let tries = 0; (await addresses()).length === 0; tries++) {
      if (tries > 300) throw new Error(`no lease: ${await daemon.log()}`);
      await Bun.sleep(100);
    }
    expect((await addresses())[0]).toMatch(/^p0 10\.77\.0\.1\d\d\/24$/);
    expect(await gatewayOf(daemon.run, "p0")).toBe("10.77.0.1");
  });

  test("takes a static address that was tried, with the MTU, and leaves the other port up without one", async () => {
    const saved: NetworkConfig[] = [];
    const report = await tryIt(config({ mtu: 1400 }), null, saved);
    expect(report).toMatchObject({ phase: "kept", address: "10.77.0.5", problem: null });
    expect(saved).toEqual([config({ mtu: 1400 })]);
    expect(await addresses()).toEqual(["p0 10.77.0.5/24"]);
    expect((await listPorts(daemon.run)).map(({ name, link, mtu }) => `${name} ${link} ${mtu}`)).toEqual(["p0 up 1400", "p1 up 1500"]);
  });

  test("goes back to what was kept when the address is somebody else's", async () => {
    const report = await tryIt(config({ ipv4: { kind: "static", address: "10.77.0.9", prefix: 24, gateway: "10.77.0.1", dns: [] } }), config());
    expect(report.phase).toBe("rolled-back");
    expect(report.problem).toContain("10.77.0.9 is in use by another machine");
    for (let tries = 0; !(await addresses()).includes("p0 10.77.0.5/24"); tries++) {
      if (tries > 100) throw new Error(`not back: ${await daemon.log()}`);
      await Bun.sleep(100);
    }
    expect(await addresses()).toEqual(["p0 10.77.0.5/24"]);
  });

  test("understands every word of a bond with a VLAN", async () => {
    await executor.apply(config({ uplink: { kind: "bond", mode: "lacp", macs: [...world.macs] }, vlan: 30, mtu: 9000, ipv4: { kind: "dhcp" }, otherPorts: "dhcp" }), true);
    for (let tries = 0; !(await daemon.log()).includes("Enumeration completed"); tries++) {
      if (tries > 300) throw new Error(await daemon.log());
      await Bun.sleep(100);
    }
    const complaints = (await daemon.log()).split("\n").filter((line) => /\.(network|netdev):\d+|unknown|invalid|failed to parse/i.test(line));
    expect(complaints).toEqual([]);
    // That it would complain is seen by a word that it does not know.
    writeFileSync(join(daemon.directory, "99-wrong.network"), "[Match]\nName=p9\n\n[Network]\nNoSuchWord=yes\n");
    await daemon.run(["systemctl", "restart"]);
    for (let tries = 0; !(await daemon.log()).includes("NoSuchWord"); tries++) {
      if (tries > 300) throw new Error(await daemon.log());
      await Bun.sleep(100);
    }
  });
});
