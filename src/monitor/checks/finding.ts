import type { AlertingMap, Checked, Severity } from "../../cluster/alerting.ts";
import type { Pauses } from "../../cluster/health.ts";
import type { ClusterMap } from "../../cluster/map.ts";

/** Something that is not as it should be, as one look at the cluster shows it. */
export interface Finding {
  /** For programs: "server-down". With the subject it is one alert, however the sentence changes. */
  readonly kind: string;
  /** "server-2", a drive's id, "cluster". */
  readonly subject: string;
  readonly severity: Severity;
  /** What happened, to what. */
  readonly sentence: string;
  /** The safe next step. */
  readonly step: string;
  /** The server whose measurement it rests on: while that is silent, the alert is neither raised nor cleared. */
  readonly source: string | null;
  /** It must have lasted so long before anybody is told. */
  readonly afterMs: number;
}

/** What the checks look at. */
export interface Sight {
  readonly map: ClusterMap;
  /** What each server's monitor measures. */
  readonly checked: ReadonlyMap<string, Checked>;
  readonly notified: AlertingMap["notified"];
  /** When each group served last, for what pauses only for a moment; null: every pause counts. */
  readonly pauses: Pauses | null;
  /** Wall clock, milliseconds since 1970. */
  readonly wallMs: number;
}

/** What heals by itself within moments is nobody's alert. */
export const AT_ONCE_MS = 0;
/** A process that is started again serves well within it. */
export const RESTART_MS = 30_000;
/** For what is measured every few seconds and may be off once. */
export const STEADY_MS = 25_000;

/** "1.2 GiB"; units of 1024. */
export function bytesText(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${bytes} bytes` : `${value.toFixed(1)} ${units[unit]}`;
}

/** "40 s", "3 min", "2 h", "5 days". */
export function durationText(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}
