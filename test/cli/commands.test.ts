import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import { registerCliCommands } from "../../src/cli/commands.ts";
import { fingerprintOf } from "../../src/platform/certificates.ts";
import { serveHttp, type HttpServer } from "../../src/platform/http.ts";
import { authority, tls, trusting } from "../certificates.ts";
import { ApiFixture, TOKEN } from "../management/api-fixture.ts";

const IQN = "iqn.2024-01.org.example:host-1";
let fixture: ApiFixture;
let servers: HttpServer[];
let directory: string;
let apis: string[];

beforeEach(async () => {
  fixture = new ApiFixture().form();
  servers = [];
  for (let n = 0; n < 2; n++) {
    const { app } = await fixture.open();
    servers.push(serve((request, remote) => app.fetch(request, { remote })));
  }
  apis = servers.map(urlOf);
  directory = await mkdtemp(join(tmpdir(), "virtustor-cli-"));
  await writeFile(join(directory, "ca.crt"), authority.certificate);
  await writeTrial(apis);
});
afterEach(async () => {
  fixture.close();
  await Promise.all(servers.map((server) => server.stop()));
  await rm(directory, { recursive: true });
});

function serve(fetch: (request: Request, remote: string) => Response | Promise<Response>): HttpServer {
  return serveHttp({ address: "127.0.0.1", port: 0, tls, fetch, onError: () => {} });
}
function urlOf(server: HttpServer): string {
  return `https://127.0.0.1:${server.port}`;
}
function writeTrial(urls: readonly string[]): Promise<void> {
  const trial = { dir: directory, api: urls[0], token: TOKEN, caFile: join(directory, "ca.crt"), target: "t", servers: urls.map((api, n) => ({ name: `server-${n}`, address: "127.0.0.1", api, portal: "", pids: [] })) };
  return writeFile(join(directory, "trial.json"), JSON.stringify(trial));
}
/** An address where nothing listens. */
async function deadApi(): Promise<string> {
  const server = serve(() => new Response());
  await server.stop();
  return urlOf(server);
}

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}
/** Runs one command line; `env` replaces --dir. */
async function virtustor(line: string, env?: Record<string, string>): Promise<Ran> {
  let code = 0;
  let out = "";
  let err = "";
  const program = new Command().exitOverride();
  registerCliCommands(program, { env: env ?? {}, out: (text) => (out += text), err: (text) => (err += text), exitCode: (given) => (code = given) });
  try {
    await program.parseAsync([...line.split(" "), ...(env === undefined ? ["--dir", directory] : [])], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    code = error.exitCode;
  }
  return { code, out, err };
}
async function json(line: string): Promise<unknown> {
  const ran = await virtustor(`${line} --json`);
  expect(ran).toMatchObject({ code: 0, err: "" });
  return JSON.parse(ran.out);
}

describe("commands", () => {
  test("a volume's way from its creation to its end, for people", async () => {
    const lines = [
      "volume create db --size 2GiB",
      `host create esx --iqn ${IQN} --chap esx:a-long-secret`,
      "map db esx",
      "volume list",
      "volume show db",
      "host list",
      "unmap db esx",
      "host delete esx",
      "volume delete db",
      "volume list",
      "host list",
    ];
    const said: string[] = [];
    for (const line of lines) {
      const { code, out, err } = await virtustor(line);
      expect({ line, code, err }).toEqual({ line, code: 0, err: "" });
      said.push(out);
    }
    const text = said.join("").replace(/(created +)[-0-9T:.]+Z/, "$1(time)");
    expect(text).not.toContain("a-long-secret");
    expect(text).toMatchSnapshot();
  });

  test("a volume's way from its creation to its end, for programs", async () => {
    expect(await json("volume create db --size 1.5GiB --factor 2")).toMatchObject({ name: "db", sizeBytes: 1.5 * 2 ** 30, factor: 2 });
    expect(await json(`host create esx --iqn ${IQN} ${IQN}-b`)).toEqual({ name: "esx", iqns: [IQN, `${IQN}-b`], chapUser: null, mappings: [] });
    expect(await json("map db esx --lun 7")).toMatchObject({ lun: 7, urls: [1, 2, 3].map((n) => `iscsi://127.0.0.${n}:3260/iqn.2024-01.test.virtustor:cluster/7`) });
    expect(await json("volume list")).toMatchObject({ volumes: [{ name: "db", mappings: [{ host: "esx", lun: 7 }] }] });
    expect(await json("volume show db")).toMatchObject({ name: "db", copies: 3 });
    expect(await json("host list")).toMatchObject({ hosts: [{ name: "esx", mappings: [{ volume: "db", lun: 7 }] }] });
    expect(await json("unmap db esx")).toEqual({ volume: "db", host: "esx", lun: 7 });
    expect(await json("host delete esx")).toMatchObject({ name: "esx" });
    expect(await json("volume delete db")).toMatchObject({ name: "db" });
    expect(await json("cluster status")).toMatchObject({ health: { state: "degraded", sentence: expect.any(String) }, servers: [{}, {}, {}], capacity: { provisionedBytes: 0 } });
  });

  test("status for people begins with the sentence", async () => {
    const { code, out } = await virtustor("cluster status");
    expect(code).toBe(0);
    expect(out).toStartWith("Degraded: 4 of 4 groups are being set up.");
    expect(out).toContain("server-3  up     127.0.0.3:3260  https://127.0.0.3:3261");
  });

  test("a warning goes to standard error, and into the answer with --json", async () => {
    expect(await virtustor("volume create big --size 1TiB")).toMatchObject({ code: 0, err: expect.stringMatching(/^virtustor: warning: The volume is larger .*\n$/) });
    expect(await json("volume create big2 --size 1TiB")).toMatchObject({ warning: expect.any(String) });
  });
});

describe("failures are one line and exit code 1", () => {
  const cases: [string, string][] = [
    ["volume create db --size 0", "the size must be more than 0"],
    ["volume create db --size 4097", "multiple of 4096"],
    ["volume create db --size 2GB", "is not understood"],
    ["volume create db --size 65TiB", "at most 64 TiB"],
    ["volume create -- -db --size 1GiB", ""],
    ["volume create a/b --size 1GiB", "1 to 63 letters"],
    ["volume create db", "required option '--size <size>' not specified"],
    ["volume create db --size 1GiB --factor 3", "Allowed choices are 1, 2"],
    ["volume create db --size 1GiB --fast", "unknown option"],
    ["volume show none", "there is no volume none."],
    ["volume delete a%2Fb", "there is no volume"],
    ["volume show", "missing required argument 'name'"],
    ["host create esx --iqn nonsense", "initiator name is"],
    [`host create esx --iqn ${IQN} --chap user:short`, "12 to 255"],
    [`host create esx --iqn ${IQN} --chap nocolon-in-this`, "no terminal"],
    ["map none none", "there is no"],
    ["map none none --lun 1x", "0 to 255"],
    ["map none none --lun 256", "0 to 255"],
    ["unmap none none", "there is no"],
  ];
  test.each(cases)("%s", async (line, reason) => {
    const { code, out, err } = await virtustor(line);
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toMatch(/^virtustor: [^\n]+\n$/);
    expect(err).toContain(reason);
  });

  test("no cluster, no token, a wrong token, no trial, a broken trial", async () => {
    const env = { VIRTUSTOR_API: apis.join(","), VIRTUSTOR_FINGERPRINT: fingerprintOf(authority.certificate) };
    const ran = [
      await virtustor("cluster status", {}),
      await virtustor("cluster status", env),
      await virtustor("cluster status", { ...env, VIRTUSTOR_TOKEN: "wrong" }),
      await virtustor("cluster status", { ...env, VIRTUSTOR_API: "https://:x", VIRTUSTOR_TOKEN: TOKEN }),
      await virtustor(`cluster status --dir ${directory}/none`, {}),
      await virtustor("cluster status", { VIRTUSTOR_API: apis[0] ?? "", VIRTUSTOR_TOKEN: TOKEN }),
      await virtustor("cluster status", { VIRTUSTOR_API: apis[0] ?? "", VIRTUSTOR_TOKEN: TOKEN, VIRTUSTOR_FINGERPRINT: "0000-".repeat(8) }),
    ];
    await writeFile(join(directory, "trial.json"), '{"token":5}');
    ran.push(await virtustor("cluster status"));
    const reasons = ["which cluster?", "VIRTUSTOR_TOKEN is not", "does not accept the token", "not understood", "there is no trial in", "which cluster to trust", `has the fingerprint ${fingerprintOf(authority.certificate)}, not 0000`, "not the description of a trial"];
    ran.forEach(({ code, out, err }, n) => {
      expect({ code, out }).toEqual({ code: 1, out: "" });
      expect(err).toMatch(/^virtustor: [^\n]+\n$/);
      expect(err).toContain(reasons[n] ?? "");
    });
  });
});

describe("several servers", () => {
  const token = { VIRTUSTOR_TOKEN: TOKEN, VIRTUSTOR_FINGERPRINT: fingerprintOf(authority.certificate) };

  test("the addresses of VIRTUSTOR_API are tried in turn", async () => {
    const dead = await deadApi();
    for (const list of [`${dead},${apis[0]}`, `${dead.slice("https://".length)} ${apis[1]}/`, `${apis[0]}, ${dead}`]) {
      expect(await virtustor("volume list", { ...token, VIRTUSTOR_API: list })).toMatchObject({ code: 0, out: "no volumes\n" });
    }
  });

  test("every server of a trial is tried", async () => {
    await writeTrial([await deadApi(), await deadApi(), apis[1] ?? ""]);
    expect((await virtustor("volume create db --size 1GiB")).code).toBe(0);
  });

  test("with none left the reason names each", async () => {
    const dead = [await deadApi(), await deadApi()];
    const { code, err } = await virtustor("volume list", { ...token, VIRTUSTOR_API: dead.join(" ") });
    expect(code).toBe(1);
    expect(err).toBe(`virtustor: no server can do it now: ${dead[0]}: nothing listens there; ${dead[1]}: nothing listens there\n`);
  });

  test("a server that answers 503, or something that is no API, is passed by or named", async () => {
    const busy = serve(() => Response.json({ detail: "Busy." }, { status: 503 }));
    const alien = serve(() => new Response("<html>"));
    servers.push(busy, alien);
    expect((await virtustor("volume list", { ...token, VIRTUSTOR_API: `${urlOf(busy)},${apis[0]}` })).code).toBe(0);
    expect((await virtustor("volume list", { ...token, VIRTUSTOR_API: urlOf(alien) })).err).toContain("which is not VirtuStor's API");
  });

  test("after a try without a clear outcome, a refusal elsewhere says so", async () => {
    const unclear = serve(async (request) => {
      if (request.method === "GET") return new Response("{}");
      await fetch(`${apis[0]}/api/v1/volumes`, { ...trusting, method: "POST", headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" }, body: await request.text() });
      return Response.json({ detail: "Not known.", code: "outcome-unknown" }, { status: 503 });
    });
    servers.push(unclear);
    const { code, err } = await virtustor("volume create db --size 1GiB", { ...token, VIRTUSTOR_API: `${urlOf(unclear)} ${apis[1]}` });
    expect(code).toBe(1);
    expect(err).toContain("there is a volume db already (an earlier try at another server had no clear outcome");
  });

  test("of a server that is cut off from the store and one that is not, the latter is believed", async () => {
    const cut = serve(() => Response.json({ volumes: [], source: "last-known" }));
    servers.push(cut);
    await virtustor("volume create db --size 1GiB");
    expect((await virtustor("volume list", { ...token, VIRTUSTOR_API: `${urlOf(cut)} ${apis[0]}` })).out).toContain("db");
    expect(await virtustor("volume list", { ...token, VIRTUSTOR_API: urlOf(cut) })).toMatchObject({ code: 0, err: expect.stringContaining("last knew") });
  });
});

test("a port that closes the connection is named without advice to programmers", async () => {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: (socket) => void socket.terminate() } });
  try {
    const { code, err } = await virtustor("volume list", { VIRTUSTOR_TOKEN: TOKEN, VIRTUSTOR_API: `127.0.0.1:${listener.port}`, VIRTUSTOR_CA: join(directory, "ca.crt") });
    expect(code).toBe(1);
    expect(err).toContain("closed without an answer; is this the API's port?");
    expect(err).not.toContain("verbose");
  } finally {
    listener.stop(true);
  }
});
