import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { App } from "../../src/console/app.tsx";
import { KeyParser } from "../../src/console/widgets/keys.ts";
import type { ConsoleKeys } from "../system/image/install-keys.ts";
import { createByKeys, joinByKeys, type ServerByKeys } from "../system/image/set-up-keys.ts";
import { FINGERPRINT, FakeNetwork, FakeServer, configured, drive, report, status } from "./fake-server.ts";
import { openScreen, type TestScreen } from "./screen.ts";

let server: FakeServer;
let network: FakeNetwork;
let screen: TestScreen;
beforeEach(() => {
  server = new FakeServer();
  server.drives = [drive("/dev/vdb"), drive("/dev/vdc")];
  network = new FakeNetwork();
  screen = openScreen(<App server={server} network={network} power={() => undefined} />);
});
afterEach(() => screen.close());

/** The serial line of a machine that shows the console. */
function machine(): ConsoleKeys {
  const parser = new KeyParser();
  return {
    send: (keys) => parser.feed(keys).forEach(({ name, text }) => (name === "text" ? screen.type(text) : screen.press(name))),
    async expect(pattern) {
      await screen.shows(pattern);
      const match = pattern.exec(screen.text());
      if (match === null) throw new Error(`${pattern} was on the screen and is gone`);
      return match;
    },
  };
}
const options: ServerByKeys = { serverName: "storage-1", network: { mac: "52:54:00:00:00:02", address: "10.0.0.1", prefix: 16, gateway: "", otherPorts: "dhcp" }, drives: ["vdb", "vdc"] };
/** The network works, with a warning. */
const begin = (): void => {
  network.begin = async (config, how) => {
    network.begun.push({ config, ...how });
    network.told = report("kept", { warnings: ["Without a gateway nobody could be asked whether this network is the right one."] });
  };
};

describe("the keys that set up a virtual machine", () => {
  test("create a cluster and read its code", async () => {
    begin();
    const create = server.create.bind(server);
    server.create = async (body) => {
      const answer = await create(body);
      server.now = { phase: "forming", version: "0.1.0", step: { name: "store", number: 1, of: 2, detail: "The store starts." } };
      setTimeout(() => (server.now = configured({ status: status({}, 1) })), 1500);
      return answer;
    };
    const created = await createByKeys(machine(), { ...options, clusterName: "prod", password: "correct horse" });
    expect(created.code).toBe("K7QF-2M9X");
    expect(created.fingerprint.join("-")).toBe(FINGERPRINT);
    expect(created.pressed).toBeGreaterThan(60);
    expect(network.begun[0]?.config).toMatchObject({ uplink: { kind: "port", mac: "52:54:00:00:00:02" }, ipv4: { kind: "static", address: "10.0.0.1", prefix: 16, gateway: null }, otherPorts: "dhcp" });
    expect(server.created).toMatchObject([{ clusterName: "prod", serverName: "storage-1", address: "10.0.0.1", drives: ["/dev/vdb", "/dev/vdc"] }]);
  }, 120_000);

  test("join it", async () => {
    begin();
    const join = server.join.bind(server);
    server.join = async (body) => {
      const answer = await join(body);
      if (body.fingerprint !== undefined) server.now = configured({ status: status({}, 2) });
      return answer;
    };
    await joinByKeys(machine(), { ...options, through: "10.0.0.9", code: "K7QF-2M9X", fingerprint: FINGERPRINT.match(/\w{4}(-\w{4}){3}/g) ?? [] });
    expect(server.joined.at(-1)).toMatchObject({ address: "10.0.0.9", code: "K7QF-2M9X", serverName: "storage-1", ownAddress: "10.0.0.1", fingerprint: FINGERPRINT, drives: ["/dev/vdb", "/dev/vdc"] });
  }, 120_000);

  test("tell why the network was not kept", async () => {
    network.begin = async () => void (network.told = report("rolled-back", { problem: "There is no link on eno2: plug in the cable." }));
    await expect(joinByKeys(machine(), { ...options, through: "10.0.0.9", code: "K7QF-2M9X", fingerprint: [] })).rejects.toThrow("There is no link on eno2");
  }, 120_000);
});
