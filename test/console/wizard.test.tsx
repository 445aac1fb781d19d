import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { App } from "../../src/console/app.tsx";
import { FINGERPRINT, FakeNetwork, FakeServer, configured, report, status } from "./fake-server.ts";
import { openScreen, type TestScreen } from "./screen.ts";

let server: FakeServer;
let network: FakeNetwork;
let screen: TestScreen;
beforeEach(() => {
  server = new FakeServer();
  network = new FakeNetwork();
  screen = openScreen(<App server={server} network={network} power={(what) => server.did.push(`machine ${what}`)} />);
});
afterEach(() => screen.close());

/** From the welcome to the network's overview. */
async function throughNames(goal: "create" | "join" | "evaluation", name = "server-1"): Promise<void> {
  await screen.shows("not set up yet");
  if (goal !== "create") screen.press("down");
  if (goal === "evaluation") screen.press("down");
  screen.press("enter");
  await screen.shows("set-up: names");
  if (goal !== "join") {
    screen.press("clear");
    screen.type("prod");
    screen.press("enter");
  }
  screen.press("clear");
  screen.type(name);
  screen.press("enter");
  await screen.shows("set-up: network");
}
/** A static address on the first port. */
async function throughNetwork(): Promise<void> {
  await screen.shows("> Set the network");
  screen.press("enter");
  await screen.shows("Which port");
  screen.type(" ");
  screen.press("enter");
  await screen.shows("On eno1.");
  screen.press("enter");
  screen.type("10.0.0.1");
  screen.press("enter", "enter", "enter", "enter", "enter", "enter", "enter");
  await screen.shows("being tried");
  network.told = report("kept");
}
async function throughPassword(): Promise<void> {
  await screen.shows("administrator's password");
  screen.type("correct horse");
  screen.press("enter");
  screen.type("correct horse");
  screen.press("enter");
}
async function throughDrives(): Promise<void> {
  await screen.shows("drives for data");
  await screen.shows("sdb");
  screen.type(" ");
  screen.press("enter");
  await screen.shows("set-up: confirm");
}

describe("the first set-up", () => {
  test("creates a cluster, tells how far it is, and shows the join code big", async () => {
    await throughNames("create");
    await throughNetwork();
    await throughPassword();
    await throughDrives();
    for (const text of ["cluster prod", "server-1", "10.0.0.1", "sdb", "Until two more have joined"]) expect(screen.text()).toContain(text);
    expect(server.created).toEqual([]);
    screen.press("enter");
    await screen.shows("Beginning");
    expect(server.created).toEqual([{ clusterName: "prod", serverName: "server-1", address: "10.0.0.1", adminPassword: "correct horse", evaluation: false, drives: ["/dev/sdb"] }]);
    server.now = { phase: "forming", version: "0.1.0", name: "server-1", step: { name: "store", number: 3, of: 6, detail: "The cluster store starts." } };
    await screen.shows("step 3 of 6");
    expect(screen.text()).toContain("The cluster store starts.");
    server.now = configured({ status: status({ health: { state: "unavailable", sentence: "Unavailable: two servers are missing." } }, 1) });
    await screen.shows("K7QF-2M9X, valid until 14:02 UTC");
    expect(screen.text()).toContain("#   #  #####");
    expect(screen.text()).toContain("address 10.0.0.1");
    screen.press("enter");
    await screen.shows("Unavailable: two servers are missing.");
    expect(screen.text()).toContain('To add one: on its console choose "Join a cluster", and give 10.0.0.1');
  });

  test("gives the network settings as they were typed, and keeps nothing that does not work", async () => {
    await throughNames("create");
    await screen.shows("> Set the network");
    screen.press("enter");
    await screen.shows("NO LINK");
    screen.press("enter");
    expect(screen.text()).toContain("Choose a port with Space.");
    screen.type(" ");
    screen.press("down");
    screen.type(" ");
    screen.press("enter");
    await screen.shows("On eno1 and eno2.");
    screen.press("right", "enter", "enter");
    screen.type("10.0.0.300");
    for (let field = 0; field < 7; field++) screen.press("enter");
    expect(screen.text()).toContain("10.0.0.300 is no IPv4 address");
    screen.press("backspace", "backspace", "backspace");
    screen.type("5");
    screen.press("enter", "enter");
    screen.type("10.0.0.254");
    screen.press("enter", "enter");
    screen.type("30");
    screen.press("enter");
    screen.type("9000");
    screen.press("enter", "enter");
    await screen.shows("being tried");
    expect(network.begun).toEqual([{
      config: {
        version: 1, uplink: { kind: "bond", mode: "lacp", macs: ["52:54:00:00:00:01", "52:54:00:00:00:02"] }, vlan: 30, mtu: 9000,
        ipv4: { kind: "static", address: "10.0.0.5", prefix: 24, gateway: "10.0.0.254", dns: [] }, otherPorts: "off",
      },
      peers: [], expectAddress: null,
    }]);
    network.told = report("rolled-back", { problem: "The address 10.0.0.5 is in use by another machine (52:54:00:00:00:09): choose a free address." });
    await screen.shows("is in use by another machine");
    expect(screen.text()).toContain("The network is what it was before.");
    screen.press("enter");
    // Everything that was typed is still there.
    for (const text of ["10.0.0.5", "10.0.0.254", "30", "9000", "(*) LACP"]) expect(screen.text()).toContain(text);
  });

  test("an address that the machine has already is taken without a try", async () => {
    network.shown = { ...network.shown, addresses: [{ device: "eno1", address: "10.0.2.15", prefix: 24, dynamic: true }] };
    await throughNames("create");
    await screen.shows("Use 10.0.2.15/24 on eno1 as it is, by DHCP");
    screen.press("up", "enter");
    await screen.shows("administrator's password");
    expect(network.begun).toEqual([]);
  });

  test("going back loses nothing that was typed", async () => {
    await throughNames("create", "storage-7");
    await throughNetwork();
    await throughPassword();
    await screen.shows("drives for data");
    screen.press("escape");
    await screen.shows("administrator's password");
    expect(screen.text()).toContain("*************");
    screen.press("escape");
    await screen.shows("Set the network");
    screen.press("escape");
    expect(screen.text()).toContain("storage-7");
    expect(screen.text()).toContain("prod");
    screen.press("escape");
    expect(screen.text()).toContain("not set up yet");
  });

  test("wants the password twice and long enough", async () => {
    await throughNames("create");
    await throughNetwork();
    await screen.shows("administrator's password");
    screen.type("short");
    screen.press("enter", "enter");
    expect(screen.text()).toContain("A password has 10 to 256 characters");
    screen.type(" is not it");
    screen.press("enter");
    screen.type("short is not at");
    screen.press("enter");
    expect(screen.text()).toContain("The two passwords differ");
    expect(screen.text()).toContain("set-up: administrator's password");
  });

  test("what is on a drive is named, and lost only when the drive's name was typed", async () => {
    await throughNames("create");
    await throughNetwork();
    await throughPassword();
    await screen.shows("sdc");
    screen.press("down");
    expect(screen.text()).toContain("on it is: ext4 filesystem 'backup'");
    screen.type(" ");
    screen.press("enter");
    expect(screen.text()).toContain("All of it is lost for good");
    screen.type("yes");
    screen.press("enter");
    expect(screen.text()).toContain("That is not sdc: nothing was changed.");
    screen.press("escape");
    await screen.shows("Which drives shall store data");
    screen.press("enter");
    screen.type("sdc");
    screen.press("enter");
    await screen.shows("set-up: confirm");
    expect(screen.text()).toContain("everything that is on sdc");
    screen.press("enter");
    await screen.shows("Beginning");
    expect(server.created[0]?.drives).toEqual(["/dev/sdc"]);
  });

  test("an evaluation is said on every screen", async () => {
    await throughNames("evaluation");
    expect(screen.text()).toContain("EVALUATION: one copy of all data");
    await throughNetwork();
    await throughPassword();
    await throughDrives();
    expect(screen.text()).toContain("EVALUATION: one copy of all data");
    screen.press("enter");
    await screen.shows("Beginning");
    expect(server.created[0]?.evaluation).toBe(true);
    server.now = configured({ cluster: { name: "prod", id: "0".repeat(32), fingerprint: FINGERPRINT, evaluation: true }, status: status({}, 1) });
    await screen.shows("Servers");
    expect(screen.text()).toContain("EVALUATION: one copy of all data");
    expect(screen.text()).not.toContain("To add one");
    screen.press("enter");
    expect(screen.text()).toContain("EVALUATION: one copy of all data");
  });

  test("joins a cluster that was found, after its fingerprint was compared", async () => {
    server.clusters = [{ name: "prod", address: "10.0.0.1", fingerprint: FINGERPRINT }];
    await throughNames("join", "server-2");
    await throughNetwork();
    await screen.shows(/prod +10\.0\.0\.1/);
    screen.press("enter");
    await screen.shows("Join code");
    screen.press("enter");
    screen.type("k7qf2m9");
    screen.press("enter");
    expect(screen.text()).toContain("A join code has eight letters and digits");
    screen.type("x");
    server.refuses = "The join code is not the one that the cluster prod shows: read it again.";
    screen.press("enter");
    await screen.shows("The join code is not the one");
    screen.press("enter");
    await screen.shows("is it this cluster?");
    expect(server.joined.every((body) => body.fingerprint === undefined)).toBe(true);
    expect(screen.text()).toContain("B415-E3B9-CA74-7EF1");
    // Back asks the cluster again, and begins nothing.
    screen.press("escape");
    await screen.shows("Join code");
    screen.press("up", "enter", "enter");
    await screen.shows("It is the same");
    expect(server.joined.every((body) => body.fingerprint === undefined)).toBe(true);
    screen.press("enter");
    await throughDrives();
    expect(screen.text()).toContain("cluster prod through 10.0.0.1");
    screen.press("enter");
    await screen.shows("Beginning");
    expect(server.joined.at(-1)).toEqual({ address: "10.0.0.1", code: "k7qf2m9x", serverName: "server-2", ownAddress: "10.0.0.1", drives: ["/dev/sdb"], fingerprint: FINGERPRINT });
  });

  test("a formation that stopped says why, and goes on or begins anew", async () => {
    await throughNames("create", "storage-7");
    server.now = { phase: "forming", version: "0.1.0", name: "storage-7", step: { name: "drives", number: 4, of: 6, detail: "Drives are formatted." }, error: "The drive sdb cannot be written: use another one." };
    await screen.shows("The drive sdb cannot be written: use another one.");
    screen.press("enter");
    await screen.shows("Try again");
    expect(server.did).toEqual(["retry"]);
    screen.press("down", "enter");
    expect(server.did).toEqual(["retry", "abandon"]);
    server.now = { phase: "unconfigured", version: "0.1.0" };
    await screen.shows("not set up yet");
    screen.press("enter");
    expect(screen.text()).toContain("storage-7");
  });

  test("refused at the last step stays there with the reason", async () => {
    await throughNames("create");
    await throughNetwork();
    await throughPassword();
    await throughDrives();
    server.refuses = "The clock of this server says 1970: set it in the firmware's set-up.";
    screen.press("enter");
    await screen.shows("The clock of this server says 1970");
    screen.press("enter");
    await screen.shows("Beginning");
  });

  test("without an answering server says so, and can still power off", async () => {
    server.silent = true;
    await screen.shows("does not answer");
    screen.press("down", "down", "enter");
    expect(server.did).toEqual(["machine power-off"]);
    server.silent = false;
    await screen.shows("not set up yet");
  });
});
