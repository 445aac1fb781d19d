import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadReport } from "../../src/network/kept.ts";
import type { NetworkConfig } from "../../src/network/model.ts";
import { networkPaths } from "../../src/network/places.ts";
import { startDaemon, type Daemon } from "./daemon.ts";
import { openWorld, type World } from "./namespace.ts";

const TOP = join(import.meta.dir, "../..");

let world: World;
let daemon: Daemon;
let folder: string;
beforeAll(async () => {
  const opened = await openWorld();
  if (opened === null) throw new Error("this test needs network namespaces: run it as root");
  world = opened;
  // Only its namespaces are needed: in them nobody answers systemctl, as at boot before networkd runs.
  daemon = await startDaemon(world.names.server);
  folder = mkdtempSync(join(tmpdir(), "virtustor-network-"));
});
afterAll(async () => {
  await daemon.close();
  await world.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A state and run directory of its own, and the command in the server's namespaces. */
function open(name: string): { paths: ReturnType<typeof networkPaths>; files(): string[]; start(...args: string[]): { process: Bun.Subprocess<"ignore", "pipe", "pipe">; done: Promise<{ code: number; err: string }> } } {
  const state = join(folder, name, "state");
  const run = join(folder, name, "run");
  const networkd = join(folder, name, "networkd");
  for (const directory of [state, run, networkd]) mkdirSync(directory, { recursive: true });
  return {
    paths: networkPaths(state, run),
    files: () => readdirSync(networkd).sort(),
    start(...args) {
      const process = Bun.spawn([...daemon.inside, Bun.argv[0] ?? "bun", join(TOP, "src/main.ts"), "network", ...args, "--state", state, "--run", run, "--networkd", networkd], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
      return { process, done: Promise.all([new Response(process.stderr).text(), process.exited]).then(([err, code]) => ({ code, err })) };
    },
  };
}
const DHCP_ALONE = ["80-virtustor-other.network"];
const config = (): NetworkConfig => ({
  // Nothing brings p0 up here: the try looks for a link until it is ended.
  version: 1, uplink: { kind: "port", mac: world.macs[0] }, vlan: null, mtu: null, ipv4: { kind: "static", address: "10.77.0.5", prefix: 24, gateway: null, dns: [] }, otherPorts: "off",
});
async function trying(place: ReturnType<typeof open>): Promise<void> {
  for (let tries = 0; loadReport(place.paths.report)?.steps.some(({ name, state }) => name === "link" && state === "running") !== true; tries++) {
    if (tries > 1000) throw new Error("the try did not come to the link");
    await Bun.sleep(10);
  }
}

describe("virtustor network", () => {
  test("apply without anything kept has each port ask DHCP, and so has what cannot be read", async () => {
    const place = open("boot");
    expect(await place.start("apply").done).toEqual({ code: 0, err: "" });
    expect(place.files()).toEqual(DHCP_ALONE);
    await Bun.write(place.paths.kept, '{"version": 1');
    const { code, err } = await place.start("apply").done;
    expect(code).toBe(0);
    expect(err).toContain("network.json is not readable");
    expect(place.files()).toEqual(DHCP_ALONE);
  });

  test("try that is killed leaves what is kept to the next apply", async () => {
    const place = open("killed");
    await place.start("apply").done;
    await Bun.write(place.paths.wanted, JSON.stringify(config()));
    const { process, done } = place.start("try", "--file", place.paths.wanted);
    await trying(place);
    expect(place.files()).toContain("20-virtustor-port.network");
    process.kill("SIGKILL");
    await done;
    expect(existsSync(place.paths.kept)).toBe(false);
    await place.start("apply").done;
    expect(place.files()).toEqual(DHCP_ALONE);
  });

  test("try that is told to end rolls back itself; meanwhile no other one begins", async () => {
    const place = open("ended");
    await place.start("apply").done;
    await Bun.write(place.paths.wanted, JSON.stringify(config()));
    const first = place.start("try", "--file", place.paths.wanted);
    await trying(place);
    const second = await place.start("try", "--file", place.paths.wanted).done;
    expect(second.code).toBe(1);
    expect(second.err).toContain("another change of the network is under way");
    first.process.kill("SIGTERM");
    const { code } = await first.done;
    expect(code).toBe(1);
    expect(loadReport(place.paths.report)?.phase).toBe("rolled-back");
    expect(place.files()).toEqual(DHCP_ALONE);
    expect(existsSync(place.paths.kept)).toBe(false);
  });

  test("try refuses a configuration that cannot be, and changes nothing", async () => {
    const place = open("refused");
    await Bun.write(place.paths.wanted, JSON.stringify({ ...config(), mtu: 20 }));
    const { code, err } = await place.start("try", "--file", place.paths.wanted).done;
    expect(code).toBe(1);
    expect(err).toContain("mtu");
    expect(place.files()).toEqual([]);
  });
});
