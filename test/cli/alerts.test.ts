import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import { alertingKeys, type AlertRecord, type EventRecord } from "../../src/cluster/alerting.ts";
import { registerCliCommands } from "../../src/cli/commands.ts";
import { createApp } from "../../src/management/app.ts";
import { serveHttp, type HttpServer } from "../../src/platform/http.ts";
import { realSealer } from "../../src/platform/seal.ts";
import { openMonitoring } from "../../src/role/monitoring.ts";
import { authority, tls } from "../certificates.ts";
import { ApiFixture, CREDENTIALS, fakePlatform, settled, TOKEN, type Api } from "../management/api-fixture.ts";
import { SmtpSink } from "../receivers/smtp-sink.ts";

let fixture: ApiFixture;
let api: Api;
let server: HttpServer;
let monitoring: ReturnType<typeof openMonitoring>;
let directory: string;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "virtustor-cli-alerts-"));
  fixture = new ApiFixture().form();
  api = await fixture.open();
  const platform = fakePlatform();
  monitoring = openMonitoring(platform, api.view, directory, realSealer(CREDENTIALS.clusterKey));
  const app = createApp({ platform, store: fixture.store.client(), view: api.view, ...CREDENTIALS, monitoring });
  server = serveHttp({ address: "127.0.0.1", port: 0, tls, fetch: (request, remote) => app.fetch(request, { remote }), onError: () => {} });
  writeFileSync(join(directory, "ca.crt"), authority.certificate);
  const url = `https://127.0.0.1:${server.port}`;
  writeFileSync(join(directory, "trial.json"), JSON.stringify({ dir: directory, api: url, token: TOKEN, caFile: join(directory, "ca.crt"), target: "t", servers: [] }));
});
afterEach(async () => {
  await server.stop();
  monitoring.close();
  fixture.close();
  rmSync(directory, { recursive: true });
});

async function virtustor(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  let code = 0, out = "", err = "";
  const program = new Command().exitOverride();
  registerCliCommands(program, { env: {}, out: (text) => (out += text), err: (text) => (err += text), exitCode: (given) => (code = given) });
  try {
    await program.parseAsync([...words, "--dir", directory], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    code = error.exitCode;
  }
  return { code, out, err };
}

const alert = (id: string, more: Partial<AlertRecord> = {}): AlertRecord => ({ id, kind: "server-down", severity: "critical", subject: "server-1", sentence: "It is down.", step: "Start it.", source: null, sinceMs: 1, raisedAtMs: Number(id) * 1000, clearedAtMs: null, acknowledged: null, times: 1, ...more });
const event = (number: number): EventRecord => ({ number, atMs: number * 1000, what: "alert-raised", kind: "k", severity: "warning", subject: "server-1", sentence: `Event ${number}.`, step: "" });

test("alerts are listed with what to do, acknowledged by their id, and listed with --all when they are over", async () => {
  expect((await virtustor("alerts")).out).toBe("no alerts: nothing is wrong\n");
  for (const record of [alert("1"), alert("2", { clearedAtMs: 9_000, sentence: "It was warm." })]) fixture.put(alertingKeys.alert(record.id), record);
  await settled(() => api.view.alerting.alerts.size === 2);
  expect((await virtustor("alerts")).out).toBe("1  critical  server-1  since 1970-01-01 00:00:01\n    It is down.\n    Start it.\n");
  expect(await virtustor("alerts", "ack", "1")).toEqual({ code: 0, out: "acknowledged: It is down.\n", err: "" });
  await settled(() => api.view.alerting.alerts.get("1")?.record.acknowledged !== null);
  expect((await virtustor("alerts", "--all")).out).toBe("2  critical  server-1  since 1970-01-01 00:00:02 to 1970-01-01 00:00:09\n    It was warm.\n    Start it.\n1  critical  server-1  since 1970-01-01 00:00:01, acknowledged by token\n    It is down.\n    Start it.\n");
  expect(await virtustor("alerts", "ack", "7")).toMatchObject({ code: 1, err: "virtustor: there is no alert 7. GET /alerts lists those that last.\n" });
  expect(JSON.parse((await virtustor("alerts", "--json")).out)).toMatchObject({ alerts: [{ id: "1" }] });
});

test("events are a table, the newest first", async () => {
  for (const number of [1, 2]) fixture.put(alertingKeys.event(number), event(number));
  await settled(() => api.view.alerting.events.size === 2);
  expect((await virtustor("events")).out).toBe("NUMBER  TIME                 SEVERITY  ABOUT     WHAT\n2       1970-01-01 00:00:02  warning   server-1  Event 2.\n1       1970-01-01 00:00:01  warning   server-1  Event 1.\n");
  expect(JSON.parse((await virtustor("events", "--limit", "1", "--json")).out)).toMatchObject({ events: [{ number: 2 }], before: 2 });
});

test("a channel is set up word by word, its secret from a file; what is not named stays; a test that fails says why", async () => {
  const sink = await SmtpSink.start();
  try {
    writeFileSync(join(directory, "password"), "mail words\n");
    const set = await virtustor("notifications", "set", "mail", "--on", "--server", "127.0.0.1", "--port", String(sink.port), "--security", "none", "--from", "a@example.com", "--to", "b@example.com", "c@example.com", "--password-file", join(directory, "password"));
    expect(set).toMatchObject({ code: 0, err: "" });
    expect(set.out).toContain("mail      on\n");
    await settled(() => api.view.alerting.notifications.mail.enabled);
    const off = await virtustor("notifications", "set", "mail", "--off", "--user", "eve");
    expect(off.out).toContain("mail      off");
    expect(off.out).toContain("login   eve, password set");
    expect(off.out).toContain("to      b@example.com, c@example.com");
    await virtustor("notifications", "set", "mail", "--user", "");
    expect((await virtustor("notifications", "test", "mail")).out).toContain("has taken a test mail to b@example.com, c@example.com");
    sink.behaviour = { answers: { message: "554 no" } };
    expect(await virtustor("notifications", "test", "mail")).toMatchObject({ code: 1, err: expect.stringContaining("It said: 554 no") });
    expect(await virtustor("notifications", "set", "pigeon", "--on")).toMatchObject({ code: 1, err: "virtustor: there is no channel pigeon: it is mail or webhook\n" });
    expect(await virtustor("notifications", "set", "webhook", "--on")).toMatchObject({ code: 1, err: expect.stringContaining("needs a URL") });
  } finally {
    await sink.stop();
  }
});
