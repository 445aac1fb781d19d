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
