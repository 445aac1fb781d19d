import { alertingKeys, AlertingMap, CLEARED_MAX, EVENTS_MAX, type AlertRecord, type Checked, type EventRecord } from "../../cluster/alerting.ts";
import { Pauses } from "../../cluster/health.ts";
import type { ClusterMap } from "../../cluster/map.ts";
import { keys } from "../../cluster/schema.ts";
import type { Platform, Timer } from "../../platform/platform.ts";
import type { ClusterStore, Transaction, Watch } from "../../platform/store.ts";
import { durationText } from "../checks/finding.ts";
import { judge } from "../checks/judge.ts";
import { AlertBook, type Decision } from "./book.ts";

const LOOK_INTERVAL_MS = 1_000;
/** In the first moments of a process, and of its machine, others are on their way as well: nothing is raised. */
const COLD_PROCESS_MS = 15_000;
const COLD_MACHINE_MS = 120_000;
/** Written by one look; the next, a second later, has the rest. */
const DECISIONS_PER_LOOK = 40;
/** Old events removed by one transaction, after a bound was lowered or writes had unknown ends. */
const TRIMMED_MAX = 50;

const CHECKED = alertingKeys.checked("");

/** Where the process is asked to act: the cluster's map, kept by the monitor's own watch. */
export interface AlertingWorld {
  readonly platform: Platform;
  readonly store: ClusterStore;
  readonly server: string;
  readonly map: ClusterMap;
  /** Another server's record has come in just now. */
  heard(checked: Checked): void;
}

/**
 * One server's part in alerts. Each keeps the same book; the monitor that leads writes `alert/` and `event/`. That no other writes
 * holds as for wishes: every write compares the revision at which the leader took its key.
 */
export class Alerting {
  readonly records = new AlertingMap();
  readonly #world: AlertingWorld;
  readonly #book: AlertBook;
  readonly #startedMs: number;
  readonly #watch: Watch;
  readonly #pauses: Pauses;
  #tick: Timer | null = null;
  #looking: Promise<void> | null = null;
  #writtenRevision = 0;
  #stopped = false;

  constructor(world: AlertingWorld) {
    this.#world = world;
    this.#startedMs = world.platform.clock.nowMs();
    this.#pauses = new Pauses(() => world.platform.clock.nowMs());
    this.#book = new AlertBook(this.#startedMs);
    this.#watch = world.store.watch("", {
      snapshot: (entries, origin) => {
        this.records.snapshot(entries, origin.revision);
        this.#writtenRevision = 0;
      },
      changed: (changes, origin) => {
        const changed = this.records.changed(changes, origin.revision);
        for (const key of changed) if (key.startsWith(CHECKED)) this.#heard(key.slice(CHECKED.length));
      },
    });
    this.#tickLater();
  }

  /** Whether this server's monitor leads, as its watch shows it. */
  get leads(): boolean {
    return this.records.leaderRevision !== 0 && this.records.leader === this.#world.server;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#tick?.cancel();
    this.#watch.close();
    await this.#looking;
  }

  /** A write of the leader: refused when another has led since. False when it was not confirmed. */
  async write(transaction: Transaction): Promise<boolean> {
    const compares = [{ key: keys.leader, revision: this.records.leaderRevision }, ...transaction.compares];
    const outcome = await this.#world.store.transact({ ...transaction, compares });
    if (outcome.outcome === "success") this.#writtenRevision = Math.max(this.#writtenRevision, outcome.revision);
    return outcome.outcome === "success";
  }

  #heard(server: string): void {
    const checked = this.records.checked.get(server);
    if (checked !== undefined) this.#world.heard(checked);
  }

  #tickLater(): void {
    this.#tick = this.#world.platform.clock.timer(LOOK_INTERVAL_MS, () => {
      this.look();
      if (!this.#stopped) this.#tickLater();
    });
  }

  look(): void {
    const { map, platform } = this.#world;
    if (this.#stopped || map.revision === 0 || this.records.revision === 0) return;
    const nowMs = platform.clock.nowMs();
    const wallMs = platform.clock.wallMs();
    const findings = judge({ map, checked: this.records.checked, notified: this.records.notified, pauses: this.#pauses, wallMs });
    this.#book.observe(findings, nowMs);
    if (!this.leads || this.#looking !== null || this.records.revision < this.#writtenRevision) return;
    if (nowMs - this.#startedMs < COLD_PROCESS_MS || nowMs < COLD_MACHINE_MS) return;
    // A server that is no part of the cluster any more measures nothing, and never will.
    const silent = (server: string): boolean => !this.records.checked.has(server) && [...map.servers.keys()].some((name) => name === server);
    const decisions = this.#book.decide(findings, [...this.records.alerts.values()].map(({ record }) => record), silent, nowMs, wallMs);
    if (decisions.length === 0) return;
    this.#looking = this.#act(decisions.slice(0, DECISIONS_PER_LOOK), wallMs).finally(() => {
      this.#looking = null;
    });
  }

  async #act(decisions: readonly Decision[], wallMs: number): Promise<void> {
    let number = this.records.newestEvent + 1;
    for (const decision of decisions) {
      const told = decision.decision !== "change" || decision.worse;
      if (!(await this.write(this.#transaction(decision, number, wallMs)))) return;
      this.#tell(decision);
      if (told) number += 1;
    }
  }

  #transaction(decision: Decision, number: number, wallMs: number): Transaction {
    const { records } = this;
    if (decision.decision === "raise") {
      const { finding, sinceMs, times } = decision;
      const { kind, severity, subject, sentence, step, source } = finding;
      const id = String(number);
      const record: AlertRecord = { id, kind, severity, subject, sentence, step, source, sinceMs, raisedAtMs: wallMs, clearedAtMs: null, acknowledged: null, times };
      const again = times > 1 ? ` (${times} times within the hour)` : "";
      return this.#withEvent({ number, atMs: wallMs, what: "alert-raised", kind, severity, subject, sentence: `${sentence}${again}`, step }, [{ key: alertingKeys.alert(id), record, revision: 0 }]);
    }
    const { record } = decision;
    const key = alertingKeys.alert(record.id);
    const revision = records.alerts.get(record.id)?.revision ?? 0;
    if (decision.decision === "clear") {
      const { kind, severity, subject, sentence } = record;
      const event: EventRecord = { number, atMs: wallMs, what: "alert-cleared", kind, severity, subject, sentence: `Cleared after ${durationText(wallMs - record.raisedAtMs)}: ${sentence}`, step: "" };
      return this.#withEvent(event, [{ key, record: { ...record, clearedAtMs: wallMs }, revision }], this.#tooManyCleared(record.id));
    }
    const { kind, severity, subject, sentence, step } = decision.finding;
    const changed: AlertRecord = { ...record, severity, sentence, step };
    if (!decision.worse) return { compares: [{ key, revision }], puts: [{ key, value: JSON.stringify(changed) }] };
    // Whoever had taken note of the lesser thing has not taken note of this.
    return this.#withEvent({ number, atMs: wallMs, what: "alert-worse", kind, severity, subject, sentence, step }, [{ key, record: { ...changed, acknowledged: null }, revision }]);
  }

  #withEvent(event: EventRecord, alerts: readonly { key: string; record: AlertRecord; revision: number }[], forget: readonly string[] = []): Transaction {
    const eventKey = alertingKeys.event(event.number);
    const old = [...this.records.events.keys()].filter((number) => number <= event.number - EVENTS_MAX).slice(0, TRIMMED_MAX).map(alertingKeys.event);
    return {
      compares: [{ key: eventKey, revision: 0 }, ...alerts.map(({ key, revision }) => ({ key, revision }))],
      puts: [{ key: eventKey, value: JSON.stringify(event) }, ...alerts.map(({ key, record }) => ({ key, value: JSON.stringify(record) }))],
      deletes: [...old, ...forget],
    };
  }

  /** Keys of the oldest cleared alerts beyond the bound, when one more is cleared. */
  #tooManyCleared(besides: string): string[] {
    const cleared = [...this.records.alerts.values()].map(({ record }) => record).filter(({ clearedAtMs, id }) => clearedAtMs !== null && id !== besides);
    if (cleared.length < CLEARED_MAX) return [];
    cleared.sort((a, b) => (a.clearedAtMs ?? 0) - (b.clearedAtMs ?? 0));
    return cleared.slice(0, Math.min(TRIMMED_MAX, cleared.length - CLEARED_MAX + 1)).map(({ id }) => alertingKeys.alert(id));
  }

  #tell(decision: Decision): void {
    const { log } = this.#world.platform;
    if (decision.decision === "raise") log.warn(`Alert: ${decision.finding.sentence}`, { kind: decision.finding.kind, subject: decision.finding.subject });
    else if (decision.decision === "clear") log.info(`Alert over: ${decision.record.sentence}`, { kind: decision.record.kind, subject: decision.record.subject });
  }
}
