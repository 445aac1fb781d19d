import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadNetwork, loadReport, saveNetwork, saveReport } from "../../src/network/kept.ts";
import type { NetworkConfig } from "../../src/network/model.ts";
import { listAddresses, listPorts } from "../../src/network/ports.ts";
import { tryNetwork, type TryOptions, type TryReport } from "../../src/network/try.ts";
import { iprouteExecutor, openWorld, type World } from "./namespace.ts";

let world: World;
let folder: string;
beforeAll(async () => {
  const opened = await openWorld();
  if (opened === null) throw new Error("this test needs network namespaces: run it as root");
  world = opened;
  folder = mkdtempSync(join(tmpdir(), "virtustor-network-"));
});
afterAll(async () => {
  await world.close();
  rmSync(folder, { recursive: true, force: true });
});

const config = (change: Partial<Extract<NetworkConfig["ipv4"], { kind: "static" }>> = {}, port: 0 | 1 = 0): NetworkConfig => ({
  version: 1,
  uplink: { kind: "port", mac: world.macs[port] },
  vlan: null,
  mtu: null,
  ipv4: { kind: "static", address: "10.77.0.5", prefix: 24, gateway: "10.77.0.1", dns: [], ...change },
  otherPorts: "off",
});

/** Tries as the command does, with what is kept in `folder`; waits a hundredth of the time between two looks. */
async function tryIt(wanted: NetworkConfig, options: Partial<TryOptions> = {}, broken: { save?: () => never; stopped?: () => boolean } = {}): Promise<{ report: TryReport; phases: string[]; applied: (NetworkConfig | null)[] }> {
  const kept = join(folder, "network.json");
  const executor = iprouteExecutor(world.run);
  const phases: string[] = [];
  const report = await tryNetwork(
    {
      run: world.run,
      sleep: (ms) => Bun.sleep(ms / 100),
      patience: 0.2,
      executor,
      save: async (saved) => broken.save?.() ?? saveNetwork(kept, saved),
      report: (now) => {
        saveReport(join(folder, "try.json"), now);
        phases.push(now.steps.find(({ state }) => state === "running")?.name ?? now.phase);
      },
      stopped: broken.stopped ?? (() => false),
    },
    { config: wanted, previous: loadNetwork(kept), peers: [], expectAddress: null, ...options },
  );
  return { report, phases: phases.filter((phase, at) => phases[at - 1] !== phase), applied: executor.applied };
}
const keptAddress = (): string | undefined => {
  const kept = loadNetwork(join(folder, "network.json"));
  return kept?.ipv4.kind === "static" ? kept.ipv4.address : undefined;
};

describe("a network that is tried", () => {
  test("lists ports with their own address and link", async () => {
    const ports = await listPorts(world.run);
    expect(ports.map(({ name, driver }) => `${name} ${driver}`)).toEqual(["p0 veth", "p1 veth"]);
    expect(ports.every(({ mac }) => /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac))).toBe(true);
  });

  test("is kept when every step has passed", async () => {
    const { report, phases } = await tryIt(config());
    expect(report.problem).toBeNull();
    expect(report).toMatchObject({ phase: "kept", address: "10.77.0.5", device: "p0", warnings: [] });
    for (const step of ["link", "free", "address", "answer", "keep", "kept"]) expect(phases).toContain(step);
    expect(keptAddress()).toBe("10.77.0.5");
    expect(loadReport(join(folder, "try.json"))).toEqual(report);
  });

  test("is not kept when somebody else has the address, and never takes it", async () => {
    const { report, applied } = await tryIt(config({ address: "10.77.0.9" }));
    expect(report.phase).toBe("rolled-back");
    expect(report.problem).toMatch(/^The address 10\.77\.0\.9 is in use by another machine \(([0-9a-f]{2}:){5}[0-9a-f]{2}\): choose a free address/);
    // What was kept is there again; the other's address never was.
    expect(applied.map((one) => (one?.ipv4.kind === "static" ? one.ipv4.address : null))).toEqual(["10.77.0.5"]);
    expect((await listAddresses(world.run)).map(({ address }) => address)).toEqual(["10.77.0.5"]);
    expect(keptAddress()).toBe("10.77.0.5");
  });

  test("is rolled back when nobody answers", async () => {
    const { report } = await tryIt(config({ address: "10.77.0.6" }, 1));
    expect(report.problem).toContain("Nobody answers on p1 (asked: the gateway 10.77.0.1): check the cable's other end");
    expect((await listAddresses(world.run)).map(({ device, address }) => `${device} ${address}`)).toEqual(["p0 10.77.0.5"]);
    expect(keptAddress()).toBe("10.77.0.5");
  });

  test("is rolled back when the port has no link", async () => {
    await world.lan(["ip", "link", "set", "l1", "down"]);
    const { report } = await tryIt(config({ address: "10.77.0.6" }, 1));
    await world.lan(["ip", "link", "set", "l1", "up"]);
    expect(report.problem).toContain("There is no link on p1: plug in the cable");
    expect(report.steps.find(({ name }) => name === "link")?.state).toBe("failed");
    expect(keptAddress()).toBe("10.77.0.5");
  });

  test("counts another server's answer, and its size when frames are to be large", async () => {
    const { report } = await tryIt(config({ gateway: null }), { peers: ["10.77.0.9"] });
    expect(report.phase).toBe("kept");
    const jumbo: NetworkConfig = { ...config({ gateway: null }), mtu: 9000 };
    const refused = await tryIt(jumbo, { peers: ["10.77.0.9"] });
    expect(refused.report.problem).toContain("packets of 9000 bytes do not reach it");
    expect(loadNetwork(join(folder, "network.json"))?.mtu).toBeNull();
    await world.run(["ip", "link", "set", "p0", "mtu", "1500"]);
  });

  test("without anybody to ask is kept with a warning", async () => {
    const { report } = await tryIt(config({ gateway: null }));
    expect(report.phase).toBe("kept");
    expect(report.warnings[0]).toContain("nobody could be asked");
  });

  test("keeps the address by which the cluster knows this server", async () => {
    const { report } = await tryIt(config({ address: "10.77.0.7" }), { expectAddress: "10.77.0.5" });
    expect(report.problem).toContain("The cluster knows this server as 10.77.0.5");
    expect(keptAddress()).toBe("10.77.0.5");
  });

  test("is rolled back when it cannot be made durable, and when its time is over", async () => {
    const { report } = await tryIt(config({ address: "10.77.0.8" }), {}, { save: () => { throw new Error("/state is read-only: look at the system drive."); } });
    expect(report).toMatchObject({ phase: "rolled-back", problem: "/state is read-only: look at the system drive." });
    let looks = 0;
    const late = await tryIt(config({ address: "10.77.0.8" }), {}, { stopped: () => ++looks > 3 });
    expect(late.report).toMatchObject({ phase: "rolled-back", problem: expect.stringContaining("ended before it was done") });
    expect((await listAddresses(world.run)).map(({ address }) => address)).toEqual(["10.77.0.5"]);
    expect(keptAddress()).toBe("10.77.0.5");
  });

  test("a port that is gone is named", async () => {
    const gone: NetworkConfig = { ...config(), uplink: { kind: "port", mac: "52:54:00:99:99:99" } };
    expect((await tryIt(gone)).report.problem).toContain("no such network port");
  });
});

test("a kept configuration that cannot be read names its file", async () => {
  const path = join(folder, "torn.json");
  await Bun.write(path, '{"version":1');
  expect(() => loadNetwork(path)).toThrow(path);
  expect(loadNetwork(join(folder, "none.json"))).toBeNull();
});
