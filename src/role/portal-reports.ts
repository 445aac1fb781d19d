import type { Instance } from "../base/ids.ts";
import { SESSIONS_LISTED_MAX, statisticsKeys, type KindCounters, type PortalSession, type PortalSessions, type PortalStatistics } from "../cluster/statistics.ts";
import type { KindCounts } from "../iscsi/counters.ts";
import type { IscsiTarget } from "../iscsi/target.ts";
import type { Platform, Timer } from "../platform/platform.ts";
import type { ClusterStore } from "../platform/store.ts";
import { LeasedRecords } from "./leased-records.ts";

/** Live charts follow at this pace; a kilobyte each time is nothing to the store. */
const REPORT_MS = 3_000;

/** Tells the store what a portal does and who is connected, as long as the process lives. */
export class PortalReports {
  readonly #platform: Platform;
  readonly #records: LeasedRecords;
  readonly #server: string;
  readonly #instance: Instance;
  readonly #target: IscsiTarget;
  readonly #startedMs: number;
  #timer: Timer | null = null;

  constructor(platform: Platform, store: ClusterStore, server: string, instance: Instance, target: IscsiTarget) {
    this.#platform = platform;
    this.#records = new LeasedRecords(platform, store);
    this.#server = server;
    this.#instance = instance;
    this.#target = target;
    this.#startedMs = platform.clock.nowMs();
    this.#report();
  }

  close(): void {
    this.#timer?.cancel();
    void this.#records.close();
  }

  #report(): void {
    const { counters } = this.#target;
    const all = this.#target.sessions().filter(({ discovery, hostName }) => !discovery && hostName !== null);
    const statistics: PortalStatistics = {
      instance: this.#instance,
      upMs: Math.round(this.#platform.clock.nowMs() - this.#startedMs),
      reads: toldCounts(counters.reads),
      writes: toldCounts(counters.writes),
      others: toldCounts(counters.others),
      sessions: all.length,
    };
    const listed = all.slice(0, SESSIONS_LISTED_MAX).map(({ hostName, initiatorName, remote, sinceMs }): PortalSession => ({ host: hostName ?? "", initiator: initiatorName, address: remote, sinceMs }));
    const sessions: PortalSessions = { sessions: listed, more: all.length - listed.length };
    this.#records.publish(statisticsKeys.statistics(this.#server), statistics);
    this.#records.publish(statisticsKeys.sessions(this.#server), sessions);
    this.#timer = this.#platform.clock.timer(REPORT_MS, () => this.#report());
  }
}

function toldCounts({ commands, failed, bytes, microseconds, buckets }: KindCounts): KindCounters {
  return { commands, failed, bytes, microseconds, buckets: [...buckets] };
}
