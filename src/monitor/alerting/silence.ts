import { CHANNELS, type AlertingMap, type Channel, type EventRecord } from "../../cluster/alerting.ts";
import { keys } from "../../cluster/schema.ts";
import type { Platform, Timer } from "../../platform/platform.ts";
import type { ClusterStore } from "../../platform/store.ts";
import { durationText } from "../checks/finding.ts";
import { mailMessage, webhookPayload, type ClusterName } from "./messages.ts";
import type { Senders, Sent } from "./notifier.ts";

const ASK_MS = 5_000;
/** Longer than any election and than most restarts of a network. */
export const SILENT_MS = 60_000;
/** A network that is cut takes the mail server with it: it is tried again until it works or the store is back. */
const RETRY_MS = 60_000;

export interface SilenceWorld {
  readonly platform: Platform;
  readonly store: ClusterStore;
  readonly server: string;
  readonly records: AlertingMap;
  readonly senders: Senders;
  readonly cluster: () => ClusterName | null;
}

/**
 * Without a quorum nobody leads and nothing can be written: each server that is left tells by itself, by the settings that it knows,
 * that the cluster store does not answer it, once for each silence, and that it does again.
 */
export class SilenceTeller {
  readonly #world: SilenceWorld;
  #answeredMs: number;
  #timer: Timer | null = null;
  #silence: { readonly sinceWallMs: number; readonly told: Set<Channel>; triedMs: number } | null = null;
  #stopped = false;

  constructor(world: SilenceWorld) {
    this.#world = world;
    this.#answeredMs = world.platform.clock.nowMs();
    this.#later();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #later(): void {
    if (this.#stopped) return;
    this.#timer = this.#world.platform.clock.timer(ASK_MS, () => void this.#ask().finally(() => this.#later()));
  }

  async #ask(): Promise<void> {
    const { store, platform } = this.#world;
    const answered = await store.get(keys.cluster).then(
      () => true,
      () => false,
    );
    const nowMs = platform.clock.nowMs();
    if (answered) {
      this.#answeredMs = nowMs;
      const over = this.#silence;
      this.#silence = null;
      if (over !== null) await this.#send([...over.told], this.#event("alert-cleared", `Cleared after ${durationText(platform.clock.wallMs() - over.sinceWallMs)}: the cluster store did not answer ${this.#world.server}.`, ""));
      return;
    }
    const silentMs = nowMs - this.#answeredMs;
    if (silentMs < SILENT_MS) return;
    this.#silence ??= { sinceWallMs: platform.clock.wallMs() - silentMs, told: new Set(), triedMs: -Infinity };
    const silence = this.#silence;
    if (nowMs - silence.triedMs < RETRY_MS) return;
    silence.triedMs = nowMs;
    const untold = CHANNELS.filter((channel) => !silence.told.has(channel));
    const sentence = `The cluster store has not answered ${this.#world.server} for ${durationText(silentMs)}: most of the servers are down or cut off. Nothing can be changed and no failover can happen; hosts may wait.`;
    for (const channel of await this.#send(untold, this.#event("alert-raised", sentence, "Check that most of the servers are up and reach one another; do not wipe or replace any drive."))) silence.told.add(channel);
  }

  #event(what: EventRecord["what"], sentence: string, step: string): EventRecord {
    return { number: 0, atMs: this.#world.platform.clock.wallMs(), what, kind: "store-silent", severity: "critical", subject: this.#world.server, sentence, step };
  }

  /** The channels that took it, of those that are switched on. */
  async #send(channels: readonly Channel[], event: EventRecord): Promise<Channel[]> {
    const { records, senders, cluster, server, platform } = this.#world;
    const name = cluster();
    if (name === null) return [];
    const { mail, webhook } = records.notifications;
    const reference = `${name.id}.silence-${server}-${Math.round(event.atMs)}`;
    const taken: Channel[] = [];
    for (const channel of channels) {
      if (!records.notifications[channel].enabled || this.#stopped) continue;
      const outcome: Sent = channel === "mail" ? await senders.mail(mail, mailMessage(name, [event], 0), reference) : await senders.webhook(webhook, webhookPayload(name, [event], 0), reference);
      if (outcome.sent) taken.push(channel);
      else platform.log.warn(`That the cluster store is silent could not be told by ${channel}: ${outcome.sentence}`);
    }
    return taken;
  }
}
