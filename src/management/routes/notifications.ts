import * as v from "valibot";
import { alertingKeys, CHANNELS, NO_NOTIFICATIONS, notificationSettings, notified, type Channel, type NotificationSettings, type Notified } from "../../cluster/alerting.ts";
import { SECRET_OF } from "../../platform/seal.ts";
import type { Transaction } from "../../platform/store.ts";
import type { NotificationsAnswer, NotificationTestAnswer } from "../api/monitor.ts";
import type { ApiContext } from "../app.ts";
import { commit, type Change } from "../commit.ts";
import type { Monitoring } from "../monitoring.ts";
import { Problem } from "../problem.ts";
import { readRecord } from "../records.ts";
import { route, type Route } from "../route.ts";

/** A list that is longer belongs on a mail server. */
const RECIPIENTS_MAX = 20;
const TEXT_CHARACTERS_MAX = 255;
const URL_CHARACTERS_MAX = 1024;
/** "a@b" or "Name <a@b>", in one line. */
const ADDRESS = /^(?:[^<>\x00-\x1f]{0,100}<[^\s<>@]+@[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+)$/;
const HOST = /^[A-Za-z0-9._:-]{1,255}$/;

const addressRule = "An address is like storage@example.com.";
const address = v.pipe(v.string(addressRule), v.maxLength(TEXT_CHARACTERS_MAX, addressRule), v.regex(ADDRESS, addressRule));
const line = (what: string) => v.pipe(v.string(`${what} is text.`), v.maxLength(TEXT_CHARACTERS_MAX, `${what} has at most ${TEXT_CHARACTERS_MAX} characters.`), v.regex(/^[^\x00-\x1f\x7f]*$/, `${what} has no control characters.`));
const portRule = "The port is a whole number from 1 to 65535.";

const mailBody = v.pipe(
  v.strictObject({
    enabled: v.boolean("enabled is true or false."),
    host: line("The mail server's name"),
    port: v.pipe(v.number(portRule), v.integer(portRule), v.minValue(1, portRule), v.maxValue(65535, portRule)),
    security: v.picklist(["none", "starttls", "tls"], "security is none, starttls or tls."),
    user: line("The user"),
    password: v.optional(line("The password")),
    from: v.union([v.literal(""), address], addressRule),
    to: v.pipe(v.array(address, "The recipients are a list."), v.maxLength(RECIPIENTS_MAX, `There are at most ${RECIPIENTS_MAX} recipients.`)),
  }),
  v.check(({ host }) => host === "" || HOST.test(host), "The mail server's name has letters, digits, dots and dashes, or is an address."),
  v.check(({ enabled, host, from, to }) => !enabled || (host !== "" && from !== "" && to.length > 0), "Mail needs a mail server, a sender and at least one recipient before it can be switched on."),
);
const webhookBody = v.pipe(
  v.strictObject({
    enabled: v.boolean("enabled is true or false."),
    url: v.pipe(v.string("The URL is text."), v.maxLength(URL_CHARACTERS_MAX, `The URL has at most ${URL_CHARACTERS_MAX} characters.`)),
    secret: v.optional(line("The secret")),
  }),
  v.check(({ url }) => url === "" || isHttp(url), "The URL is like https://receiver.example.com/path."),
  v.check(({ enabled, url }) => !enabled || url !== "", "The webhook needs a URL before it can be switched on."),
);
const notificationsBody = v.strictObject({ mail: v.optional(mailBody), webhook: v.optional(webhookBody) });
type Body = v.InferOutput<typeof notificationsBody>;
const testBody = v.strictObject({ channel: v.picklist(["mail", "webhook"], "channel is mail or webhook.") });

export const notificationRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/notifications",
    access: "viewer",
    summary: "Where alerts are sent to; secrets are never given",
    answer: "NotificationsAnswer",
    handle({ context, caller }): NotificationsAnswer {
      const answer = answerOf(context.view.alerting.notifications);
      // The path of a webhook's URL is often all that guards it.
      return caller.role === "administrator" ? answer : { ...answer, webhook: { ...answer.webhook, url: URL.parse(answer.webhook.url)?.origin ?? "" } };
    },
  }),
  route({
    method: "POST",
    path: "/notifications",
    access: "administrator",
    summary: "Changes where alerts are sent to",
    body: notificationsBody,
    answer: "NotificationsAnswer",
    async handle({ context, body, audit }): Promise<NotificationsAnswer> {
      audit("notifications changed", { channels: Object.keys(body).join(", ") });
      return answerOf(await commit(context.store, () => prepare(context, body)));
    },
  }),
  route({
    method: "POST",
    path: "/notifications/test",
    access: "administrator",
    summary: "Sends a test by one channel, as it is set up now",
    body: testBody,
    answer: "NotificationTestAnswer",
    async handle({ context, body: { channel }, audit }): Promise<NotificationTestAnswer> {
      audit("notification test sent", { channel });
      const { value } = await readRecord(context.store, alertingKeys.notifications, notificationSettings);
      return await sendTest(context, monitoringOf(context), value ?? NO_NOTIFICATIONS, channel);
    },
  }),
];

async function prepare({ store, view, platform, sealer }: ApiContext, body: Body): Promise<Change<NotificationSettings>> {
  const before = await readRecord(store, alertingKeys.notifications, notificationSettings);
  const old = before.value ?? NO_NOTIFICATIONS;
  const sealed = (given: string | undefined, kept: string | null, about: string): string | null => (given === undefined ? kept : given === "" ? null : sealer.seal(given, about));
  const after: NotificationSettings = { ...old };
  if (body.mail !== undefined) after.mail = { ...body.mail, password: sealed(body.mail.password, old.mail.password, SECRET_OF.mail) };
  if (body.webhook !== undefined) after.webhook = { ...body.webhook, secret: sealed(body.webhook.secret, old.webhook.secret, SECRET_OF.webhook) };
  const put = { key: alertingKeys.notifications, value: JSON.stringify(after) };
  const marks = await Promise.all(CHANNELS.map((channel) => readRecord(store, alertingKeys.notified(channel), notified)));
  const transaction: { compares: { key: string; revision: number }[]; puts: { key: string; value: string }[] } = { compares: [{ key: put.key, revision: before.revision }], puts: [put] };
  CHANNELS.forEach((channel, index) => {
    if (body[channel] === undefined) return;
    const mark = marks[index];
    // What had happened before a channel was switched on is no news; a failure of the old settings says nothing of the new ones.
    const event = old[channel].enabled && mark?.value != null ? mark.value.event : view.alerting.newestEvent;
    const record: Notified = { event, atMs: platform.clock.wallMs(), failing: null };
    transaction.compares.push({ key: alertingKeys.notified(channel), revision: mark?.revision ?? 0 });
    transaction.puts.push({ key: alertingKeys.notified(channel), value: JSON.stringify(record) });
  });
  return { transaction: transaction satisfies Transaction, proof: put, result: after, what: "change the notifications" };
}

async function sendTest({ view, platform }: ApiContext, { senders }: Monitoring, settings: NotificationSettings, channel: Channel): Promise<NotificationTestAnswer> {
  const { mail, webhook } = settings;
  const cluster = { name: view.map.cluster?.name ?? "", id: view.map.cluster?.id ?? "" };
  const atMs = platform.clock.wallMs();
  const reference = `${cluster.id}.test-${platform.random.id()}`;
  const sentence = `This is a test of the notifications of the cluster ${cluster.name}. Nothing has happened.`;
  if (channel === "mail") {
    if (mail.host === "" || mail.from === "" || mail.to.length === 0) return { ok: false, sentence: "Mail is not set up: enter a mail server, a sender and a recipient, and save them, first." };
    const outcome = await senders.mail(mail, { subject: `[${cluster.name}] Test of notifications`, text: `${sentence}\n\n-- \nVirtuStor, cluster ${cluster.name}\n` }, reference);
    return outcome.sent ? { ok: true, sentence: `The mail server ${mail.host} has taken a test mail to ${mail.to.join(", ")}.${mail.enabled ? "" : " Mail is switched off: switch it on to get alerts."}` } : { ok: false, sentence: outcome.sentence };
  }
  if (webhook.url === "") return { ok: false, sentence: "The webhook is not set up: enter its URL, and save it, first." };
  const event = { number: 0, atMs, what: "test", kind: "test", severity: "info", subject: "cluster", sentence, step: "" };
  const outcome = await senders.webhook(webhook, { product: "VirtuStor", cluster, test: true, lost: 0, events: [event] }, reference);
  return outcome.sent ? { ok: true, sentence: `The receiver has taken a test message.${webhook.enabled ? "" : " The webhook is switched off: switch it on to get alerts."}` } : { ok: false, sentence: outcome.sentence };
}

function answerOf({ mail, webhook }: NotificationSettings): NotificationsAnswer {
  const { password, ...shownMail } = mail;
  const { secret, ...shownWebhook } = webhook;
  return { mail: { ...shownMail, passwordSet: password !== null }, webhook: { ...shownWebhook, secretSet: secret !== null } };
}

function monitoringOf({ monitoring }: ApiContext): Monitoring {
  if (monitoring === undefined) throw new Problem("not-ready", "This server cannot send notifications. Ask another one.");
  return monitoring;
}

function isHttp(url: string): boolean {
  const parsed = URL.parse(url);
  return parsed !== null && (parsed.protocol === "https:" || parsed.protocol === "http:") && parsed.hostname !== "";
}
