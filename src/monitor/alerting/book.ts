import type { AlertRecord } from "../../cluster/alerting.ts";
import type { Finding } from "../checks/finding.ts";
import { keyOf } from "../checks/judge.ts";

/** What is gone for so long is over; four times as long with each time that it came within the hour, up to the maximum. */
export const CLEAR_AFTER_MS = 5_000;
const CLEAR_AFTER_MS_MAX = 600_000;
const FLAP_FACTOR = 4;
export const FLAP_WINDOW_MS = 3_600_000;
/** Looks are a second apart; what was not there for longer begins anew. */
const GAP_MS_MAX = 3_000;
/** Numbers in a sentence change all the time; the record follows no more often than this. */
const REWRITE_MS = 30_000;
/** Remembered keys of findings; far above what is judged at once. */
const SEEN_MAX = 2_000;

export type Decision =
  | { readonly decision: "raise"; readonly finding: Finding; readonly sinceMs: number; readonly times: number }
  | { readonly decision: "clear"; readonly record: AlertRecord }
  /** The same alert with other words; `worse`: channels are told. */
  | { readonly decision: "change"; readonly record: AlertRecord; readonly finding: Finding; readonly worse: boolean };

const RANK = { info: 0, warning: 1, critical: 2 } as const;

/**
 * Turns findings, look after look, into alerts that are raised once, last, and are cleared once. Every monitor keeps one, so that a
 * new leader need not begin to count anew; only the leader acts on what it decides. Pure.
 *
 *     seen first --(lasts afterMs)--> raised --(not seen for the clearing time)--> cleared
 *         \--(not seen)--> forgotten      \--(seen again in between)--> raised, nobody is told
 */
export class AlertBook {
  /** When each finding was seen first without a gap, and last; monotonic milliseconds. */
  readonly #seen = new Map<string, { firstMs: number; lastMs: number }>();
  readonly #startedMs: number;
  readonly #rewrittenMs = new Map<string, number>();

  constructor(nowMs: number) {
    this.#startedMs = nowMs;
  }

  /** Of every look. `nowMs` is monotonic. */
  observe(findings: readonly Finding[], nowMs: number): void {
    const present = new Set(findings.map(keyOf));
    for (const key of present) {
      const seen = this.#seen.get(key);
      if (seen === undefined) this.#seen.set(key, { firstMs: nowMs, lastMs: nowMs });
      else {
        if (nowMs - seen.lastMs > GAP_MS_MAX) seen.firstMs = nowMs;
        seen.lastMs = nowMs;
      }
    }
    for (const [key, { lastMs }] of this.#seen) {
      if (!present.has(key) && (nowMs - lastMs > CLEAR_AFTER_MS_MAX || this.#seen.size > SEEN_MAX)) this.#seen.delete(key);
    }
  }

  /**
   * What is to be done now. `alerts` are all that the store has. `silent` says of a server that nothing is heard of what it measures,
   * `wallMs` is wall-clock time.
   */
  decide(findings: readonly Finding[], alerts: Iterable<AlertRecord>, silent: (server: string) => boolean, nowMs: number, wallMs: number): Decision[] {
    const active = new Map<string, AlertRecord>();
    const times = new Map<string, number>();
    for (const record of alerts) {
      if (record.clearedAtMs === null) active.set(keyOf(record), record);
      else if (wallMs - record.raisedAtMs < FLAP_WINDOW_MS) times.set(keyOf(record), Math.max(times.get(keyOf(record)) ?? 0, record.times));
    }
    const decisions: Decision[] = [];
    for (const finding of findings) {
      const key = keyOf(finding);
      const firstMs = this.#seen.get(key)?.firstMs ?? nowMs;
      const record = active.get(key);
      active.delete(key);
      if (record !== undefined) {
        const change = this.#change(record, finding, nowMs);
        if (change !== null) decisions.push(change);
      } else if (nowMs - firstMs >= finding.afterMs) {
        decisions.push({ decision: "raise", finding, sinceMs: wallMs - (nowMs - firstMs), times: (times.get(key) ?? 0) + 1 });
      }
    }
    for (const [key, record] of active) {
      if (record.source !== null && silent(record.source)) continue;
      // A monitor that has never seen it counts from its own start.
      const goneMs = nowMs - (this.#seen.get(key)?.lastMs ?? this.#startedMs);
      if (goneMs < clearAfterMs(record.times)) continue;
      this.#seen.delete(key);
      decisions.push({ decision: "clear", record });
    }
    return decisions;
  }

  #change(record: AlertRecord, finding: Finding, nowMs: number): Decision | null {
    const { severity, sentence, step } = finding;
    const worse = RANK[severity] > RANK[record.severity];
    if (severity === record.severity && sentence === record.sentence && step === record.step) return null;
    if (severity === record.severity && nowMs - (this.#rewrittenMs.get(record.id) ?? -Infinity) < REWRITE_MS) return null;
    if (this.#rewrittenMs.size > SEEN_MAX) this.#rewrittenMs.clear();
    this.#rewrittenMs.set(record.id, nowMs);
    return { decision: "change", record, finding, worse };
  }
}

/** What comes and goes is told ever more rarely. */
export function clearAfterMs(times: number): number {
  return Math.min(CLEAR_AFTER_MS_MAX, CLEAR_AFTER_MS * FLAP_FACTOR ** Math.min(10, times - 1));
}
