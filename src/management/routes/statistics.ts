import type { Work } from "../../cluster/statistics.ts";
import type { StatisticsAnswer, StatisticsPoint } from "../api/monitor.ts";
import type { StatisticsRow } from "../database/history.ts";
import { STATISTICS_STEP_MS } from "../keeper.ts";
import { wholeNumber } from "../query.ts";
import { route, type Route } from "../route.ts";

const MINUTES = 60;
const MINUTES_MAX = 24 * 60;
/** As many as a chart has pixels for. */
const POINTS_MAX = 360;

export const statisticsRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/statistics",
    access: "viewer",
    summary: "Commands, bytes and latency of the whole cluster over the last minutes",
    answer: "StatisticsAnswer",
    handle({ context: { view, monitoring, platform }, query }): StatisticsAnswer {
      const minutes = wholeNumber(query, "minutes", 1, MINUTES_MAX, MINUTES);
      const step = Math.max(1, Math.ceil((minutes * 60_000) / STATISTICS_STEP_MS / POINTS_MAX)) * STATISTICS_STEP_MS;
      const nowMs = platform.clock.wallMs();
      // Steps lie on a grid, so that a chart does not tremble from one answer to the next.
      const toMs = Math.floor(nowMs / step) * step;
      const rows = monitoring?.history.statistics(toMs - minutes * 60_000, toMs, step) ?? [];
      const rates = view.portals.rates();
      return { step, points: rows.map(pointOf), now: rates === null ? null : point(nowMs, rates) };
    },
  }),
];

function pointOf(row: StatisticsRow): StatisticsPoint {
  const { atMs, spanMs, ...work } = row;
  const perSecond = spanMs <= 0 ? 0 : 1000 / spanMs;
  return point(atMs, {
    readCommands: work.readCommands * perSecond,
    writeCommands: work.writeCommands * perSecond,
    readBytes: work.readBytes * perSecond,
    writeBytes: work.writeBytes * perSecond,
    readMicroseconds: work.readMicroseconds * perSecond,
    writeMicroseconds: work.writeMicroseconds * perSecond,
  });
}

/** `rates`: per second. */
function point(atMs: number, rates: Work): StatisticsPoint {
  const { readCommands, writeCommands, readBytes, writeBytes, readMicroseconds, writeMicroseconds } = rates;
  return {
    atMs,
    readIops: rounded(readCommands),
    writeIops: rounded(writeCommands),
    readBytes: Math.round(readBytes),
    writeBytes: Math.round(writeBytes),
    readLatencyUs: readCommands > 0 ? Math.round(readMicroseconds / readCommands) : null,
    writeLatencyUs: writeCommands > 0 ? Math.round(writeMicroseconds / writeCommands) : null,
  };
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
