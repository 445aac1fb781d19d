import { describe, expect, test } from "bun:test";
import type { DriveId, GroupId } from "../../src/base/ids.ts";
import { adoption, missingReports, restoreWanted } from "../../src/cluster/adoption.ts";
import { leavingKeys } from "../../src/cluster/leaving.ts";
import { ClusterMap } from "../../src/cluster/map.ts";
import { groupId, keys, type GroupConfig, type RecoveryReport } from "../../src/cluster/schema.ts";

const GROUP = groupId(1, 0);
const [A, B, C] = ["a", "b", "c"].map((name) => name.charCodeAt(0).toString(16).padStart(16, "0")) as [DriveId, DriveId, DriveId];
const ROUND = 77;

function config(epoch: number, members: readonly DriveId[], nonce = epoch): GroupConfig {
  return { incarnation: 1, epoch, primary: members[0], primaryInstance: 3, members, learners: [], nonce } as unknown as GroupConfig;
}
function report(drive: DriveId, held: GroupConfig | null, more: { lastEpoch?: number; damaged?: boolean; round?: number | null; evidence?: string; incarnation?: number } = {}): RecoveryReport {
  const last = { epoch: more.lastEpoch ?? held?.epoch ?? 0, seq: 9 };
  const groups = held === null ? [] : [{ group: GROUP, config: held, last, committed: last, incomplete: false, damaged: more.damaged ?? false }];
  const round = more.round === undefined ? ROUND : more.round;
  return { drive, server: "s", instance: 1, round, evidence: more.evidence ?? null, incarnation: more.incarnation ?? 1, storeId: "x", revision: 9, groups, purged: [], volumes: [] } as unknown as RecoveryReport;
}
function mapOf(stored: GroupConfig | null, reports: readonly RecoveryReport[], restore: object | undefined = { round: ROUND, done: false, why: "" }): ClusterMap {
  const map = new ClusterMap();
  const put = (key: string, value: unknown) => ({ key, value: JSON.stringify(value), revision: 5 });
  map.snapshot(
    [
      put(keys.cluster, { id: "0".repeat(32), name: "n", incarnation: 2, targetName: "t", formedAtMs: 0, ...(restore ? { restore } : {}) }),
      ...(stored ? [put(keys.group(GROUP as GroupId), stored)] : []),
      ...reports.map((one) => put(keys.recovery(one.drive), one)),
    ],
    9,
    "store",
  );
  expect([...map.invalid]).toEqual([]);
  return map;
}

describe("the adoption of a group after a restore", () => {
  // X28, X29
  test("takes the members of the highest epoch that a drive has seen, and an epoch above all", () => {
    const [adopted] = adoption(mapOf(config(5, [A, B]), [report(A, config(5, [A, B])), report(B, config(7, [B]))])).groups;
    expect(adopted?.config).toMatchObject({ incarnation: 2, epoch: 8, primary: B, primaryInstance: 0, members: [B] });
  });

  test("does not go by the store where a drive remembers anything", () => {
    const [adopted] = adoption(mapOf(config(9, [A]), [report(A, config(5, [A, B])), report(B, config(5, [A, B]))])).groups;
    expect(adopted?.config).toMatchObject({ epoch: 10, members: [A, B] });
  });

  test("goes by the store for a group that nobody remembers", () => {
    const [adopted] = adoption(mapOf(config(1, [A, B]), [report(A, null), report(B, null)])).groups;
    expect(adopted?.config).toMatchObject({ epoch: 2, members: [A, B] });
  });

  test("takes, of two configurations with one epoch, the one that was served under", () => {
    const [adopted] = adoption(mapOf(config(6, [A, B], 1), [report(A, config(6, [A, B], 1), { lastEpoch: 5 }), report(B, config(6, [B], 2))])).groups;
    expect(adopted?.config).toMatchObject({ epoch: 7, members: [B] });
  });

  test("leaves it to nobody when both were served under, or when a member is damaged and may have known more", () => {
    const forked = adoption(mapOf(config(6, [A], 1), [report(A, config(6, [A], 1)), report(B, config(6, [B], 2))]));
    expect(forked.groups).toEqual([]);
    expect(forked.undecided.join()).toContain("two histories");
    const damaged = adoption(mapOf(config(5, [A, B]), [report(A, config(5, [A, B])), report(B, config(5, [A, B]), { damaged: true })]));
    expect(damaged.groups).toEqual([]);
    expect(damaged.undecided.join()).toContain("damaged");
  });

  test("waits for every drive that the store or any report names", () => {
    const reports = [report(A, config(5, [A, B])), report(B, config(7, [B, C]))];
    expect(missingReports(mapOf(config(5, [A, B]), reports))).toEqual([C]);
    expect(missingReports(mapOf(config(5, [A, B]), [...reports, report(C, config(7, [B, C]), { round: ROUND - 1 })]))).toEqual([C]);
    expect(missingReports(mapOf(config(5, [A, B]), [...reports, report(C, config(7, [B, C]))]))).toEqual([]);
  });
});

describe("a restore", () => {
  test("begins by the proof of one drive, and with an incarnation that none has known", () => {
    expect(restoreWanted(mapOf(null, [report(A, null, { round: null })], undefined))).toBeNull();
    expect(restoreWanted(mapOf(null, [report(A, null, { round: null, evidence: "older", incarnation: 2 })], undefined))).toMatchObject({ incarnation: 3 });
    expect(restoreWanted(mapOf(null, [report(A, null, { incarnation: 1 }), report(B, null, { incarnation: 4 })]))).toMatchObject({ incarnation: 5 });
  });

  test("does not begin for a drive that missed the last one", () => {
    expect(restoreWanted(mapOf(null, [report(A, null, { round: null, incarnation: 1 })], { round: ROUND, done: true, why: "" }))).toBeNull();
  });
});

test("a restore waits for every drive that is named, but not for one that was removed from the cluster", () => {
  const map = mapOf(config(5, [A, B]), [report(A, config(5, [A, B])), report(B, config(4, [B, C]))]);
  expect(missingReports(map)).toEqual([C]);
  map.changed([{ key: leavingKeys.removedDrive(C), value: JSON.stringify({ server: "s", port: 1, atMs: 0, stopped: true }), revision: 10 }], 10);
  expect(missingReports(map)).toEqual([]);
});
