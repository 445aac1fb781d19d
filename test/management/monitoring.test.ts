import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { alertingKeys, type AlertRecord, type EventRecord } from "../../src/cluster/alerting.ts";
import { LATENCY_BUCKETS, statisticsKeys } from "../../src/cluster/statistics.ts";
import { keys } from "../../src/cluster/schema.ts";
import { createApp, type ApiApp } from "../../src/management/app.ts";
import { realCrypto } from "../../src/platform/crypto.ts";
import { realSealer, SECRET_OF } from "../../src/platform/seal.ts";
import { openMonitoring } from "../../src/role/monitoring.ts";
import { HttpReceiver } from "../receivers/http-receiver.ts";
import { SmtpSink } from "../receivers/smtp-sink.ts";
import { ApiFixture, CREDENTIALS, fakePlatform, settled, TOKEN, type Api } from "./api-fixture.ts";
import { parseExposition } from "./exposition-parser.ts";

let fixture: ApiFixture;
let api: Api;
let app: ApiApp;
let monitoring: ReturnType<typeof openMonitoring>;
let directory: string;
const sealer = realSealer(CREDENTIALS.clusterKey);

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "virtustor-monitoring-"));
  fixture = new ApiFixture().form();
  api = await fixture.open();
  const platform = fakePlatform();
  monitoring = openMonitoring(platform, api.view, directory, sealer);
  app = createApp({ platform, store: fixture.store.client(), view: api.view, ...CREDENTIALS, monitoring });
});
afterEach(() => {
  monitoring.close();
  fixture.close();
  rmSync(directory, { recursive: true });
});

async function call(method: string, path: string, body?: object): Promise<{ status: number; body: Record<string, unknown>; text: string }> {
  const type: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
  const response = await app.fetch(new Request(`http://server/api/v1${path}`, { method, headers: { authorization: `Bearer ${TOKEN}`, ...type }, body: body === undefined ? null : JSON.stringify(body) }), { remote: "127.0.0.9" });
  const text = await response.text();
  return { status: response.status, text, body: text.startsWith("{") ? (JSON.parse(text) as Record<string, unknown>) : {} };
}

const alert = (id: string, more: Partial<AlertRecord> = {}): AlertRecord => ({ id, kind: "server-down", severity: "critical", subject: "server-1", sentence: "It is down.", step: "Start it.", source: null, sinceMs: 1, raisedAtMs: Number(id), clearedAtMs: null, acknowledged: null, times: 1, ...more });
const event = (number: number): EventRecord => ({ number, atMs: number, what: "alert-raised", kind: "k", severity: "warning", subject: "s", sentence: `Event ${number}.`, step: "Do." });

describe("alerts", () => {
  test("those that last are listed, newest first; with state=all also what is over, and what only this server remembers", async () => {
    for (const record of [alert("1"), alert("2", { clearedAtMs: 9 }), alert("3")]) fixture.put(alertingKeys.alert(record.id), record);
    await settled(() => api.view.alerting.alerts.size === 3);
    expect((await call("GET", "/alerts")).body["alerts"]).toMatchObject([{ id: "3" }, { id: "1", step: "Start it.", acknowledged: null }]);
    monitoring.keeper.copy();
    fixture.store.apply({ compares: [], deletes: [alertingKeys.alert("2")] });
    await settled(() => api.view.alerting.alerts.size === 2);
    expect((await call("GET", "/alerts?state=all")).body["alerts"]).toMatchObject([{ id: "3" }, { id: "2", clearedAtMs: 9 }, { id: "1" }]);
    expect((await call("GET", "/alerts?state=some")).status).toBe(400);
  });
  test("an acknowledgement is kept with who gave it; one that is over or unknown cannot be acknowledged", async () => {
    fixture.put(alertingKeys.alert("1"), alert("1"));
    fixture.put(alertingKeys.alert("2"), alert("2", { clearedAtMs: 9 }));
    expect(await call("POST", "/alerts/1/acknowledge", {})).toMatchObject({ status: 200, body: { id: "1", acknowledged: { by: "token" } } });
    expect(fixture.read(alertingKeys.alert("1"))).toMatchObject({ acknowledged: { by: "token" }, clearedAtMs: null });
    expect((await call("POST", "/alerts/2/acknowledge", {})).body["detail"]).toContain("is over");
    for (const id of ["3", "..", "%2e%2e", "x".repeat(200)]) expect((await call("POST", `/alerts/${id}/acknowledge`, {})).status).toBe(404);
  });
  test("a store that does not answer is an alert that each server raises by itself", async () => {
    Object.defineProperty(api.view, "storeAnswers", { value: false });
    expect((await call("GET", "/alerts")).body["alerts"]).toMatchObject([{ kind: "store-silent", severity: "critical" }]);
  });
});

test("events come in pages, from the history when the store has dropped them", async () => {
  for (let number = 1; number <= 5; number++) fixture.put(alertingKeys.event(number), event(number));
  await settled(() => api.view.alerting.events.size === 5);
  const first = await call("GET", "/events?limit=2");
  expect(first.body).toMatchObject({ events: [{ number: 5 }, { number: 4 }], before: 4 });
  fixture.store.apply({ compares: [], deletes: [1, 2, 3, 4].map(alertingKeys.event) });
  await settled(() => api.view.alerting.events.size === 1);
  expect((await call("GET", "/events?before=4&limit=10")).body).toMatchObject({ events: [{ number: 3 }, { number: 2 }, { number: 1, sentence: "Event 1." }], before: null });
  for (const query of ["limit=0", "limit=501", "limit=-1", "limit=1e3", "before=x"]) expect((await call("GET", `/events?${query}`)).status).toBe(400);
});

const kindCounters = (commands: number, microseconds = 0, bytes = 0) => ({ commands, failed: 0, bytes, microseconds, buckets: Array.from({ length: LATENCY_BUCKETS }, (_, index) => (index === 10 ? commands : 0)) });
function portal(server: string, upMs: number, reads: number, more: object = {}): void {
  fixture.put(statisticsKeys.statistics(server), { instance: 1, upMs, reads: kindCounters(reads, reads * 500, reads * 4096), writes: kindCounters(0), others: kindCounters(0), sessions: 1, ...more });
}

describe("statistics", () => {
  test("rates are of all portals over their last report; a process that began anew counts from then on", async () => {
    expect((await call("GET", "/statistics")).body).toMatchObject({ now: null, points: [] });
    portal("server-1", 1000, 100);
    portal("server-2", 1000, 1000);
    portal("server-1", 4000, 160);
    portal("server-2", 4000, 1030);
    await settled(() => api.view.portals.statistics.get("server-2")?.step != null);
    expect((await call("GET", "/statistics")).body["now"]).toMatchObject({ readIops: 30, writeIops: 0, readBytes: 30 * 4096, readLatencyUs: 500, writeLatencyUs: null });
    portal("server-1", 500, 7, { instance: 2 });
    await settled(() => api.view.portals.statistics.get("server-1")?.last.instance === 2);
    expect((await call("GET", "/statistics")).body["now"]).toMatchObject({ readIops: 10 });
    // Nothing is lost and nothing counted twice by the sums that are kept.
    expect(api.view.portals.takeWork().readCommands).toBe(90);
    expect(api.view.portals.takeWork().readCommands).toBe(0);
  });
  test("points lie on a grid, at most as many as a chart shows", async () => {
    const atMs = Math.floor(Date.now() / 10_000) * 10_000 - 60_000;
    monitoring.history.addStatistics({ atMs, spanMs: 10_000, readCommands: 500, writeCommands: 0, readBytes: 1000, writeBytes: 0, readMicroseconds: 100_000, writeMicroseconds: 0 });
    const { body } = await call("GET", "/statistics?minutes=10");
    expect(body).toMatchObject({ step: 10_000, points: [{ atMs, readIops: 50, readBytes: 100, readLatencyUs: 200, writeLatencyUs: null }] });
    expect((await call("GET", "/statistics?minutes=1440")).body["step"]).toBe(240_000);
    expect((await call("GET", "/statistics?minutes=1441")).status).toBe(400);
  });
});

test("sessions are listed with the LUNs of their host", async () => {
  fixture.put(keys.mapping("esx", 4), { volume: 1, host: "esx", lun: 4, readOnly: false });
  fixture.put(keys.mapping("esx", 1), { volume: 2, host: "esx", lun: 1, readOnly: false });
  fixture.put(statisticsKeys.sessions("server-1"), { sessions: [{ host: "esx", initiator: "iqn.2026-01.x:esx", address: "10.0.0.9:5501", sinceMs: 5 }], more: 0 });
  await settled(() => api.view.portals.sessions.size === 1 && api.view.map.mappings.size === 2);
  expect((await call("GET", "/sessions")).body).toEqual({ sessions: [{ host: "esx", initiator: "iqn.2026-01.x:esx", server: "server-1", address: "10.0.0.9", sinceMs: 5, luns: [1, 4] }], silent: ["server-2", "server-3"] });
});

describe("notifications", () => {
  const mail = { enabled: true, host: "127.0.0.1", port: 25, security: "none", user: "", from: "VirtuStor <storage@example.com>", to: ["admin@example.com"] };

  test("a secret is sealed in the store, kept when it is left out, removed by an empty one, and never given back", async () => {
    const set = await call("POST", "/notifications", { mail: { ...mail, user: "storage", password: "mail-secret" }, webhook: { enabled: false, url: "https://x.example/hook", secret: "hook-secret" } });
    expect(set).toMatchObject({ status: 200, body: { mail: { passwordSet: true, user: "storage" }, webhook: { secretSet: true } } });
    await call("POST", "/notifications", { mail: { ...mail, port: 26 } });
    const stored = fixture.read(alertingKeys.notifications) as { mail: { password: string; port: number }; webhook: { secret: string } };
    expect(JSON.stringify(fixture.store.list(""))).not.toMatch(/mail-secret|hook-secret/);
    expect([sealer.open(stored.mail.password, SECRET_OF.mail), sealer.open(stored.webhook.secret, SECRET_OF.webhook), stored.mail.port]).toEqual(["mail-secret", "hook-secret", 26]);
    await settled(() => api.view.alerting.notifications.mail.port === 26);
    expect((await call("GET", "/notifications")).text).not.toMatch(/secret":"|mail-secret|hook-secret|sealed/);
    expect((await call("POST", "/notifications", { mail: { ...mail, password: "" } })).body).toMatchObject({ mail: { passwordSet: false } });
  });

  test("what had happened before a channel was switched on is not told; switched on it goes on where it was", async () => {
    for (const number of [1, 2]) fixture.put(alertingKeys.event(number), event(number));
    await settled(() => api.view.alerting.newestEvent === 2);
    await call("POST", "/notifications", { mail });
    expect(fixture.read(alertingKeys.notified("mail"))).toMatchObject({ event: 2, failing: null });
    fixture.put(alertingKeys.event(3), event(3));
    fixture.put(alertingKeys.notified("mail"), { event: 2, atMs: 1, failing: { sinceMs: 1, sentence: "No." } });
    await settled(() => api.view.alerting.newestEvent === 3);
    await call("POST", "/notifications", { mail: { ...mail, port: 587 } });
    expect(fixture.read(alertingKeys.notified("mail"))).toMatchObject({ event: 2, failing: null });
  });

  test("settings that cannot work are refused, and nothing is changed", async () => {
    const bad: object[] = [
      { ...mail, host: "" }, { ...mail, host: "a b" }, { ...mail, port: 0 }, { ...mail, port: 70000 }, { ...mail, security: "ssl" }, { ...mail, from: "nobody" }, { ...mail, to: [] },
      { ...mail, to: ["a@b\r\nBcc: c@d"] }, { ...mail, from: "x\n<a@b>" }, { ...mail, to: Array.from({ length: 21 }, () => "a@b") }, { ...mail, password: "a\nb" }, { ...mail, more: 1 },
    ];
    for (const one of bad) expect({ one, status: (await call("POST", "/notifications", { mail: one })).status }).toEqual({ one, status: 400 });
    for (const url of ["", "x", "ftp://x/", "file:///etc/passwd"]) expect((await call("POST", "/notifications", { webhook: { enabled: true, url } })).status).toBe(400);
    expect(fixture.read(alertingKeys.notifications)).toBeNull();
  });

  test("a test goes to a real receiver, by mail and by webhook, and says what is wrong when it does not", async () => {
    const sink = await SmtpSink.start();
    const receiver = new HttpReceiver();
    try {
      expect((await call("POST", "/notifications/test", { channel: "mail" })).body).toMatchObject({ ok: false, sentence: expect.stringContaining("not set up") });
      await call("POST", "/notifications", { mail: { ...mail, port: sink.port, enabled: false }, webhook: { enabled: true, url: receiver.url, secret: "s3cret" } });
      expect((await call("POST", "/notifications/test", { channel: "mail" })).body).toMatchObject({ ok: true, sentence: expect.stringContaining("has taken a test mail to admin@example.com. Mail is switched off") });
      expect(sink.mails).toMatchObject([{ from: "storage@example.com", headers: { subject: "[test] Test of notifications" } }]);
      expect((await call("POST", "/notifications/test", { channel: "webhook" })).body).toMatchObject({ ok: true });
      const [{ headers, body } = { headers: {} as Record<string, string>, body: "{}" }] = receiver.received;
      expect(JSON.parse(body)).toMatchObject({ test: true, events: [{ kind: "test" }] });
      const hmac = Buffer.from(realCrypto().hmac(Buffer.from("s3cret"), [headers["x-virtustor-timestamp"] ?? "", ".", body])).toString("hex");
      expect(headers["x-virtustor-signature"]).toBe(`sha256=${hmac}`);
      sink.behaviour = { answers: { rcpt: "550 no such user" } };
      expect((await call("POST", "/notifications/test", { channel: "mail" })).body).toMatchObject({ ok: false, sentence: expect.stringContaining("550 no such user") });
    } finally {
      await sink.stop();
      await receiver.stop();
    }
  });
});

test("the metrics are what Prometheus reads, and say what matters", async () => {
  fixture.put(alertingKeys.alert("1"), alert("1", { subject: 'a "quoted" \\ name' }));
  fixture.put(alertingKeys.checked("server-1"), {
    server: "server-1", sentAtMs: 1, ahead: { "server-2": 700 }, version: "1", roles: [{ role: "iscsi", running: true, restarts: 2 }],
    drives: [{ path: "/d", id: "1".repeat(16), device: "/dev/sdb", model: null, serial: null, rotational: true, latencyMs: 12, ioErrors: 3, smart: { passed: false, reallocated: 1, pending: 2, uncorrectable: 0, wornPercent: 50, celsius: 41 } }],
    nics: [{ name: "eth0", used: true, link: false, speed: null, errors: 0, packets: 0 }], system: { totalBytes: 100, freeBytes: 40 }, certificates: [{ name: "server.crt", notAfterMs: 5000 }], member: null, storeMs: 3,
  });
  portal("server-1", 1000, 100);
  await settled(() => api.view.portals.statistics.size === 1 && api.view.alerting.checked.size === 1 && api.view.alerting.alerts.size === 1);
  const { text } = await call("GET", "/metrics");
  const metrics = parseExposition(text);
  const value = (name: string, labels: Record<string, string> = {}): number | undefined => metrics.samples.find((one) => one.name === name && Object.entries(labels).every(([label, wanted]) => one.labels[label] === wanted))?.value;
  expect(value("virtustor_server_up", { server: "server-2" })).toBe(1);
  expect(value("virtustor_alerts", { severity: "critical" })).toBe(1);
  expect(value("virtustor_alert_active", { subject: 'a "quoted" \\ name' })).toBe(1);
  expect(value("virtustor_drive_latency_seconds")).toBe(0.012);
  expect(value("virtustor_drive_smart_passed")).toBe(0);
  expect(value("virtustor_drive_worn_ratio")).toBe(0.5);
  expect(value("virtustor_link_up", { port: "eth0" })).toBe(0);
  expect(value("virtustor_clock_ahead_seconds", { other: "server-2" })).toBe(0.7);
  expect(value("virtustor_role_restarts")).toBe(2);
  expect(value("virtustor_portal_commands_total", { kind: "read" })).toBe(100);
  expect(value("virtustor_portal_command_seconds_count", { kind: "read" })).toBe(100);
  expect(value("virtustor_portal_command_seconds_bucket", { kind: "read", le: String(2 ** 9 / 1e6) })).toBe(0);
  expect(value("virtustor_portal_command_seconds_bucket", { kind: "read", le: String(2 ** 10 / 1e6) })).toBe(100);
  expect(metrics.types.size).toBeGreaterThan(30);
});
