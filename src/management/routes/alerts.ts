import { alertRecord, alertingKeys, type AlertRecord, type EventRecord } from "../../cluster/alerting.ts";
import type { AlertAnswer, AlertsAnswer, EventAnswer, EventsAnswer } from "../api/monitor.ts";
import type { ApiContext } from "../app.ts";
import { commit } from "../commit.ts";
import { Problem } from "../problem.ts";
import { wholeNumber } from "../query.ts";
import { readRecord } from "../records.ts";
import { route, type Route } from "../route.ts";

const CLEARED_LISTED_MAX = 500;
const EVENTS_LIMIT = 100;
const EVENTS_LIMIT_MAX = 500;
/** Of the alert that only this server can raise. */
const STORE_SILENT = "store-silent";

export const alertRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/alerts",
    access: "viewer",
    summary: "Alerts that last; with state=all also those that are over",
    answer: "AlertsAnswer",
    handle({ context, query }): AlertsAnswer {
      const state = query.get("state") ?? "active";
      if (state !== "active" && state !== "all") throw new Problem("bad-request", "state is active or all.");
      return { alerts: listed(context, state === "all") };
    },
  }),
  route({
    method: "POST",
    path: "/alerts/:id/acknowledge",
    access: "administrator",
    summary: "Notes that somebody takes care of an alert",
    answer: "AlertAnswer",
    async handle({ context, params, caller, audit }): Promise<AlertAnswer> {
      const id = params["id"] ?? "";
      audit("alert acknowledged", { alert: id.slice(0, 32) });
      const { store, platform } = context;
      if (!/^[0-9]{1,16}$/.test(id)) throw noAlert(id);
      const record = await commit<AlertRecord>(store, async () => {
        const key = alertingKeys.alert(id);
        const { value, revision } = await readRecord(store, key, alertRecord);
        if (value === null) throw noAlert(id);
        if (value.clearedAtMs !== null) throw new Problem("not-possible", "This alert is over: there is nothing to acknowledge.");
        const result: AlertRecord = { ...value, acknowledged: { by: caller.name, atMs: platform.clock.wallMs() } };
        const put = { key, value: JSON.stringify(result) };
        return { transaction: { compares: [{ key, revision }], puts: [put] }, proof: put, result, what: `acknowledge the alert ${id}` };
      });
      return answerOf(record);
    },
  }),
  route({
    method: "GET",
    path: "/events",
    access: "viewer",
    summary: "What happened, newest first",
    answer: "EventsAnswer",
    handle({ context, query }): EventsAnswer {
      const limit = wholeNumber(query, "limit", 1, EVENTS_LIMIT_MAX, EVENTS_LIMIT);
      const before = wholeNumber(query, "before", 1, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
      const events = eventsBefore(context, before, limit);
      return { events: events.map(eventAnswer), before: events.length < limit ? null : (events.at(-1)?.number ?? null) };
    },
  }),
];

function listed({ view, monitoring, platform }: ApiContext, all: boolean): AlertAnswer[] {
  const records = new Map([...view.alerting.alerts.values()].map(({ record }) => [`${record.id} ${Math.round(record.raisedAtMs)}`, record]));
  if (all) for (const record of monitoring?.history.alerts(CLEARED_LISTED_MAX) ?? []) if (!records.has(`${record.id} ${Math.round(record.raisedAtMs)}`)) records.set(`${record.id} ${Math.round(record.raisedAtMs)}`, record);
  const chosen = [...records.values()].filter(({ clearedAtMs }) => all || clearedAtMs === null).map(answerOf);
  if (!view.storeAnswers) chosen.push(storeSilent(platform.clock.wallMs() - view.silentMs));
  return chosen.sort((a, b) => b.raisedAtMs - a.raisedAtMs).slice(0, CLEARED_LISTED_MAX);
}

/** No leader could write it anywhere: each server tells it by itself. */
function storeSilent(sinceMs: number): AlertAnswer {
  return {
    id: STORE_SILENT,
    kind: STORE_SILENT,
    severity: "critical",
    subject: "cluster",
    sentence: "The cluster store does not answer this server: nothing can be changed, no failover can happen, and all that is shown is what was known last.",
    step: "Check that most of the servers are up and reach one another.",
    raisedAtMs: sinceMs,
    clearedAtMs: null,
    acknowledged: null,
  };
}

function eventsBefore({ view, monitoring }: ApiContext, before: number, limit: number): EventRecord[] {
  monitoring?.keeper.copy();
  const kept = monitoring?.history.events(before, limit) ?? null;
  if (kept !== null) return kept;
  return [...view.alerting.events.values()].filter(({ number }) => number < before).sort((a, b) => b.number - a.number).slice(0, limit);
}

function answerOf({ id, kind, severity, subject, sentence, step, raisedAtMs, clearedAtMs, acknowledged }: AlertRecord): AlertAnswer {
  return { id, kind, severity, subject, sentence, step, raisedAtMs, clearedAtMs, acknowledged };
}

function eventAnswer({ number, atMs, kind, severity, subject, sentence, what }: EventRecord): EventAnswer {
  // What is over is good news, however bad it was.
  return { number, atMs, kind, severity: what === "alert-cleared" ? "info" : severity, subject, sentence };
}

function noAlert(id: string): Problem {
  return new Problem("not-found", `There is no alert ${id.slice(0, 32)}. GET /alerts lists those that last.`);
}
