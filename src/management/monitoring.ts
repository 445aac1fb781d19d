import type { MailSettings, WebhookSettings } from "../cluster/alerting.ts";
import type { History } from "./database/history.ts";
import type { Keeper } from "./keeper.ts";

export type Sent = { readonly sent: true } | { readonly sent: false; readonly sentence: string };

/** What routes on alerts, statistics and notifications need besides the view. */
export interface Monitoring {
  readonly history: History;
  readonly keeper: Keeper;
  /** The ways out; they never reject. */
  readonly senders: {
    mail(settings: MailSettings, message: { readonly subject: string; readonly text: string }, reference: string): Promise<Sent>;
    webhook(settings: WebhookSettings, payload: object, reference: string): Promise<Sent>;
  };
}
