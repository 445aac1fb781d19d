import { Option, type Command } from "commander";
import { readFileSync } from "node:fs";
import type * as api from "../management/api/monitor.ts";
import { CliError } from "./error.ts";
import { common, quiet, run, type CliWorld, type CommonOptions } from "./command.ts";
import { facts, table } from "./table.ts";

/** What happens to the cluster, and who is told of it. */
export function addAlertCommands(program: Command, world: CliWorld): void {
  const alerts = common(program.command("alerts"), world)
    .description("list what is wrong now")
    .option("--all", "also what is over")
    .action((options: CommonOptions & { all?: boolean }) =>
      run(world, options, async (client) => {
        const answer = await client.get<api.AlertsAnswer>(`/alerts?state=${options.all === true ? "all" : "active"}`);
        return { answer, text: alertsText(answer.alerts, options.all === true) };
      }),
    );
  common(alerts.command("ack"), world)
    .description("note that somebody takes care of an alert; it stays until it is over")
    .argument("<id>")
    .action((id: string, _own: CommonOptions, command: Command) =>
      run(world, command.optsWithGlobals<CommonOptions>(), async (client) => {
        const answer = await client.post<api.AlertAnswer>(`/alerts/${encodeURIComponent(id)}/acknowledge`, {});
        return { answer, text: `acknowledged: ${answer.sentence}\n` };
      }),
    );
  common(program.command("events"), world)
    .description("list what happened, the newest first")
    .option("--before <number>", "only events with a lower number")
    .option("--limit <count>", "at most so many", "50")
    .action((options: CommonOptions & { before?: string; limit: string }) =>
      run(world, options, async (client) => {
        const query = new URLSearchParams({ limit: options.limit, ...(options.before === undefined ? {} : { before: options.before }) });
        const answer = await client.get<api.EventsAnswer>(`/events?${query}`);
        const rows = answer.events.map(({ number, atMs, severity, subject, sentence }) => [String(number), timeText(atMs), severity, subject, sentence]);
        return { answer, text: table(["number", "time", "severity", "about", "what"], rows, "no events") };
      }),
    );
  addNotificationCommands(program, world);
}

interface SetOptions extends CommonOptions {
  readonly on?: boolean;
  readonly off?: boolean;
  readonly server?: string;
  readonly port?: string;
  readonly security?: "none" | "starttls" | "tls";
  readonly user?: string;
  readonly passwordFile?: string;
  readonly from?: string;
  readonly to?: string[];
  readonly url?: string;
  readonly secretFile?: string;
}

function addNotificationCommands(program: Command, world: CliWorld): void {
  const notifications = quiet(program.command("notifications").description("who is told of alerts, by mail and by webhook"), world);
  common(notifications.command("show"), world)
    .description("show how they are set up")
    .action((options: CommonOptions) =>
      run(world, options, async (client) => {
        const answer = await client.get<api.NotificationsAnswer>("/notifications");
        return { answer, text: notificationsText(answer) };
      }),
    );
  common(notifications.command("set"), world)
    .description("change one channel; what is not named stays as it is")
    .argument("<channel>", "mail or webhook")
    .option("--on", "switch it on")
    .option("--off", "switch it off")
    .option("--server <name>", "mail: the mail server")
    .option("--port <port>", "mail: its port; 587 with starttls, 465 with tls, 25 with none")
    .addOption(new Option("--security <how>", "mail: whether the connection is encrypted").choices(["none", "starttls", "tls"]))
    .option("--user <user>", "mail: for the login; \"\" for none")
    .option("--password-file <file>", "mail: file with the password (- for the standard input)")
    .option("--from <address>", "mail: the sender")
    .option("--to <address...>", "mail: the recipients")
    .option("--url <url>", "webhook: where it is posted to")
    .option("--secret-file <file>", "webhook: file with the secret that signs messages (- for the standard input)")
    .action((channel: string, options: SetOptions) =>
      run(world, options, async (client) => {
        const before = await client.get<api.NotificationsAnswer>("/notifications");
        const answer = await client.post<api.NotificationsAnswer>("/notifications", changed(before, channel, options));
        return { answer, text: notificationsText(answer) };
      }),
    );
  common(notifications.command("test"), world)
    .description("send a test by one channel, as it is set up now")
    .argument("<channel>", "mail or webhook")
    .action((channel: string, options: CommonOptions) =>
      run(world, options, async (client) => {
        const answer = await client.post<api.NotificationTestAnswer>("/notifications/test", { channel: known(channel) } satisfies api.NotificationTestBody);
        if (!answer.ok) throw new CliError(answer.sentence);
        return { answer, text: `${answer.sentence}\n` };
      }),
    );
}

function changed(before: api.NotificationsAnswer, channel: string, options: SetOptions): api.NotificationsBody {
  if (options.on === true && options.off === true) throw new CliError("--on and --off at once");
  const enabled = options.on === true ? true : options.off === true ? false : null;
  if (known(channel) === "webhook") {
    const { enabled: was, url } = before.webhook;
    return { webhook: { enabled: enabled ?? was, url: options.url ?? url, ...(options.secretFile === undefined ? {} : { secret: readSecret(options.secretFile) }) } };
  }
  const { passwordSet: _, ...mail } = before.mail;
  const port = options.port === undefined ? mail.port : Number(options.port);
  return {
    mail: {
      ...mail,
      enabled: enabled ?? mail.enabled,
      host: options.server ?? mail.host,
      port,
      security: options.security ?? mail.security,
      user: options.user ?? mail.user,
      from: options.from ?? mail.from,
      to: options.to ?? mail.to,
      ...(options.passwordFile === undefined ? {} : { password: readSecret(options.passwordFile) }),
    },
  };
}

/** From a file, so that it shows neither in the list of processes nor in the shell's history. */
function readSecret(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8").replace(/\r?\n$/, "");
  } catch (error) {
    throw new CliError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function known(channel: string): "mail" | "webhook" {
  if (channel !== "mail" && channel !== "webhook") throw new CliError(`there is no channel ${channel}: it is mail or webhook`);
  return channel;
}

function alertsText(alerts: readonly api.AlertAnswer[], all: boolean): string {
  if (alerts.length === 0) return all ? "no alerts so far\n" : "no alerts: nothing is wrong\n";
  return alerts
    .map(({ id, severity, subject, sentence, step, raisedAtMs, clearedAtMs, acknowledged }) => {
      const until = clearedAtMs === null ? "" : ` to ${timeText(clearedAtMs)}`;
      const taken = acknowledged === null ? "" : `, acknowledged by ${acknowledged.by}`;
      return `${id}  ${severity}  ${subject}  since ${timeText(raisedAtMs)}${until}${taken}\n    ${sentence}\n${step === "" ? "" : `    ${step}\n`}`;
    })
    .join("");
}

function notificationsText({ mail, webhook }: api.NotificationsAnswer): string {
  const set = (isSet: boolean): string => (isSet ? "set" : "none");
  return facts([
    ["mail", mail.enabled ? "on" : "off"],
    ["  server", mail.host === "" ? "-" : `${mail.host} port ${mail.port}, security ${mail.security}`],
    ["  login", mail.user === "" ? "none" : `${mail.user}, password ${set(mail.passwordSet)}`],
    ["  from", mail.from === "" ? "-" : mail.from],
    ["  to", mail.to.length === 0 ? "-" : mail.to.join(", ")],
    ["webhook", webhook.enabled ? "on" : "off"],
    ["  url", webhook.url === "" ? "-" : webhook.url],
    ["  secret", set(webhook.secretSet)],
  ]);
}

/** "2026-11-22 14:02:31", in universal time as all times of the product's texts. */
function timeText(ms: number): string {
  return new Date(ms).toISOString().replace("T", " ").slice(0, 19);
}
