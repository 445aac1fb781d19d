import { expect, test } from "bun:test";
import { AlertingMap, NO_NOTIFICATIONS } from "../../../src/cluster/alerting.ts";
import { SILENT_MS, SilenceTeller } from "../../../src/monitor/alerting/silence.ts";
import type { Sent } from "../../../src/monitor/alerting/notifier.ts";
import { MemoryStore } from "../../../src/platform/store/memory.ts";
import { FakeClock, FakeLog, fakePlatform } from "../fake-platform.ts";

test("a server that the store does not answer tells it once by itself, when it can, and that it is over", async () => {
  const clock = new FakeClock();
  const store = new MemoryStore({ clock });
  const client = store.client("server-1");
  const records = new AlertingMap();
  records.notifications = { ...NO_NOTIFICATIONS, mail: { ...NO_NOTIFICATIONS.mail, enabled: true } };
  const subjects: string[] = [];
  let outcome: Sent = { sent: false, sentence: "Nothing listens there." };
  let tries = 0;
  const unused = (): never => {
    throw new Error("the webhook is off");
  };
  const teller = new SilenceTeller({
    platform: fakePlatform(clock, new FakeLog()), store: client, server: "server-1", records, cluster: () => ({ name: "rack", id: "0" }),
    senders: { mail: async (_, { subject }) => (tries++, outcome.sent && subjects.push(subject), outcome), webhook: unused },
  });
  await clock.advance(120_000);
  // An election is nobody's concern.
  client.setReachable(false);
  await clock.advance(SILENT_MS / 2);
  client.setReachable(true);
  await clock.advance(60_000);
  expect(tries).toBe(0);
  client.setReachable(false);
  await clock.advance(300_000);
  expect(tries).toBeGreaterThan(2);
  outcome = { sent: true };
  await clock.advance(3_600_000);
  expect(subjects).toEqual([expect.stringContaining("[rack] Critical: The cluster store has not answered server-1 for")]);
  client.setReachable(true);
  await clock.advance(60_000);
  expect(subjects[1]).toMatch(/^\[rack\] Cleared after .*: the cluster store did not answer server-1\./);
  await clock.advance(3_600_000);
  expect(subjects).toHaveLength(2);
  teller.stop();
  await client.close();
});
