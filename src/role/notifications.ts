import type { MailSettings, WebhookSettings } from "../cluster/alerting.ts";
import type { Message } from "../monitor/alerting/messages.ts";
import type { Senders, Sent } from "../monitor/alerting/notifier.ts";
import { sendMail } from "../platform/mail.ts";
import type { Platform } from "../platform/platform.ts";
import { SECRET_OF, type Sealer } from "../platform/seal.ts";
import { postWebhook } from "../platform/webhook.ts";

/** For an administrator who waits for the answer, and whose request ends before a slow mail server's patience does. */
export const TEST_MS_MAX = 15_000;

/** The ways out of a server, with the cluster's secrets opened: for the monitor that tells of alerts, and for an administrator's test. */
export function realSenders(platform: Pick<Platform, "clock" | "crypto">, sealer: Sealer, wholeMs?: number): Senders {
  return {
    async mail({ host, port, security, user, password, from, to }: MailSettings, message: Message, reference: string): Promise<Sent> {
      const opened = password === null ? "" : sealer.open(password, SECRET_OF.mail);
      if (opened === null) return unreadable("password");
      const login = user === "" ? null : { user, password: opened };
      return await sendMail(platform.clock, { host, port, security, login }, { from, to, subject: message.subject, text: message.text, reference }, wholeMs);
    },
    async webhook({ url, secret }: WebhookSettings, payload: object, reference: string): Promise<Sent> {
      const opened = secret === null ? null : sealer.open(secret, SECRET_OF.webhook);
      if (secret !== null && opened === null) return unreadable("secret");
      return await postWebhook(platform.crypto, platform.clock.wallMs(), { url, secret: opened }, payload, reference);
    },
  };
}

function unreadable(what: string): Sent {
  return { sent: false, sentence: `The stored ${what} cannot be opened with this cluster's key: enter it again.` };
}
