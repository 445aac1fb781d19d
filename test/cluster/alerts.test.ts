import { expect, test } from "bun:test";
import type { DriveId } from "../../src/base/ids.ts";
import { alerts } from "../../src/cluster/alerts.ts";
import { ClusterMap } from "../../src/cluster/map.ts";
import { groupId, keys } from "../../src/cluster/schema.ts";

const DRIVE = "1".repeat(16) as DriveId;
const OTHER = "2".repeat(16) as DriveId;

function mapWith(usedBytes: number, damage: unknown = undefined): ClusterMap {
  const map = new ClusterMap();
  const put = (key: string, value: unknown): void => void map.changed([{ key, value: JSON.stringify(value), revision: 1 }], 1);
  for (const id of [DRIVE, OTHER]) put(keys.drive(id), { id, server: "server-1", address: "127.0.0.1", port: 1, instance: 1, capacityBytes: 1000 });
  put(keys.observed(DRIVE), { instance: 1, usedBytes, groups: [], damage });
  put(keys.observed(OTHER), { instance: 1, usedBytes: 0, groups: [], damage });
  return map;
}

test("a drive is told of from 85 % on, and again when it refuses new allocations", () => {
  expect(alerts(mapWith(849))).toEqual([]);
  expect(alerts(mapWith(850))).toEqual([expect.stringContaining(`drive ${DRIVE} of server-1 is 85 % full; from 95 % on`)]);
  expect(alerts(mapWith(949))).toEqual([expect.stringContaining("is 94 % full: writes that need new space on it are refused")]);
});

test("what was given up stays told", () => {
  const map = mapWith(0);
  const config = { incarnation: 1, epoch: 9, primary: DRIVE, primaryInstance: 1, members: [DRIVE], learners: [], nonce: 1, loss: { epoch: 8, atMs: Date.UTC(2026, 4, 3, 12, 30), drives: [], unknownThrough: null } };
  map.changed([0, 1].map((index) => ({ key: keys.group(groupId(1, index)), value: JSON.stringify(config), revision: 1 })), 1);
  expect(alerts(map)).toEqual([expect.stringContaining("2 groups lost data, accepted at 2026-05-03 12:30 UTC")]);
});

test("bad blocks are told of by drive, as all primaries have found them", () => {
  expect(alerts(mapWith(0, [{ drive: OTHER, repaired: 2, lost: 0, differs: 0 }]))).toEqual([`repaired 4 blocks on drive ${OTHER} of server-1 from other copies; replace it if they multiply.`]);
  const sentences = alerts(mapWith(0, [{ drive: DRIVE, repaired: 0, lost: 1, differs: 3 }]));
  expect(sentences).toEqual([expect.stringContaining("2 blocks found bad"), expect.stringContaining("6 blocks on drive")]);
});

function told(more: Record<string, unknown>): ClusterMap {
  const map = mapWith(0);
  map.changed([{ key: keys.observed(DRIVE), value: JSON.stringify({ instance: 1, usedBytes: 0, groups: [], ...more }), revision: 2 }], 2);
  expect([...map.invalid]).toEqual([]);
  return map;
}

test("parked content that was dropped is told of by drive, and none that is only there", () => {
  expect(alerts(told({ parked: { files: 3, bytes: 9, dropped: 2 } }))).toEqual([expect.stringContaining(`2 of the files in parked/ on drive ${DRIVE} of server-1 were dropped`)]);
  expect(alerts(told({ parked: { files: 3, bytes: 9, dropped: 0 } }))).toEqual([]);
});

// R21
test("data of volumes that the store does not know is counted, by what drives observe and by what they report after a restore", () => {
  const map = told({ unknownVolumes: [41, 42] });
  const put = (key: string, value: unknown): void => void map.changed([{ key, value: JSON.stringify(value), revision: 3 }], 3);
  const report = { drive: OTHER, server: "server-1", instance: 1, round: null, evidence: null, incarnation: 1, storeId: "", revision: 0, groups: [], purged: [], volumes: [42, 43, 44] };
  put(keys.recovery(OTHER), report);
  expect([...map.invalid]).toEqual([]);
  expect(alerts(map)).toEqual([expect.stringContaining("2 drives hold data of 4 volumes that the cluster store does not know (id 41, 42, 43, ...)")]);
  put(keys.tombstone(44 as never), { id: 44, name: "x", factor: 1, lineage: 44, deletedAtMs: 0 });
  put(keys.volume(43 as never), { id: 43, name: "y", sizeBytes: 4096, factor: 1, lineage: 43, createdAtMs: 0 });
  expect(alerts(map)).toEqual([expect.stringContaining("data of 2 volumes")]);
});
