import { afterAll, beforeAll, describe, expect } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { askCluster } from "../../src/formation/ask.ts";
import { realPlatform } from "../../src/platform/real.ts";
import { EtcdMembership, etcdAddress } from "../../src/platform/store/etcd-membership.ts";
import { readTls } from "../../src/role/tls.ts";
import { PROGRAM, runProgram } from "./trial-under-test.ts";
import { story } from "./needs.ts";
import { SetupServer, storyDirectory } from "./setup-server.ts";

/** Below those of trials; another run of these tests on this machine has most likely others. */
const PORT_BASE = 9_000 + (process.pid % 18) * 50;
const platform = realPlatform({ name: "test", logLevel: "silent" });
let directory: { path: string; remove(): Promise<void> };
let servers: SetupServer[];
const [one, two, three] = [0, 1, 2].map((index) => () => servers[index]!) as [() => SetupServer, () => SetupServer, () => SetupServer];

beforeAll(async () => {
  directory = await storyDirectory();
  servers = [1, 2, 3].map((number) => new SetupServer(directory.path, number, PORT_BASE));
});
afterAll(async () => {
  await Promise.all(servers.map((server) => server.kill()));
  await directory.remove();
});

async function members(): Promise<{ name: string; isLearner: boolean }[]> {
  const membership = new EtcdMembership(platform, [etcdAddress(`https://${one().address}:${PORT_BASE + 2}`)], readTls(join(one().directory, "state", "tls")));
  try {
    return (await membership.list()).map(({ name, isLearner }) => ({ name, isLearner })).sort((a, b) => (a.name < b.name ? -1 : 1));
  } finally {
    membership.close();
  }
}

/** The store takes a write, asked of the first server. */
async function storeWrites(): Promise<void> {
  await one().until("a server whose store takes writes", () => true);
  for (let tries = 0; ; tries++) {
    const { status, detail } = await one().ask("POST", "join-code");
    if (status === 200) return;
    // A busy machine may hold up a lonely store for a moment, a lost majority does for ever.
    if (tries === 20) throw new Error(detail);
    await Bun.sleep(1_000);
  }
}

describe("servers without a cluster become one", () => {
  story("a server that is set up nowhere says so, and is refused a cluster that could not be", ["etcd"], async () => {
    one().start();
    expect(await one().until("there", () => true)).toMatchObject({ phase: "unconfigured" });
    const page = (): Promise<unknown> => fetch(`https://${one().address}:${PORT_BASE + 1}/api/v1/health`, { tls: { rejectUnauthorized: false } }).then((answer) => answer.json(), () => null);
    // Its certificate is made when it is already asked on the console.
    while ((await page()) === null) await Bun.sleep(50);
    expect(await page()).toMatchObject({ state: "unconfigured" });
    for (const [more, reason] of [
      [{ adminPassword: "short" }, "10 to 256 characters"],
      [{ serverName: "Server_1" }, "small letters, digits and dashes"],
      [{ address: "192.0.2.7" }, "does not have the address 192.0.2.7"],
      [{ drives: ["/etc"] }, "/etc is not empty"],
    ] as const) {
      const { status, detail } = await one().ask("POST", "create", one().createBody(more));
      expect({ refused: status >= 400, detail }).toEqual({ refused: true, detail: expect.stringContaining(reason) });
    }
    expect(existsSync(join(one().directory, "state", "setup.json"))).toBe(false);
    expect(existsSync(one().drive)).toBe(false);
  });

  story("a cluster is created although the server is killed again and again meanwhile", ["etcd"], async () => {
    for (let killed = 0; ; killed++) {
      const { phase } = await one().until("there", () => true);
      if (phase === "configured") break;
      if (phase === "unconfigured") await one().must("POST", "create", one().createBody());
      await Bun.sleep(killed ** 2 * 100);
      await one().kill();
      one().start();
    }
    const state = await one().configured();
    expect(state.cluster).toMatchObject({ name: "demo", evaluation: false, fingerprint: expect.stringMatching(/^([0-9A-F]{4}-){7}[0-9A-F]{4}$/) });
    await one().until("alone", ({ status }) => status?.health.sentence.includes("1 of at least 3 servers") === true);
    expect(await members()).toEqual([{ name: "server-1", isLearner: false }]);
  });

  story("who may not join is told why, and nothing has changed", ["etcd"], async () => {
    two().start();
    await two().until("there", () => true);
    const before = await members();
    const code = await one().newCode();
    const wrong = code.startsWith("A") ? "BBBB-BBBB" : "AAAA-AAAA";
    for (const [body, reason] of [
      [two().joinBody(one(), "no code"), "eight letters and digits"],
      [two().joinBody(one(), wrong), "not this cluster's join code. 4 tries are left"],
      [two().joinBody(one(), code, { serverName: "server-1" }), "has a server server-1 already"],
      [two().joinBody(one(), code, { ownAddress: one().address }), "is that of server-1"],
      [two().joinBody(three(), code), "No VirtuStor server answers at 127.0.0.3"],
      [two().joinBody(two(), code), "belongs to no cluster yet"],
      [two().joinBody(one(), code, { fingerprint: "0000-0000-0000-0000-0000-0000-0000-0000" }), "not 0000-0000"],
    ] as const) {
      const { status, detail } = await two().ask("POST", "join", body);
      expect({ refused: status >= 400, detail }).toEqual({ refused: true, detail: expect.stringContaining(reason) });
    }
    const joiner = { id: "0".repeat(32), name: "server-2", address: two().address, commit: true };
    const aDayOff = { ...platform, clock: { ...platform.clock, wallMs: () => platform.clock.wallMs() - 86_400_000 } };
    await expect(askCluster(aDayOff, { address: one().address, apiPort: PORT_BASE + 1, code, joiner })).rejects.toThrow("clock is 1 day behind the cluster's");
    for (let tries = 4; tries > 0; tries--) await two().ask("POST", "join", two().joinBody(one(), wrong));
    expect((await two().ask("POST", "join", two().joinBody(one(), code))).detail).toContain("Too many wrong join codes");
    expect(await two().state()).toMatchObject({ phase: "unconfigured" });
    expect(existsSync(two().drive)).toBe(false);
    expect(await members()).toEqual(before);
  });

  story("two servers join although they are killed again and again, and the store never waits for them", ["etcd"], async () => {
    three().start();
    for (const joiner of [two(), three()]) {
      const code = await one().newCode();
      for (let killed = 0; ; killed++) {
        const { phase } = await joiner.until("there", () => true);
        if (phase === "configured") break;
        if (phase === "unconfigured") await joiner.join(one(), code);
        await Bun.sleep(killed ** 2 * 200);
        await joiner.kill();
        if (joiner === two()) await storeWrites();
        joiner.start();
      }
      await joiner.configured();
      // Of two voters neither could be away.
      if (joiner === two()) expect(await members()).toEqual([{ name: "server-1", isLearner: false }, { name: "server-2", isLearner: true }]);
    }
    expect(await members()).toEqual(["server-1", "server-2", "server-3"].map((name) => ({ name, isLearner: false })));
    for (const server of servers) await server.until("healthy", ({ status }) => status?.health.state === "healthy" && status.servers.every(({ up }) => up));
  });

  story("the cluster goes on without the server that created it, and the CLI trusts it by its fingerprint", ["etcd"], async () => {
    const { cluster } = (await two().state())!;
    await one().kill();
    await two().until("a cluster that has lost a server", ({ status }) => status?.servers.some(({ name, up }) => name === "server-1" && !up) === true);
    expect((await two().ask("POST", "password", { password: "another good one" })).status).toBe(200);
    const env = { VIRTUSTOR_API: `${two().address}:${PORT_BASE + 1}`, VIRTUSTOR_TOKEN: readFileSync(join(two().directory, "state", "token"), "utf8"), VIRTUSTOR_FINGERPRINT: cluster?.fingerprint ?? "" };
    expect((await runProgram(["env", ...Object.entries(env).map(([name, value]) => `${name}=${value.trim()}`), PROGRAM, "cluster", "status"])).out).toContain("Cluster demo");
    one().start();
    await one().until("healthy", ({ status }) => status?.health.state === "healthy");
  });

  story("a drive is added to a server that runs", ["etcd"], async () => {
    const added = join(three().directory, "drive-1");
    await three().must("POST", "drives", { device: added });
    await three().until("a server with two drives", ({ status }) => status?.drives.filter(({ server, up }) => server === "server-3" && up).length === 2);
    expect((await three().ask("POST", "drives", { device: added })).detail).toContain("is not empty");
  });
});
