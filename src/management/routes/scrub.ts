import { keys, type ScrubRecord } from "../../cluster/schema.ts";
import type { ClusterMap } from "../../cluster/map.ts";
import type { ScrubAnswer } from "../api.ts";
import { scrubBody } from "../bodies.ts";
import { commit } from "../commit.ts";
import { route, type Route } from "../route.ts";

/** R25: an administrator asks for a scrub of everything; each group's primary sees it in the store. */
export const scrubRoutes: readonly Route[] = [
  route({
    method: "POST",
    path: "/scrub",
    access: "administrator",
    summary: "Starts a scrub of everything",
    body: scrubBody,
    answer: "ScrubAnswer",
    status: 202,
    async handle({ context, body: { deep }, audit }) {
      const { store, platform } = context;
      audit("scrub started", { deep });
      const wanted = await commit(store, async () => {
        const { found } = await store.get(keys.scrubWanted);
        const before = found ? (JSON.parse(found.value) as ScrubRecord) : null;
        const atMs = Math.floor(platform.clock.wallMs());
        const record: ScrubRecord = { lightAtMs: atMs, deepAtMs: deep ? atMs : (before?.deepAtMs ?? 0) };
        const value = JSON.stringify(record);
        const transaction = { compares: [{ key: keys.scrubWanted, revision: found?.revision ?? 0 }], puts: [{ key: keys.scrubWanted, value }] };
        return { transaction, proof: { key: keys.scrubWanted, value }, result: record, what: "start a scrub" };
      });
      return scrubAnswer(context.view.map, wanted);
    },
  }),
];

export function scrubAnswer(map: ClusterMap, wanted = map.scrubWanted): ScrubAnswer {
  const done = [...map.groups.keys()].filter((id) => {
    const record = map.scrubs.get(id);
    return wanted !== null && record !== undefined && record.lightAtMs >= wanted.lightAtMs && record.deepAtMs >= wanted.deepAtMs;
  });
  const running = [...map.observed.values()].filter(({ scrub }) => scrub !== undefined);
  return {
    askedAtMs: wanted === null ? null : Math.max(wanted.lightAtMs, wanted.deepAtMs),
    deep: wanted !== null && wanted.deepAtMs >= wanted.lightAtMs,
    doneGroups: done.length,
    groups: map.groups.size,
    runningDrives: running.length,
  };
}
