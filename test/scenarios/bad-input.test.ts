import { expect, test } from "bun:test";
import { connect } from "node:net";
import { ConnectionLost } from "../initiator/connection.ts";
import { Initiator } from "../initiator/initiator.ts";
import { AUTHENTICATION_FAILURE, AUTHORIZATION_FAILURE, LoginRefused, TARGET_NOT_FOUND } from "../initiator/login.ts";
import { parsePortal } from "../initiator/url.ts";
import { expectAllThere, noteInterval, startLoad } from "./load.ts";
import { SCENARIO_MS, TrialUnderTest } from "./trial-under-test.ts";

/** Offsets from the port base: portal, API, the two drives. */
const PORTS = [0, 1, 10, 11];
/** A hostile connection that the server does not close is closed after this. */
const ATTACK_MS = 1_000;
const MIB = 2 ** 20;

function noise(bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 65536) crypto.getRandomValues(buffer.subarray(at, Math.min(at + 65536, bytes)));
  return buffer;
}

function loginHeader(dataBytes: number): Buffer {
  const header = Buffer.alloc(48);
  header[0] = 0x43;
  header[1] = 0x87;
  header.writeUIntBE(dataBytes, 5, 3);
  return header;
}

const ATTACKS: readonly [string, Buffer][] = [
  ["noise", noise(4096)],
  ["much noise", noise(4 * MIB)],
  ["all ones", Buffer.alloc(65536, 0xff)],
  ["all zeros", Buffer.alloc(65536)],
  ["nothing at all", Buffer.alloc(0)],
  ["one byte", Buffer.from([0x43])],
  ["half a header", loginHeader(0).subarray(0, 20)],
  ["a login of 16 MiB", loginHeader(0xffffff)],
  ["a login without keys", loginHeader(0)],
  ["a request line without end", Buffer.from(`GET /${"a".repeat(MIB)}`)],
  ["a body of 10 TB", Buffer.from("POST /api/v1/volumes HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999999\r\n\r\n{")],
  ["headers without end", Buffer.from(`GET / HTTP/1.1\r\n${"x: y\r\n".repeat(100_000)}`)],
  ["a length of 4 GiB in little-endian", Buffer.concat([Buffer.from("VSTR"), Buffer.alloc(60, 0xff)])],
];

/** Sends the bytes and waits until the other side closes, or not. */
function attack(address: string, port: number, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const done = (): void => {
      socket.destroy();
      resolve();
    };
    const timer = setTimeout(done, ATTACK_MS);
    socket.on("error", () => undefined);
    socket.on("data", () => undefined);
    socket.on("close", () => {
      clearTimeout(timer);
      resolve();
    });
    socket.on("connect", () => socket.write(bytes));
  });
}

async function loginFailure(portal: string, target: string, initiatorName: string, chap?: { user: string; secret: string }): Promise<number | string> {
  try {
    const initiator = await Initiator.connect(parsePortal(`iscsi://${portal}/${target}/0`), { initiatorName, ...(chap === undefined ? {} : { chap }) });
    await initiator.logout();
    return "let in";
  } catch (error) {
    if (error instanceof LoginRefused) return error.status;
    return error instanceof ConnectionLost ? `lost: ${error.message}` : String(error);
  }
}

test("bytes of any kind on any port harm nobody: hosts go on, no process ends, and the log says who was sent away", async () => {
  const trial = await TrialUnderTest.make();
  try {
    const client = await startLoad(trial);
    const pids = trial.processes().map(({ pid }) => pid).sort();
    for (const { address } of trial.servers) {
      const waves = PORTS.flatMap((offset) => ATTACKS.map(([, bytes]) => attack(address, trial.portBase + offset, bytes)));
      await Promise.all(waves);
    }
    await client.progress(300);
    noteInterval(client, `${ATTACKS.length * PORTS.length} hostile connections to each server`);
    expect(trial.processes().map(({ pid }) => pid).sort()).toEqual(pids);
    expect((await trial.status()).health.state).toBe("healthy");
    for (const { name } of trial.servers) {
      expect(trial.hasLogged(name, "iSCSI connection closed", "not iSCSI")).toBe(true);
      expect(trial.hasLogged(name, "a connection to the storage port was closed", "no frame of the storage protocol")).toBe(true);
      expect(trial.hasLogged(name, "is started again")).toBe(false);
    }
    await expectAllThere(trial, client);
    expect(client.retries.get("connection lost")).toBeUndefined();
  } finally {
    await trial.wipe();
  }
}, SCENARIO_MS);

test("wrong names and secrets, impossible volumes and taken names are refused with one clear line", async () => {
  const trial = await TrialUnderTest.make();
  try {
    const { target } = trial.report;
    const [portal = ""] = trial.servers.map((server) => server.portal);
    const proved = "iqn.2026-01.com.example:proved";
    await trial.must("volume", "create", "one", "--size", "64MiB");
    await trial.must("host", "create", "proved", "--iqn", proved, "--chap", "joe:a long secret");
    await trial.must("map", "one", "proved");
    const right = { user: "joe", secret: "a long secret" };
    // A mapping reaches every portal a moment later.
    await Bun.sleep(500);
    expect(await loginFailure(portal, target, proved, right)).toBe("let in");
    expect(await loginFailure(portal, target, proved, { user: "joe", secret: "another secret" })).toBe(AUTHENTICATION_FAILURE);
    expect(await loginFailure(portal, target, proved, { user: "jim", secret: "a long secret" })).toBe(AUTHENTICATION_FAILURE);
    expect(await loginFailure(portal, target, proved)).toBe(AUTHENTICATION_FAILURE);
    expect(await loginFailure(portal, target, "iqn.2026-01.com.example:stranger")).toBe(AUTHORIZATION_FAILURE);
    expect(await loginFailure(portal, `${target}x`, proved, right)).toBe(TARGET_NOT_FOUND);
    expect(trial.hasLogged("server1", "iSCSI connection closed", "login refused")).toBe(true);

    const refused: readonly [readonly string[], RegExp][] = [
      [["volume", "create", "one", "--size", "1GiB"], /one/],
      [["volume", "create", "none", "--size", "0"], /size/i],
      [["volume", "create", "none", "--size", "-1GiB"], /size|option/i],
      [["volume", "create", "no/slash", "--size", "1GiB"], /name/i],
      [["volume", "create", "none", "--size", "1GiB", "--factor", "7"], /factor/i],
      [["host", "create", "proved", "--iqn", "iqn.2026-01.com.example:more"], /proved/],
      [["host", "create", "second", "--iqn", proved], /iqn/i],
      [["host", "create", "second", "--iqn", "not an iqn"], /iqn|initiator/i],
      [["host", "create", "second", "--iqn", "iqn.2026-01.com.example:s", "--chap", "joe:short"], /12/],
      [["map", "one", "nobody"], /nobody/],
      [["map", "nothing", "proved"], /nothing/],
      [["map", "one", "proved"], /one|mapped/],
      [["volume", "delete", "one"], /mapped|use/],
      [["trial", "kill-server", "server9"], /server9/],
    ];
    for (const [command, reason] of refused) {
      const { code, out, err } = await trial.run(...command);
      expect([command.join(" "), code === 0, out, err.trim().split("\n").length]).toEqual([command.join(" "), false, "", 1]);
      expect(err).toMatch(reason);
    }
    const large = await trial.run("volume", "create", "thin", "--size", "1TiB");
    expect(large.code).toBe(0);
    expect(large.err).toMatch(/^virtustor: warning: /);
    expect(JSON.parse(await trial.must("volume", "show", "thin", "--json")).sizeBytes).toBe(2 ** 40);
    expect((await trial.status()).health.state).toBe("healthy");
  } finally {
    await trial.wipe();
  }
}, SCENARIO_MS);
