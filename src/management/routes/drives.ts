import { driveIsUp } from "../../cluster/health.ts";
import { alerts } from "../../cluster/alerts.ts";
import type { DriveId, ServerName } from "../../base/ids.ts";
import type { ClusterMap } from "../../cluster/map.ts";
import { drainLeft, isDraining, type Seen } from "../../cluster/progress.ts";
import { failedDrives, keys, type FailedDrives } from "../../cluster/schema.ts";
import type { DrainAnswer } from "../api/servers.ts";
import type { DriveDetailAnswer, DriveReleaseAnswer, DrivesAnswer } from "../api.ts";
import type { ApiContext } from "../app.ts";
import { commit, type Change } from "../commit.ts";
import { Problem } from "../problem.ts";
import { readRecord } from "../records.ts";
import { route, type Route } from "../route.ts";

interface Released {
  readonly server: ServerName;
  readonly serverIsUp: boolean;
}

export const driveRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/drives",
    access: "viewer",
    summary: "All drives",
    answer: "DrivesAnswer",
    handle: ({ context: { view } }): DrivesAnswer => ({ drives: driveDetails(view.map, view.seen), source: view.storeAnswers ? "store" : "last-known" }),
  }),
  route({
    method: "POST",
    path: "/drives/:id/release",
    access: "administrator",
    summary: "Starts a drive again that failed",
    answer: "DriveReleaseAnswer",
    status: 202,
    async handle({ context, params: { id = "" }, audit }): Promise<DriveReleaseAnswer> {
      audit("failed drive released", { drive: id });
      const { server, serverIsUp } = await commit(context.store, () => prepareRelease(context, id));
      audit("failed drive released", { drive: id, server });
      return { id, server, serverIsUp };
    },
  }),
];

/** The administrator's word is about the failure that is in the list now, and about no later one. */
async function prepareRelease({ store, view, platform }: ApiContext, id: string): Promise<Change<Released>> {
  const shown = [...view.map.failedDrives].find(([, list]) => list.some((failed) => failed.id === id));
  const server = shown?.[0] ?? view.map.drives.get(id as DriveId)?.server;
  if (server === undefined) throw new Problem("not-found", `There is no drive ${id.slice(0, 64)}. virtustor drive list shows all.`);
  const list = await readRecord(store, keys.failed(server), failedDrives);
  const failed = (list.value ?? []).find((one) => one.id === id);
  if (failed === undefined) throw new Problem("not-possible", `Drive ${id} of ${server} has not failed: there is nothing to release.`);
  const put = { key: keys.release(id as DriveId), value: JSON.stringify({ failedAtMs: failed.atMs, atMs: platform.clock.wallMs() }) };
  const transaction = { compares: [{ key: keys.failed(server), revision: list.revision }], puts: [put] };
  return { transaction, proof: put, result: { server, serverIsUp: view.map.upServers.has(server) }, what: `release the drive ${id}` };
}

function drainAnswer(map: ClusterMap, seen: Seen, id: DriveId): DrainAnswer {
  const { groups, bytes } = drainLeft(map, id);
  return { groupsLeft: groups, bytesLeft: bytes, secondsLeft: groups === 0 ? 0 : seen.secondsLeft(id) };
}

export function driveDetails(map: ClusterMap, seen: Seen): DriveDetailAnswer[] {
  const sentences = alerts(map);
  const failures = new Map<string, FailedDrives[number]>();
  for (const list of map.failedDrives.values()) for (const failed of list) failures.set(failed.id, failed);
  const details = [...map.drives.values()].filter(({ id }) => !map.drivesRemoved.has(id)).map(({ id, server, capacityBytes, instance }): DriveDetailAnswer => {
    const told = map.observed.get(id);
    const failed = failures.get(id);
    failures.delete(id);
    const state = failed ? "failed" : map.recovery.has(id) ? "not-obeying" : driveIsUp(map, id) ? "up" : "down";
    return {
      id,
      server,
      state,
      capacityBytes,
      usedBytes: told?.usedBytes ?? null,
      instance,
      failed: failed ? { atMs: failed.atMs, why: failed.why } : null,
      why: map.recovery.get(id)?.evidence ?? null,
      parked: told?.parked ?? null,
      alerts: sentences.filter((sentence) => sentence.includes(id)),
      drain: isDraining(map, id) ? drainAnswer(map, seen, id) : null,
    };
  });
  // One that failed before it was ever registered.
  for (const [server, list] of map.failedDrives)
    for (const { id, instance, atMs, why, directory } of list)
      if (!map.drives.has(id as DriveId)) details.push({ id: id || directory, server, state: "failed", capacityBytes: 0, usedBytes: null, instance, failed: { atMs, why }, why: null, parked: null, alerts: [], drain: null });
  return details.sort((a, b) => (a.server + a.id < b.server + b.id ? -1 : 1));
}
