import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:tls";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realPlatform, type RealPlatform } from "../../src/platform/real.ts";
import { serveHttp } from "../../src/platform/http.ts";
import type { Platform } from "../../src/platform/platform.ts";
import type { ServerConfig } from "../../src/role/config.ts";
import { runManagement } from "../../src/role/management.ts";
import type { RunningRole } from "../../src/role/role.ts";
import { authority, tls, trusting, writeTls } from "../certificates.ts";
import { ApiFixture, TOKEN } from "../management/api-fixture.ts";

let platform: RealPlatform;
let fixture: ApiFixture;
let directory: string;
let role: RunningRole | null = null;
let port: number;

beforeEach(async () => {
  platform ??= realPlatform({ name: "test", logLevel: "silent" });
  fixture = new ApiFixture().form();
  directory = await mkdtemp(join(tmpdir(), "virtustor-role-"));
  await writeFile(join(directory, "token"), `${TOKEN}\n`);
  await writeFile(join(directory, "key"), new Uint8Array(32).fill(7));
  port = await freePort();
});
afterEach(async () => {
  await role?.stop();
  role = null;
  await rm(directory, { recursive: true });
});

async function freePort(): Promise<number> {
  const server = serveHttp({ address: "127.0.0.1", port: 0, tls, fetch: () => new Response(), onError: () => {} });
  await server.stop();
  return server.port;
}

function config(): ServerConfig {
  return {
    clusterId: "0".repeat(32),
    name: "server-1",
    directory,
    address: "127.0.0.1",
    portalPort: 1,
    apiPort: port,
    portalGroupTag: 1,
    clusterKeyFile: join(directory, "key"),
    tokenFile: join(directory, "token"),
    tlsDirectory: writeTls(join(directory, "tls")),
    drives: [],
    store: { kind: "embedded", socket: join(directory, "store") },
    processes: "separate",
    logLevel: "error",
  };
}

async function start(on: Platform = platform): Promise<void> {
  role = await runManagement({ platform: on, store: fixture.store.client(), config: config() });
}

/** A platform on which the process's end is an error that the test can see. */
function mortal(): Platform {
  return { ...platform, fatal: (reason, detail) => { throw new Error(`${reason}: ${detail}`); } };
}

function ask(path: string, init: RequestInit = {}): Promise<Response> {
  return fetch(`https://127.0.0.1:${port}/api/v1${path}`, { ...trusting, ...init, headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" } });
}

/** Sends bytes and gives what came back until the other side closed. */
function exchange(bytes: Uint8Array | string): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect({ port, host: "127.0.0.1", ca: authority.certificate }, () => socket.end(bytes));
    socket.on("data", (data) => (answer += data.toString("latin1")));
    socket.on("error", () => {});
    socket.on("close", () => resolve(answer));
  });
}

test("it serves with the token of its file, and no more after it has stopped", async () => {
  await start();
  expect((await ask("/status")).status).toBe(200);
  const created = await ask("/volumes", { method: "POST", body: JSON.stringify({ name: "db", sizeBytes: 4096 }) });
  expect(created.status).toBe(201);
  await role?.stop();
  role = null;
  expect(ask("/status")).rejects.toThrow();
});

test("garbage on the port ends only its own connection", async () => {
  await start();
  const garbage = [
    crypto.getRandomValues(new Uint8Array(4096)),
    "\r\n\r\n",
    "GET",
    "GET / HTTP/9.9\r\n\r\n",
    `GET /${"x".repeat(200_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    "POST /api/v1/volumes HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
    "POST /api/v1/volumes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    new Uint8Array(48), // an iSCSI header of zeros
  ];
  for (const bytes of garbage) expect(await exchange(bytes)).not.toContain("HTTP/1.1 2");
  expect((await ask("/status")).status).toBe(200);
});

test("a body over the limit is refused, with and without a length", async () => {
  await start();
  const body = "x".repeat(70_000);
  expect((await ask("/volumes", { method: "POST", body })).status).toBe(413);
  const head = `POST /api/v1/volumes HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\n`;
  expect(await exchange(`${head}${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`)).not.toContain("HTTP/1.1 2");
  expect((await ask("/status")).status).toBe(200);
});

test("a taken port, a missing token and a short token end the process with a reason", async () => {
  const other = serveHttp({ address: "127.0.0.1", port, tls, fetch: () => new Response(), onError: () => {} });
  await expect(start(mortal())).rejects.toThrow(`port-taken: cannot serve HTTPS on 127.0.0.1 port ${port}`);
  await other.stop();
  await writeFile(join(directory, "token"), "short\n");
  await expect(start(mortal())).rejects.toThrow("configuration: the API's token in");
  await rm(join(directory, "token"));
  await expect(start(mortal())).rejects.toThrow("configuration: the API's token cannot be read");
});

test("an error that nobody caught is a bare 500", async () => {
  const errors: string[] = [];
  const server = serveHttp({
    address: "127.0.0.1",
    port: 0,
    tls,
    fetch: () => {
      throw new Error("a secret of the source");
    },
    onError: (error) => errors.push(error.message),
  });
  const response = await fetch(`https://127.0.0.1:${server.port}/`, trusting);
  expect([response.status, await response.text()]).toEqual([500, ""]);
  expect(errors).toEqual(["a secret of the source"]);
  await server.stop();
});
