import { expect, test } from "bun:test";
import type { ExtentIndex, VolumeId } from "../../src/base/ids.ts";
import { capacity, placementOf, usableBytes } from "../../src/cluster/capacity.ts";
import { ClusterMap } from "../../src/cluster/map.ts";
import { keys } from "../../src/cluster/schema.ts";

/** Servers with one drive each, of these sizes. */
function mapOf(...sizes: number[]): ClusterMap {
  const map = new ClusterMap();
  sizes.forEach((capacityBytes, n) => {
    const id = n.toString(16).padStart(16, "0");
    put(map, `drive/${id}`, { id, server: `server-${n}`, address: "127.0.0.1", port: 1, instance: 1, capacityBytes });
  });
  return map;
}

function put(map: ClusterMap, key: string, value: unknown): void {
  map.changed([{ key, value: JSON.stringify(value), revision: 1 }], 1);
}

test.each([
  [[], 1, 0],
  [[1000], 1, 0],
  [[1000, 1000], 1, 950],
  [[1000, 1000, 1000], 1, 1425],
  [[1000, 1000, 1000], 2, 950],
  [[1000, 1000], 2, 0],
  [[10000, 1000, 1000], 1, 1900],
  [[10000, 10000, 1000], 2, 950],
  [[10000, 1000, 1000, 1000], 2, 1425],
] as [number[], number, number][])("servers of %j hold, at factor %d, %d bytes", (sizes, factor, expected) => {
  expect(usableBytes(mapOf(...sizes), factor)).toBe(expected);
});

test("capacity adds up drives, volumes and what the drives report", () => {
  const map = mapOf(1000, 1000, 1000);
  put(map, "volume/7", { id: 7, name: "a", sizeBytes: 500, factor: 1, lineage: 7, createdAtMs: 1 });
  put(map, "volume/8", { id: 8, name: "b", sizeBytes: 100, factor: 2, lineage: 8, createdAtMs: 1 });
  put(map, "observed/0000000000000001", { instance: 1, usedBytes: 60, groups: [] });
  put(map, "observed/00000000000000ff", { instance: 1, usedBytes: 60, groups: [] });
  expect(capacity(map)).toEqual({ rawBytes: 3000, usableBytes: 1425, usableFactor2Bytes: 950, provisionedBytes: 600, provisionedRawBytes: 1300, usedBytes: 60 });
});

test("an extent's placement names the drives and servers of its group", () => {
  const map = mapOf(1, 1);
  const volume = { id: 7 as VolumeId, name: "a", sizeBytes: 4096, factor: 1 as const, lineage: 7 as VolumeId, createdAtMs: 1 };
  expect(placementOf(map, volume, 0 as ExtentIndex)).toBeNull();
  put(map, keys.pool(1), { factor: 1, groupCount: 1 });
  expect(placementOf(map, volume, 0 as ExtentIndex)).toBeNull();
  const members = ["0000000000000001", "0000000000000000"];
  put(map, "pg/1/0", { incarnation: 1, epoch: 1, primary: members[0], primaryInstance: 1, members, learners: [], nonce: 1 });
  expect(placementOf(map, volume, 5 as ExtentIndex)).toMatchObject({ primary: members[0], members: [{ drive: members[0], server: "server-1" }, { drive: members[1], server: "server-0" }] });
});
