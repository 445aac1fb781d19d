import type { Platform, Timer } from "../platform/platform.ts";
import type { History } from "./database/history.ts";
import type { ClusterView } from "./view.ts";

/** Resolution of the statistics that are kept. */
export const STATISTICS_STEP_MS = 10_000;
const TRIM_EVERY = 360;

/** Copies what the store tells of alerts and events into this server's history, and adds up what the portals do. */
export class Keeper {
  readonly #platform: Platform;
  readonly #view: ClusterView;
  readonly #history: History;
  #timer: Timer | null = null;
  #rounds = 0;
  #summedMs: number;
  /** Records that this generation of the history has: each change makes a new object. */
  readonly #kept = new Set<object>();
  #generation = -1;

  constructor(platform: Platform, view: ClusterView, history: History) {
    this.#platform = platform;
    this.#view = view;
    this.#history = history;
    this.#summedMs = platform.clock.nowMs();
    this.#later();
  }

  close(): void {
    this.#timer?.cancel();
  }

  #later(): void {
    this.#timer = this.#platform.clock.timer(STATISTICS_STEP_MS, () => {
      this.#sum();
      this.copy();
      if (this.#rounds++ % TRIM_EVERY === 0) this.#history.trim(this.#platform.clock.wallMs());
      this.#later();
    });
  }

  #sum(): void {
    const nowMs = this.#platform.clock.nowMs();
    const spanMs = Math.round(nowMs - this.#summedMs);
    this.#summedMs = nowMs;
    this.#history.addStatistics({ ...this.#view.portals.takeWork(), atMs: Math.round(this.#platform.clock.wallMs()), spanMs });
  }

  /** What is new of alerts, events and audit; cheap when nothing is. */
  copy(): void {
    const { alerting, audit } = this.#view;
    if (this.#generation !== this.#history.generation) {
      this.#kept.clear();
      this.#generation = this.#history.generation;
    }
    const isNew = (record: object): boolean => !this.#kept.has(record);
    const events = [...alerting.events.values()].filter(isNew);
    const alerts = [...alerting.alerts.values()].map(({ record }) => record).filter(isNew);
    const changes = [...audit.records.values()].filter(isNew);
    if (events.length + alerts.length + changes.length === 0) return;
    if (!this.#history.keep({ events: events.map((event) => ({ ...event, atMs: Math.round(event.atMs) })), alerts, audit: changes })) return;
    // Only what the store still has need be remembered.
    this.#kept.clear();
    for (const event of alerting.events.values()) this.#kept.add(event);
    for (const { record } of alerting.alerts.values()) this.#kept.add(record);
    for (const record of audit.records.values()) this.#kept.add(record);
  }
}
