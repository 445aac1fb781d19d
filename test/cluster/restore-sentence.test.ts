import { expect, test } from "bun:test";
import type { DriveId } from "../../src/base/ids.ts";
import { alerts } from "../../src/cluster/alerts.ts";
import { health } from "../../src/cluster/health.ts";
import { ClusterMap } from "../../src/cluster/map.ts";
import { keys } from "../../src/cluster/schema.ts";

const DRIVES = ["1", "2", "3"].map((digit) => digit.repeat(16) as DriveId);
const record = { id: "0".repeat(32), name: "c", incarnation: 1, targetName: "iqn.2026-01.test:c", formedAtMs: 0, storeId: "old" };

function cluster(storeId: string, more: Record<string, unknown> = {}): ClusterMap {
  const map = new ClusterMap();
  const values: Record<string, unknown> = { [keys.cluster]: record, [keys.pool(1)]: { factor: 1, groupCount: 1 } };
  for (const [n, id] of DRIVES.entries()) {
    values[keys.drive(id)] = { id, server: `server-${n + 1}`, address: "a", port: 1, instance: 1, capacityBytes: 1000 };
    values[keys.upDrive(id)] = { instance: 1, sinceMs: 0 };
    values[keys.server(`server-${n + 1}`)] = { name: `server-${n + 1}`, address: "a", portalPort: 1, apiPort: 2, portalGroupTag: n + 1 };
    values[keys.upServer(`server-${n + 1}`)] = { instance: 1, sinceMs: 0 };
  }
  const all = { ...values, ...more };
  map.snapshot(Object.entries(all).map(([key, value]) => ({ key, value: JSON.stringify(value), revision: 1 })), 1, storeId);
  expect([...map.invalid]).toEqual([]);
  return map;
}
function report(n: number, more: Record<string, unknown> = {}): Record<string, unknown> {
  const id = DRIVES[n] as DriveId;
  return { [keys.recovery(id)]: { drive: id, server: `server-${n + 1}`, instance: 1, round: null, evidence: null, incarnation: 1, storeId: "old", revision: 9, groups: [], purged: [], volumes: [], ...more } };
}
const sentence = (map: ClusterMap): string => health(map, 0).sentence;

// R14
test("a drive that objects to the store is named, with its reason and what happens next", () => {
  const told = sentence(cluster("old", report(1, { evidence: "this drive remembers revision 9, the cluster store is at 1" })));
  expect(told).toContain(`: drive ${DRIVES[1]} of server-2 does not obey the cluster store: this drive remembers revision 9, the cluster store is at 1. As soon as a monitor leads, all drives are asked what they hold and the newest of it counts. Nothing is lost as long as no drive is wiped or replaced.`);
});

test("a store that was made from a backup is told of before any drive has said so", () => {
  expect(sentence(cluster("new"))).toContain("no drive obeys the cluster store: the cluster store has the id new now, it had old");
});

test("while drives are asked, those that have not reported are named; then that it goes on", () => {
  const restore = { ...record, storeId: "new", incarnation: 2, restore: { round: 5, done: false, why: "it has another id" } };
  const some = cluster("new", { [keys.cluster]: restore, ...report(0, { round: 5 }), ...report(1, { round: 5 }) });
  expect(sentence(some)).toContain(`went back (it has another id), so drives serve nothing until all have said what they hold; 1 of 3 have not: bring back drive ${DRIVES[2]} of server-3, then it goes on by itself.`);
  const all = cluster("new", { [keys.cluster]: restore, ...report(0, { round: 5 }), ...report(1, { round: 5 }), ...report(2, { round: 5 }) });
  expect(sentence(all)).toContain("all have, and the groups are taken over");
});

test("a drive that missed a restore is an alert with its way out, and the health is about everything else again", () => {
  const done = { ...record, storeId: "new", incarnation: 2, restore: { round: 5, done: true, why: "it has another id" } };
  const map = cluster("new", { [keys.cluster]: done, ...report(2) });
  expect(alerts(map)).toEqual([expect.stringContaining(`drive ${DRIVES[2]} of server-3 was away when the cluster store was restored and serves nothing`)]);
  expect(sentence(map)).not.toContain("went back");
});
