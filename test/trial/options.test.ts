import { expect, test } from "bun:test";
import { assertSameOptions, DRIVES_MAX, parseArguments, portsOf, PORTS_OF_A_TRIAL, withDefaults } from "../../src/trial/options.ts";

test("without a word a trial is three servers with two drives each on the embedded store", () => {
  expect(withDefaults(parseArguments({}))).toEqual({
    servers: 3, drives: 2, driveSizeBytes: 8 * 2 ** 30, addresses: ["127.0.0.1", "127.0.0.2", "127.0.0.3"], netns: [], store: "sqlite", processes: "separate", portBase: 3260, evaluation: false,
  });
});

test("what the administrator says is understood", () => {
  const said = { servers: "2", drives: "1", driveSize: "512MiB", addresses: "10.0.0.1, 10.0.0.2", netns: "a,b", store: "etcd", processes: "shared", portBase: "5000" };
  expect(withDefaults(parseArguments(said))).toEqual({
    servers: 2, drives: 1, driveSizeBytes: 512 * 2 ** 20, addresses: ["10.0.0.1", "10.0.0.2"], netns: ["a", "b"], store: "etcd", processes: "shared", portBase: 5000, evaluation: false,
  });
  expect(withDefaults(parseArguments({ servers: "5" })).addresses).toHaveLength(5);
  expect(withDefaults(parseArguments({ addresses: "10.0.0.1,10.0.0.2" })).servers).toBe(2);
});

test("nonsense is refused by the name of its option", () => {
  const wrong = [
    { servers: "0" }, { servers: "3.5" }, { drives: "-1" }, { drives: String(DRIVES_MAX + 1) }, { driveSize: "8" }, { driveSize: "1MiB" }, { driveSize: "9999999TiB" },
    { addresses: "A,,B" }, { addresses: "one,two,three" }, { addresses: "10.0.0.1,10.0.0.1,10.0.0.2" }, { addresses: "10.0.0.1", servers: "3" },
    { netns: "a" , servers: "3" }, { netns: "-n,b,c" }, { store: "zookeeper" }, { processes: "one" }, { portBase: "0" }, { portBase: "65500" }, { portBase: "x" },
  ];
  for (const given of wrong) {
    const [key] = Object.keys(given);
    const option = `--${(key ?? "").replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    expect(() => withDefaults(parseArguments(given)), JSON.stringify(given)).toThrow(option);
  }
});

test("all ports of a trial are different and lie in the fifty from its base", () => {
  const ports = portsOf(4000);
  const all = [ports.portal, ports.api, ports.etcdClient, ports.etcdPeer, ...Array.from({ length: DRIVES_MAX }, (_, index) => ports.drive(index))];
  expect(new Set(all).size).toBe(all.length);
  expect(Math.min(...all)).toBe(4000);
  expect(Math.max(...all)).toBeLessThan(4000 + PORTS_OF_A_TRIAL);
});

test("a trial that is there keeps its options: the same are welcome, others are refused by name", () => {
  const saved = withDefaults({ portBase: 5000 });
  assertSameOptions(saved, {});
  assertSameOptions(saved, { portBase: 5000, addresses: ["127.0.0.1", "127.0.0.2", "127.0.0.3"] });
  expect(() => assertSameOptions(saved, { portBase: 5001 })).toThrow("--port-base 5000, not 5001");
  expect(() => assertSameOptions(saved, { store: "etcd" })).toThrow("--store sqlite, not etcd");
});

test("a trial of one server is refused, since it could never become healthy", () => {
  expect(() => withDefaults(parseArguments({ servers: "1" }))).toThrow(/at least two servers/);
  expect(withDefaults(parseArguments({ servers: "1", evaluation: true })).addresses).toEqual(["127.0.0.1"]);
  expect(() => withDefaults({ addresses: ["127.0.0.1"] })).toThrow(/at least two servers/);
});
