import { alertingKeys, CHANNELS, type AlertingMap, type Channel, type EventRecord, type MailSettings, type Notified, type WebhookSettings } from "../../cluster/alerting.ts";
import type { Platform, Timer } from "../../platform/platform.ts";
import type { Transaction } from "../../platform/store.ts";
import { mailMessage, webhookPayload, type ClusterName, type Message, type WebhookPayload } from "./messages.ts";

/** What happens together is told together. */
export const DIGEST_MS = 3_000;
/** A message has at most so many events; a webhook's receiver may bound its bodies. */
export const EVENTS_PER_MESSAGE = 100;
const BACK_OFF_MS_MIN = 5_000;
const BACK_OFF_MS_MAX = 300_000;
/** So many tries in a row before anybody is told that a channel fails: mail servers restart, too. */
const TRIES_QUIET = 3;
const LOOK_INTERVAL_MS = 1_000;

export type Sent = { readonly sent: true } | { readonly sent: false; readonly sentence: string };
/** The ways out. They never reject, and end within a bounded time. */
export interface Senders {
  /** `reference` is the same for the same events, so that a message that is sent twice can be told. */
  mail(settings: MailSettings, message: Message, reference: string): Promise<Sent>;
  webhook(settings: WebhookSettings, payload: WebhookPayload, reference: string): Promise<Sent>;
}

export interface NotifierWorld {
  readonly platform: Platform;
  readonly records: AlertingMap;
  readonly senders: Senders;
  readonly cluster: () => ClusterName | null;
  readonly leads: () => boolean;
  /** A write of the leader. */
  readonly write: (transaction: Transaction) => Promise<boolean>;
}

/**
 * Tells channels of alerts, by the monitor that leads. Events up to `notified/<channel>` are told: that mark is set when the receiver
 * has taken the message, so each event is told at least once, and twice only when the leader ends between the two.
 */
export class Notifier {
  readonly #world: NotifierWorld;
  readonly #states: Readonly<Record<Channel, ChannelState>> = { mail: newState(), webhook: newState() };
  #tick: Timer | null = null;
  #stopped = false;
  readonly #sending = new Set<Promise<void>>();

  constructor(world: NotifierWorld) {
    this.#world = world;
    this.#tickLater();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#tick?.cancel();
    await Promise.all(this.#sending);
  }

  #tickLater(): void {
    this.#tick = this.#world.platform.clock.timer(LOOK_INTERVAL_MS, () => {
      this.look();
      if (!this.#stopped) this.#tickLater();
    });
  }

  look(): void {
    if (this.#stopped) return;
    for (const channel of CHANNELS) this.#look(channel, this.#states[channel]);
  }

  #look(channel: Channel, state: ChannelState): void {
    const { platform, records, leads, cluster } = this.#world;
    const name = cluster();
    if (!leads() || !records.notifications[channel].enabled || name === null) {
      Object.assign(state, newState(), { sending: state.sending });
      return;
    }
    const nowMs = platform.clock.nowMs();
    const mark = records.notified.get(channel);
    // After a restore of the store events begin again at a lower number.
    const told = Math.max(mark?.record.event ?? 0, Math.min(state.toldEvent, records.newestEvent));
    if (state.toldEvent > (mark?.record.event ?? 0) && told === state.toldEvent && !state.sending) return this.#track(state, this.#mark(channel, { event: told, atMs: platform.clock.wallMs(), failing: null }));
    const waiting = [...records.events.values()].filter(({ number }) => number > told).sort((a, b) => a.number - b.number);
    if (waiting.length === 0) {
      state.waitingSinceMs = null;
      return;
    }
    state.waitingSinceMs ??= nowMs;
    if (state.sending || nowMs < state.retryAtMs || nowMs - state.waitingSinceMs < DIGEST_MS) return;
    const events = waiting.slice(0, EVENTS_PER_MESSAGE);
    // Without a mark the channel has just been set up: what is listed is all there is to tell.
    const lost = mark === undefined && state.toldEvent === 0 ? 0 : Math.max(0, (events[0]?.number ?? 0) - told - 1);
    this.#track(state, this.#send(channel, state, name, events, lost));
  }

  /** One thing at a time for a channel; `stop` waits for it. */
  #track(state: ChannelState, work: Promise<void>): void {
    state.sending = true;
    const tracked = work.finally(() => {
      state.sending = false;
      this.#sending.delete(tracked);
    });
    this.#sending.add(tracked);
  }

  async #send(channel: Channel, state: ChannelState, cluster: ClusterName, events: readonly EventRecord[], lost: number): Promise<void> {
    const { records, senders, platform } = this.#world;
    const last = events[events.length - 1]?.number ?? 0;
    const reference = `${cluster.id}.${events[0]?.number ?? 0}-${last}`;
    const { mail, webhook } = records.notifications;
    const outcome = channel === "mail" ? await senders.mail(mail, mailMessage(cluster, events, lost), reference) : await senders.webhook(webhook, webhookPayload(cluster, events, lost), reference);
    const wallMs = platform.clock.wallMs();
    if (outcome.sent) {
      // Should the mark not be written, this leader at least does not tell it twice.
      Object.assign(state, newState(), { sending: true, toldEvent: last });
      await this.#mark(channel, { event: last, atMs: wallMs, failing: null });
      return;
    }
    state.tries += 1;
    state.failingSinceMs ??= wallMs;
    state.retryAtMs = platform.clock.nowMs() + Math.min(BACK_OFF_MS_MAX, BACK_OFF_MS_MIN * 2 ** Math.min(10, state.tries - 1));
    platform.log.warn(`A notification by ${channel} was not taken and is tried again: ${outcome.sentence}`, { tries: state.tries });
    const before = records.notified.get(channel)?.record;
    if (state.tries < TRIES_QUIET || before?.failing?.sentence === outcome.sentence) return;
    await this.#mark(channel, { event: before?.event ?? 0, atMs: before?.atMs ?? wallMs, failing: { sinceMs: before?.failing?.sinceMs ?? state.failingSinceMs, sentence: outcome.sentence } });
  }

  async #mark(channel: Channel, record: Notified): Promise<void> {
    const { records, write } = this.#world;
    const revision = records.notified.get(channel)?.revision ?? 0;
    const key = alertingKeys.notified(channel);
    await write({ compares: [{ key, revision }], puts: [{ key, value: JSON.stringify(record) }] });
  }
}

interface ChannelState {
  waitingSinceMs: number | null;
  retryAtMs: number;
  tries: number;
  failingSinceMs: number | null;
  sending: boolean;
  /** The newest event that this leader has seen taken. */
  toldEvent: number;
}
function newState(): ChannelState {
  return { waitingSinceMs: null, retryAtMs: 0, tries: 0, failingSinceMs: null, sending: false, toldEvent: 0 };
}
