import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { App } from "../../src/console/app.tsx";
import { FakeNetwork, FakeServer, configured, report, status } from "./fake-server.ts";
import { openScreen, type TestScreen } from "./screen.ts";

let server: FakeServer;
let network: FakeNetwork;
let screen: TestScreen;
beforeEach(() => {
  server = new FakeServer();
  network = new FakeNetwork();
  server.now = configured();
});
afterEach(() => screen.close());

async function open(rows = 25): Promise<void> {
  screen = openScreen(<App server={server} network={network} power={() => undefined} />, { columns: 80, rows });
  await screen.shows("Servers");
}
/** Opens the actions and chooses one by its first letters. */
async function choose(letter: string, times = 1): Promise<void> {
  screen.press("enter");
  await screen.shows("actions");
  for (let time = 0; time < times; time++) screen.type(letter);
  screen.press("enter");
}

describe("the status", () => {
  test("shows health, addresses, servers, drives, alerts and the log within 80 by 24", async () => {
    server.now = configured({
      status: status({
        health: { state: "degraded", sentence: "Degraded: 12 of 512 groups are one copy short since server-2 stopped answering at 14:02; recovering, 6 min left. Do not power off server-1 or server-3." },
        servers: status({}, 3).servers.map((one, index) => ({ ...one, up: index !== 1 })),
        alerts: ["server-2 does not answer", "The clock of server-3 is 4 s ahead", "The drive d2 is nearly full"],
      }, 3),
    });
    server.lines = Array.from({ length: 40 }, (_, index) => `14:02:${index} line ${index}`);
    await open(24);
    await screen.shows("line 39");
    const text = screen.text();
    const lines = text.split("\n");
    expect(lines).toHaveLength(24);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(80);
    for (const part of ["VirtuStor server-1 in cluster prod", "recovering, 6 min left.", "https://10.0.0.1/", "iSCSI portal 10.0.0.1:3260", "server-2  DOWN", "d0a7f  up", "120.0 GB of 1.9 TB used", "server-2 does not answer", "and 2 more", "(this server)", "Enter: actions"]) expect(text).toContain(part);
  });
  test("keeps what it knew, and says so, while the server does not answer", async () => {
    await open();
    server.silent = true;
    await screen.shows("does not answer");
    expect(screen.text()).toContain("server-3");
    server.silent = false;
    await screen.shows("Healthy");
  });
  test("is drawn anew only when something has changed", async () => {
    let frames = 0;
    server.lines = [];
    screen = openScreen(<App server={server} network={network} power={() => undefined} />, { columns: 80, rows: 25 }, undefined, () => (frames += 1));
    await screen.shows("Servers");
    // Two seconds are some questions to the server; the first answers may still draw something.
    let before = -1;
    for (let tries = 0; before !== frames && tries < 10; tries++) {
      before = frames;
      await Bun.sleep(2000);
    }
    expect(frames).toBe(before);
  });
});

describe("the actions", () => {
  test("show a join code with the fingerprint, and make a new one", async () => {
    await open();
    await choose("s");
    await screen.shows("K7QF-2M9X, valid until 14:02 UTC");
    expect(screen.text()).toContain("D318-8E53-C9AA-1053");
    screen.type("n");
    expect(server.did).toEqual(["join-code", "join-code"]);
    screen.press("escape");
    await screen.shows("Servers");
  });
  test("set a new password for admin", async () => {
    await open();
    await choose("r");
    await screen.shows("New password");
    screen.type("battery staple");
    screen.press("enter");
    screen.type("battery staple");
    screen.press("enter");
    await screen.shows("has the new password");
    expect(server.did).toEqual(["password battery staple"]);
  });
  test("restart only after a yes, with what it costs", async () => {
    await open();
    await choose("r", 2);
    await screen.shows("12 of 512 groups are one copy short");
    screen.press("enter");
    await screen.shows("Servers");
    expect(server.did).toEqual([]);
    await choose("p");
    await screen.shows("12 of 512 groups");
    screen.press("down", "enter");
    await screen.shows("powers off");
    expect(server.did).toEqual(["power-off"]);
  });
  test("add an empty drive after a yes, and one with something on it after its name", async () => {
    await open();
    await choose("a");
    await screen.shows("sdb");
    screen.press("enter", "down", "enter");
    await screen.shows("stores data from now on");
    screen.press("enter");
    await choose("a");
    await screen.shows("sdc");
    screen.press("down", "enter");
    expect(screen.text()).toContain("On it is: ext4 filesystem 'backup'");
    screen.type("sdc");
    screen.press("enter");
    await screen.shows("stores data from now on");
    expect(server.did).toEqual(["add /dev/sdb", "add /dev/sdc, wiping /dev/sdc"]);
  });
  test("change the network only under the address that the cluster knows, and ask the other servers", async () => {
    network.shown = { ...network.shown, kept: { version: 1, uplink: { kind: "port", mac: "52:54:00:00:00:01" }, vlan: null, mtu: null, ipv4: { kind: "static", address: "10.0.0.1", prefix: 24, gateway: null, dns: [] }, otherPorts: "off" } };
    await open();
    await choose("n");
    await screen.shows("The network now: 10.0.0.1/24, no gateway on eno1.");
    screen.press("enter");
    await screen.shows("[x] eno1");
    screen.press("enter");
    await screen.shows("On eno1.");
    expect(screen.text()).toContain("10.0.0.1");
    for (let field = 0; field < 8; field++) screen.press("enter");
    await screen.shows("being tried");
    expect(network.begun[0]).toMatchObject({ peers: ["10.0.0.2", "10.0.0.3"], expectAddress: "10.0.0.1" });
    network.told = report("kept", { warnings: ["eno2 has no link; the bond works without it for now."] });
    await screen.shows("eno2 has no link");
    screen.press("enter");
    await screen.shows("Servers");
  });
  test("show the log with what is older", async () => {
    server.lines = Array.from({ length: 100 }, (_, index) => `line ${index}.`);
    await open();
    await choose("l");
    await screen.shows("line 99.");
    expect(screen.text()).not.toContain("line 10.");
    screen.press("home");
    expect(screen.text()).toContain("line 0.");
    screen.press("escape");
    await screen.shows("Servers");
  });
  test("of an evaluation do not let others join", async () => {
    server.now = configured({ cluster: { name: "prod", id: "0".repeat(32), fingerprint: "AA:BB", evaluation: true } });
    await open();
    await choose("s");
    expect(screen.text()).toContain("Not possible: an evaluation stays on one server");
    expect(server.did).toEqual([]);
  });
});
