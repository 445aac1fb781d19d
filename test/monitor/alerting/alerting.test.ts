import { afterEach, describe, expect, test } from "bun:test";
import { AlertingMap, alertingKeys, CLEARED_MAX, EVENTS_MAX, NO_NOTIFICATIONS, type AlertRecord, type EventRecord, type MailSettings } from "../../../src/cluster/alerting.ts";
import { keys } from "../../../src/cluster/schema.ts";
import { Alerting } from "../../../src/monitor/alerting/alerting.ts";
import type { Message, WebhookPayload } from "../../../src/monitor/alerting/messages.ts";
import { Notifier, type Sent } from "../../../src/monitor/alerting/notifier.ts";
import { Monitor } from "../../../src/monitor/monitor.ts";
import { MemoryStore, type MemoryClient, type TransactionFate } from "../../../src/platform/store/memory.ts";
import { FakeClock, FakeLog, fakePlatform } from "../fake-platform.ts";

const MAIL: MailSettings = { enabled: true, host: "mail", port: 25, security: "none", user: "", password: null, from: "a@example.com", to: ["b@example.com"] };
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

interface Post {
  readonly by: string;
  readonly message: Message;
  readonly reference: string;
}

/** Servers without drives whose monitors really run: what is wrong is that a server does not answer. */
class Stage {
  readonly clock = new FakeClock();
  fate: (client: string) => TransactionFate = () => "normal";
  readonly store = new MemoryStore({ clock: this.clock, latencyMs: () => 1, fate: (_, client) => this.fate(client) });
  readonly log = new FakeLog();
  readonly posts: Post[] = [];
  readonly payloads: WebhookPayload[] = [];
  outcome: (channel: string) => Sent = () => ({ sent: true });

  constructor(servers = 3) {
    this.put(keys.cluster, { id: "0".repeat(32), name: "rack", incarnation: 1, targetName: "iqn.2026-01.example:test", formedAtMs: 0 });
    for (let n = 1; n <= servers; n++) {
      this.put(keys.server(`server-${n}`), { name: `server-${n}`, address: `127.0.0.${n}`, portalPort: 1, apiPort: 2, portalGroupTag: 1 });
      this.up(n);
    }
  }
  put(key: string, value: unknown): void {
    this.store.apply({ compares: [], puts: [{ key, value: JSON.stringify(value) }] });
  }
  remove(...names: string[]): void {
    this.store.apply({ compares: [], deletes: names });
  }
  up(n: number): void {
    this.put(keys.upServer(`server-${n}`), { instance: 1, sinceMs: 0 });
    this.put(keys.upGateway(n), { instance: n, server: `server-${n}`, sinceMs: 0 });
    this.put(alertingKeys.checked(`server-${n}`), { server: `server-${n}`, sentAtMs: 0, ahead: {}, version: "1", roles: [], drives: [], nics: [], system: null, certificates: [], member: null, storeMs: null });
  }
  down(n: number): void {
    this.remove(keys.upServer(`server-${n}`), keys.upGateway(n), alertingKeys.checked(`server-${n}`));
  }
  notify(settings = { ...NO_NOTIFICATIONS, mail: MAIL }): void {
    this.put(alertingKeys.notifications, settings);
  }

  /** The monitor process of a server; `kill` lets its leases run out. */
  start(name: string): { client: MemoryClient; alerting: Alerting; kill(): Promise<void> } {
    const client = this.store.client(name);
    const platform = fakePlatform(this.clock, this.log);
    const monitor = new Monitor(platform, client, name);
    monitor.start();
    const alerting = new Alerting({ platform, store: client, server: name, map: monitor.map, heard: () => {} });
    const notifier = new Notifier({
      platform,
      records: alerting.records,
      cluster: () => monitor.map.cluster,
      leads: () => alerting.leads,
      write: (transaction) => alerting.write(transaction),
      senders: {
        mail: async (_, message, reference) => {
          const outcome = this.outcome("mail");
          if (outcome.sent) this.posts.push({ by: name, message, reference });
          return outcome;
        },
        webhook: async (_, payload) => {
          const outcome = this.outcome("webhook");
          if (outcome.sent) this.payloads.push(payload);
          return outcome;
        },
      },
    });
    let stopped = false;
    const kill = async (): Promise<void> => {
      if (stopped) return;
      stopped = true;
      void Promise.all([notifier.stop(), alerting.stop()]);
      await client.close();
      void monitor.stop();
    };
    stops.push(kill);
    return { client, alerting, kill };
  }

  get alerts(): AlertRecord[] {
    return this.#range("alert/");
  }
  get events(): EventRecord[] {
    return this.#range<EventRecord>("event/").sort((a, b) => a.number - b.number);
  }
  #range<T>(prefix: string): T[] {
    return this.store.list(prefix).map(({ value }) => JSON.parse(value) as T);
  }
  get subjects(): string[] {
    return this.posts.map(({ message }) => message.subject);
  }
}
const seconds = (count: number): number => count * 1000;
/** Past the cold start of machine and process, with a leader. */
async function settled(stage: Stage, ...names: string[]): Promise<ReturnType<Stage["start"]>[]> {
  const started = names.map((name) => stage.start(name));
  await stage.clock.advance(seconds(150));
  return started;
}

describe("alerts", () => {
  test("a server that goes and comes back: one alert, one clearing, two events, two mails", async () => {
    const stage = new Stage();
    stage.notify();
    await settled(stage, "server-1", "server-2");
    expect([stage.alerts, stage.posts]).toEqual([[], []]);
    stage.down(3);
    await stage.clock.advance(seconds(120));
    expect(stage.alerts).toMatchObject([{ kind: "server-down", subject: "server-3", severity: "critical", clearedAtMs: null }]);
    expect(stage.subjects).toEqual(["[rack] Critical: server-3 does not answer: it has no power, no network, or VirtuStor on it has ended."]);
    stage.up(3);
    await stage.clock.advance(seconds(120));
    expect(stage.alerts).toMatchObject([{ kind: "server-down", clearedAtMs: expect.any(Number) }]);
    expect(stage.events.map(({ number, what }) => [number, what])).toEqual([[1, "alert-raised"], [2, "alert-cleared"]]);
    expect(stage.subjects).toHaveLength(2);
    expect(stage.subjects[1]).toMatch(/^\[rack\] Cleared after .*: server-3 does not answer/);
  });

  test("the leader's own server dies: its successor raises the alert, and neither of the two repeats what was told", async () => {
    const stage = new Stage(4);
    stage.notify();
    const [first] = await settled(stage, "server-1", "server-2");
    stage.down(4);
    await stage.clock.advance(seconds(30));
    expect(stage.subjects).toHaveLength(1);
    expect(stage.posts[0]?.by).toBe("server-1");
    await first?.kill();
    stage.down(1);
    await stage.clock.advance(seconds(60));
    expect(stage.posts.map(({ by }) => by)).toEqual(["server-1", "server-2"]);
    expect(stage.subjects[1]).toContain("server-1 does not answer");
    expect(stage.alerts.map(({ subject }) => subject).sort()).toEqual(["server-1", "server-4"]);
  });

  test("at a cold start nobody is told of those that are on their way", async () => {
    const stage = new Stage();
    stage.down(3);
    const started = stage.start("server-1");
    await stage.clock.advance(seconds(100));
    expect(started.alerting.leads).toBe(true);
    stage.up(3);
    await stage.clock.advance(seconds(100));
    expect(stage.events).toEqual([]);
  });

  test("an answer that got lost raises nothing twice", async () => {
    const stage = new Stage();
    await settled(stage, "server-1");
    let left = 3;
    stage.fate = () => (left-- > 0 ? "unanswered" : "normal");
    stage.down(3);
    await stage.clock.advance(seconds(60));
    expect(stage.alerts).toHaveLength(1);
    expect(stage.events).toHaveLength(1);
  });

  test("what an administrator noted on an alert is kept when it is cleared", async () => {
    const stage = new Stage();
    await settled(stage, "server-1");
    stage.down(3);
    await stage.clock.advance(seconds(30));
    stage.put(alertingKeys.alert("1"), { ...stage.alerts[0], acknowledged: { by: "eve", atMs: 5 } });
    stage.up(3);
    await stage.clock.advance(seconds(30));
    expect(stage.alerts).toMatchObject([{ acknowledged: { by: "eve" }, clearedAtMs: expect.any(Number) }]);
  });

  test("events and cleared alerts in the store are bounded", async () => {
    const stage = new Stage();
    for (let number = 1; number <= EVENTS_MAX + 20; number++) stage.put(alertingKeys.event(number), { number, atMs: 1, what: "alert-raised", kind: "k", severity: "info", subject: "s", sentence: "S.", step: "" });
    for (let id = 1; id <= CLEARED_MAX + 5; id++) stage.put(alertingKeys.alert(String(id)), { id: String(id), kind: "k", severity: "info", subject: String(id), sentence: "S.", step: "", source: null, sinceMs: 1, raisedAtMs: 1, clearedAtMs: id, acknowledged: null, times: 1 });
    await settled(stage, "server-1");
    stage.down(3);
    await stage.clock.advance(seconds(30));
    stage.up(3);
    await stage.clock.advance(seconds(30));
    expect(stage.events).toHaveLength(EVENTS_MAX);
    expect(stage.events.at(-1)?.number).toBe(EVENTS_MAX + 22);
    expect(stage.alerts).toHaveLength(CLEARED_MAX);
    // The oldest went.
    expect(stage.alerts.some(({ id }) => id === "1")).toBe(false);
  });

  test("of a server that was removed from the cluster nothing is kept", async () => {
    const stage = new Stage(4);
    await settled(stage, "server-1");
    stage.put(alertingKeys.checked("server-4"), { server: "server-4", sentAtMs: 0, ahead: {}, version: "1", roles: [{ role: "management", running: true, restarts: 9 }], drives: [], nics: [], system: null, certificates: [], member: null, storeMs: null });
    await stage.clock.advance(seconds(30));
    expect(stage.alerts).toMatchObject([{ kind: "role-restarts", clearedAtMs: null }]);
    stage.down(4);
    await stage.clock.advance(seconds(30));
    expect(stage.alerts.find(({ kind }) => kind === "role-restarts")?.clearedAtMs).toBeNull();
    stage.remove(keys.server("server-4"));
    await stage.clock.advance(seconds(30));
    expect(stage.alerts.every(({ clearedAtMs }) => clearedAtMs !== null)).toBe(true);
  });
});

describe("notifications", () => {
  test("what happens at once is told in one message", async () => {
    const stage = new Stage(5);
    stage.notify({ mail: MAIL, webhook: { enabled: true, url: "http://x", secret: null } });
    await settled(stage, "server-1");
    for (const n of [2, 3, 4]) stage.down(n);
    await stage.clock.advance(seconds(60));
    expect(stage.subjects).toEqual(["[rack] 3 alerts: 3 critical"]);
    for (const n of [2, 3, 4]) expect(stage.posts[0]?.message.text).toContain(`server-${n} does not answer`);
    expect(stage.payloads.map(({ events, test: isTest }) => [events.map(({ subject }) => subject), isTest])).toEqual([[["server-2", "server-3", "server-4"], false]]);
  });

  test("a server that takes nothing is tried again with growing pauses, told of, and gets everything when it is back", async () => {
    const stage = new Stage();
    stage.notify();
    await settled(stage, "server-1");
    let tries = 0;
    stage.outcome = () => (tries++, { sent: false, sentence: "Nothing listens there." });
    stage.down(3);
    await stage.clock.advance(seconds(3600));
    expect(tries).toBeGreaterThan(5);
    expect(tries).toBeLessThan(25);
    expect(stage.alerts.map(({ kind, subject }) => `${kind} ${subject}`)).toEqual(["server-down server-3", "notification-failed mail"]);
    stage.outcome = () => ({ sent: true });
    await stage.clock.advance(seconds(400));
    expect(stage.posts.flatMap(({ message }) => message.text.match(/server-3 does not answer|Mail does not get through/g) ?? [])).toEqual(expect.arrayContaining(["server-3 does not answer", "Mail does not get through"]));
    expect(stage.alerts.find(({ kind }) => kind === "notification-failed")?.clearedAtMs).not.toBeNull();
    const taken = stage.posts.length;
    await stage.clock.advance(seconds(3600));
    expect(stage.posts).toHaveLength(taken);
  });

  test("a leader that dies between the sending and its mark: the next tells it again, under the same reference", async () => {
    const stage = new Stage(4);
    stage.notify();
    const [first] = await settled(stage, "server-1", "server-2");
    // Whatever is written after the mail was taken is lost with the leader.
    stage.fate = (client) => (client === "server-1" && stage.posts.length > 0 ? "lost" : "normal");
    stage.down(4);
    await stage.clock.advance(seconds(20));
    expect(stage.posts).toHaveLength(1);
    await first?.kill();
    await stage.clock.advance(seconds(60));
    expect(stage.posts.map(({ by, reference }) => [by, reference])).toEqual([["server-1", `${"0".repeat(32)}.1-1`], ["server-2", `${"0".repeat(32)}.1-1`]]);
  });

  test("with the mark lost and the leader alive it is told once, and the mark is made good", async () => {
    const stage = new Stage();
    stage.notify();
    await settled(stage, "server-1");
    let lost = 2;
    stage.fate = () => (stage.posts.length > 0 && lost-- > 0 ? "lost" : "normal");
    stage.down(3);
    await stage.clock.advance(seconds(120));
    expect(stage.posts).toHaveLength(1);
    expect(JSON.parse(stage.store.find(alertingKeys.notified("mail"))?.value ?? "{}")).toMatchObject({ event: 1, failing: null });
  });

  test("a channel that is off is told nothing", async () => {
    const stage = new Stage();
    stage.notify({ ...NO_NOTIFICATIONS, mail: { ...MAIL, enabled: false } });
    await settled(stage, "server-1");
    stage.down(3);
    await stage.clock.advance(seconds(60));
    expect(stage.events).toHaveLength(1);
    expect(stage.posts).toEqual([]);
  });
});

test("a value of the store that cannot be read counts as absent, and a snapshot forgets what is gone", () => {
  const map = new AlertingMap();
  map.changed([{ key: "alert/1", value: "{", revision: 1 }, { key: "checked/a", value: '{"server":1}', revision: 2 }, { key: "notifications", value: "[]", revision: 3 }], 3);
  expect([map.alerts.size, map.checked.size, map.notifications]).toEqual([0, 0, NO_NOTIFICATIONS]);
  map.changed([{ key: "monitor/leader", value: '"a"', revision: 4 }], 4);
  expect([map.leader, map.leaderRevision]).toEqual(["a", 4]);
  map.snapshot([], 5);
  expect([map.leader, map.leaderRevision]).toEqual(["", 0]);
});
