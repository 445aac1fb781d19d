import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "bun:test";
import type { AlertsAnswer, EventsAnswer, NotificationTestAnswer, StatisticsAnswer } from "../../src/management/api/monitor.ts";
import { HttpReceiver } from "../receivers/http-receiver.ts";
import { SmtpSink } from "../receivers/smtp-sink.ts";
import { startLoad } from "./load.ts";
import { SCENARIO_MS, TrialUnderTest } from "./trial-under-test.ts";

test("the server that leads dies: one alert, one mail and one webhook; it returns: one of each again, and nothing is repeated", async () => {
  const sink = await SmtpSink.start({ login: { user: "storage", password: "mail words" } });
  const receiver = new HttpReceiver();
  const trial = await TrialUnderTest.make();
  try {
    const client = await startLoad(trial, { commandsPerSecondMax: 500 });
    await writeFile(join(trial.directory, "password"), "mail words\n");
    const mail = ["--server", "127.0.0.1", "--port", String(sink.port), "--security", "none", "--user", "storage", "--from", "storage@example.com", "--to", "admin@example.com"];
    const shown = await trial.must("notifications", "set", "mail", "--on", ...mail, "--password-file", join(trial.directory, "password"));
    expect(shown).toContain("storage, password set");
    await trial.must("notifications", "set", "webhook", "--on", "--url", receiver.url);
    const tested = (await trial.json("notifications", "test", "mail")) as NotificationTestAnswer;
    expect(tested.ok).toBe(true);
    await sink.mail(({ headers }) => headers["subject"]?.includes("Test") === true);
    await alertsUntil(trial, "", (alerts) => alerts.length === 0);

    const leader = trial.servers.find(({ name }) => trial.hasLogged(name, "leads the cluster"))?.name ?? "";
    // A monitor that has just started tells nobody of others that may be on their way; no test needs more than that.
    await Bun.sleep(15_000);
    await trial.must("trial", "kill-server", leader);
    const raised = await sink.mail(({ headers }) => headers["subject"]?.includes(`${leader} does not answer`) === true);
    expect(raised).toMatchObject({ to: ["admin@example.com"], user: "storage" });
    expect(raised.text).toContain("do not power off another server");
    await receiver.message(({ body }) => body.includes('"alert-raised"') && body.includes(leader));
    const [alert] = (await alertsUntil(trial, leader, (alerts) => alerts.length > 0)).filter(({ kind }) => kind === "server-down");
    expect(alert).toMatchObject({ severity: "critical", acknowledged: null });
    expect(await trial.must("alerts", "ack", alert?.id ?? "")).toContain("acknowledged: ");
    expect(await trial.must("alerts")).toContain("acknowledged by");
    await client.progress(100);

    await trial.must("trial", "start-server", leader);
    const cleared = await sink.mail(({ text }) => text.includes("Cleared after") && text.includes(`${leader} does not answer`));
    expect(cleared.text).toContain("Cleared");
    await alertsUntil(trial, leader, (alerts) => alerts.length === 0);
    await trial.health("healthy");
    const { events } = (await trial.json("events")) as EventsAnswer;
    expect(events.filter(({ kind, subject }) => kind === "server-down" && subject === leader)).toHaveLength(2);
    expect(sink.mails.filter(({ text }) => text.includes(`${leader} does not answer`))).toHaveLength(2);
    expect(receiver.received.filter(({ body }) => body.includes(`${leader} does not answer`))).toHaveLength(2);

    // The load shows on every server's API, the returned one's included.
    const statistics = await statisticsOf(trial, leader);
    expect(statistics.now?.writeIops).toBeGreaterThan(0);
    await client.stop();
  } finally {
    await trial.wipe();
    await sink.stop();
    await receiver.stop();
  }
}, SCENARIO_MS);

async function alertsUntil(trial: TrialUnderTest, about: string, isSo: (alerts: AlertsAnswer["alerts"]) => boolean): Promise<AlertsAnswer["alerts"]> {
  for (;;) {
    const { alerts } = (await trial.json("alerts")) as AlertsAnswer;
    const found = alerts.filter(({ subject }) => about === "" || subject === about);
    if (isSo(found)) return found;
    await Bun.sleep(500);
  }
}

async function statisticsOf(trial: TrialUnderTest, server: string): Promise<StatisticsAnswer> {
  const api = trial.servers.find(({ name }) => name === server)?.api;
  for (;;) {
    const response = await fetch(`${api}/api/v1/statistics`, { headers: { authorization: `Bearer ${trial.report.token}` }, tls: { rejectUnauthorized: false } });
    const answer = (await response.json()) as StatisticsAnswer;
    if ((answer.now?.writeIops ?? 0) > 0 && answer.points.length > 0) return answer;
    await Bun.sleep(500);
  }
}
