import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { registerCliCommands } from "../../src/cli/commands.ts";
import { keys } from "../../src/cluster/schema.ts";
import { userKeys } from "../../src/cluster/users.ts";
import { fingerprintOf } from "../../src/platform/certificates.ts";
import { serveHttp, type HttpServer } from "../../src/platform/http.ts";
import { authority, tls } from "../certificates.ts";
import { ApiFixture } from "../management/api-fixture.ts";

const IQN = "iqn.2024-01.org.example:host-1";
const PASSWORD = "a long password";
let fixture: ApiFixture;
let server: HttpServer;
let directory: string;
let api: string;
beforeEach(async () => {
  fixture = new ApiFixture().form();
  for (const [name, role] of [["admin", "administrator"], ["vic", "viewer"]] as const) fixture.put(userKeys.user(name), { name, role, hash: `hash of ${PASSWORD}`, generation: 1, changedAtMs: 1 });
  const { app } = await fixture.open();
  server = serveHttp({ address: "127.0.0.1", port: 0, tls, fetch: (request, remote) => app.fetch(request, { remote }), onError: () => {} });
  api = `127.0.0.1:${server.port}`;
  // What the cluster says of itself must lead here, too.
  for (const name of ["server-2", "server-3"]) fixture.store.apply({ compares: [], deletes: [keys.server(name)] });
  fixture.put(keys.server("server-1"), { name: "server-1", address: "127.0.0.1", portalPort: 3260, apiPort: server.port, portalGroupTag: 1 });
  directory = mkdtempSync(join(tmpdir(), "virtustor-login-"));
  writeFileSync(join(directory, "password"), `${PASSWORD}\n`);
});
afterEach(async () => {
  fixture.close();
  await server.stop();
  rmSync(directory, { recursive: true });
});

async function virtustor(...parts: string[]): Promise<{ code: number; out: string; err: string }> {
  const ran = { code: 0, out: "", err: "" };
  const program = new Command("virtustor").exitOverride();
  const env = { HOME: directory };
  registerCliCommands(program, { env, out: (text) => void (ran.out += text), err: (text) => void (ran.err += text), exitCode: (code) => void (ran.code = code) });
  await program.parseAsync(parts, { from: "user" });
  return ran;
}
const session = () => join(directory, ".config/virtustor/session.json");
const fingerprint = fingerprintOf(authority.certificate);
const login = (name = "admin") => virtustor("login", api, "--name", name, "--fingerprint", fingerprint, "--password-file", join(directory, "password"));

test("a login is kept for its owner alone, serves the commands that follow, and ends with logout", async () => {
  expect((await virtustor("volume", "list")).err).toContain("Log in with virtustor login");
  const { code, out } = await login();
  expect(code).toBe(0);
  expect(out).toContain("logged in to test as admin (administrator)");
  expect(out).not.toContain(PASSWORD);
  expect(statSync(session()).mode & 0o777).toBe(0o600);
  expect(statSync(join(directory, ".config/virtustor")).mode & 0o777).toBe(0o700);
  expect((await virtustor("whoami")).out).toMatch(/^admin \(administrator\), until 20/);
  expect((await virtustor("volume", "create", "db", "--size", "1GiB")).code).toBe(0);
  expect((await virtustor("volume", "grow", "db", "--size", "2GiB")).out).toBe("volume db has 2.0 GiB now; let its hosts rescan it\n");
  expect((await virtustor("audit")).out).toMatch(/admin +127\.0\.0\.1 +volume grown: volume db, sizeBytes 2147483648 +done/);
  const kept = readFileSync(session(), "utf8");
  expect((await virtustor("logout")).out).toBe("logged out admin\n");
  expect(existsSync(session())).toBe(false);
  writeFileSync(session(), kept);
  expect((await virtustor("volume", "list")).err).toBe("virtustor: the session has ended: log in again with virtustor login\n");
});

test("a wrong password, another cluster's fingerprint, and nobody to compare it keep nothing", async () => {
  writeFileSync(join(directory, "password"), "wrong");
  expect(await login()).toMatchObject({ code: 1, err: "virtustor: name or password is wrong.\n" });
  const other = await virtustor("login", api, "--fingerprint", "00".repeat(32), "--password-file", join(directory, "password"));
  expect(other).toMatchObject({ code: 1, err: expect.stringContaining(`has the fingerprint ${fingerprint}`) });
  expect(existsSync(session())).toBe(false);
});

test("a viewer's commands change nothing", async () => {
  await login("vic");
  expect((await virtustor("volume", "list")).out).toBe("no volumes\n");
  expect((await virtustor("volume", "create", "db", "--size", "1GiB")).err).toContain("vic is a viewer and changes nothing");
  expect((await virtustor("user", "list")).code).toBe(1);
});

test("users are created, changed and deleted; a password comes from a file", async () => {
  await login();
  const file = join(directory, "eve");
  writeFileSync(file, "eves long password\n");
  expect((await virtustor("user", "create", "eve", "--password-file", file)).out).toBe("created user eve (viewer)\n");
  expect((await virtustor("user", "set", "eve", "--role", "administrator")).out).toContain("changed user eve (administrator)");
  expect((await virtustor("user", "list")).out).toMatch(/^NAME .*\nadmin .*\neve +administrator .*\nvic /);
  expect((await virtustor("user", "delete", "eve")).code).toBe(0);
  writeFileSync(file, "another long one");
  expect((await virtustor("password", "--old-file", join(directory, "password"), "--new-file", file)).out).toBe("changed the password of admin\n");
  expect((await virtustor("whoami")).code).toBe(0);
  expect(fixture.read(userKeys.user("admin"))).toMatchObject({ hash: "hash of another long one" });
});

test("a CHAP secret comes from a file, and a host is changed", async () => {
  await login();
  const file = join(directory, "chap");
  writeFileSync(file, "twelve-or-more\nnot this\n");
  const created = await virtustor("host", "create", "esx", "--iqn", IQN, "--chap", "esx", "--chap-secret-file", file);
  expect(created.out).toBe(`created host esx: ${IQN}, with CHAP as esx\n`);
  expect(JSON.stringify(fixture.read(keys.host("esx")))).not.toContain("twelve");
  expect((await virtustor("host", "set", "esx", "--iqn", `${IQN}-b`, "--no-chap")).out).toBe(`changed host esx: ${IQN}-b, without CHAP\n`);
  expect((await virtustor("host", "set", "esx")).err).toContain("name what to change");
  expect((await virtustor("host", "create", "b", "--iqn", IQN, "--chap-secret-file", file)).err).toContain("needs --chap");
});

test("settings are shown and changed, and what the cluster is, and who is logged in", async () => {
  await login();
  expect((await virtustor("settings", "set", "--recreate-server-after", "1200", "--strict-reads", "on")).out).toContain("recreate-server-after  1200 s");
  expect((await virtustor("settings", "show")).out).toMatch(/strict-reads +on/);
  expect((await virtustor("settings", "set")).err).toContain("name a setting to change");
  expect((await virtustor("settings", "set", "--recreate-server-after", "soon")).err).toContain("whole number of seconds");
  expect((await virtustor("cluster", "show")).out).toMatch(/name +test\n.*version +0/s);
  fixture.put("sessions/server-1", { sessions: [{ host: "esx", initiator: IQN, address: "10.0.0.9", sinceMs: 1 }], more: 0 });
  let out = "";
  while (!out.includes(IQN)) out = (await virtustor("sessions")).out;
  expect(out).toMatch(/esx +iqn\S+ +server-1 +10\.0\.0\.9/);
});
