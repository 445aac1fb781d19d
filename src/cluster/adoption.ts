import type { DriveId, Epoch, GroupId, Instance, VolumeId } from "../base/ids.ts";
import type { ClusterMap } from "./map.ts";
import { groupName, type ClusterRecord, type GroupConfig, type RecoveryReport, type Tombstone } from "./schema.ts";

/** One group's next configuration (R14); `nonce` is the caller's to draw. */
export interface Adopted {
  readonly group: GroupId;
  readonly config: Omit<GroupConfig, "nonce">;
}
export interface Adoption {
  readonly groups: readonly Adopted[];
  /** Volumes that the drives know to be deleted and the store does not. */
  readonly tombstones: readonly Omit<Tombstone, "deletedAtMs">[];
  /** Sentences on groups that nobody may choose for: two histories, or no whole copy. */
  readonly undecided: readonly string[];
}

type Held = RecoveryReport["groups"][number];

/** R14: why a restore must begin: the proof of a drive that the store went back; null = there is none. */
export function restoreWanted(map: ClusterMap): { readonly incarnation: number; readonly why: string } | null {
  const { cluster } = map;
  if (!cluster) return null;
  const reports = [...map.recovery.values()];
  const incarnation = Math.max(cluster.incarnation, ...reports.map((report) => report.incarnation)) + 1;
  if (storeReplaced(cluster, map.storeId)) return { incarnation, why: `the cluster store has the id ${map.storeId} now, it had ${cluster.storeId}` };
  // In a round too: an incarnation that a drive knows already was given out before.
  const proof = reports.find((report) => report.incarnation >= cluster.incarnation && (report.evidence !== null || report.round === openRound(cluster)));
  if (!proof) return null;
  return { incarnation, why: proof.evidence ?? `drive ${proof.drive} knows incarnation ${proof.incarnation} already` };
}

/** R14: the store is not the one that the cluster's record was written in: it was made from a backup. */
export function storeReplaced({ storeId }: ClusterRecord, present: string): boolean {
  return storeId !== undefined && present !== "" && storeId !== present;
}

/** The number of the restore under way; undefined = none is. */
export function openRound({ restore }: ClusterRecord): number | undefined {
  return restore && !restore.done ? restore.round : undefined;
}

/** Drives that have not reported for the restore under way: every one that the store or a report names, and that is still of the cluster. */
export function missingReports(map: ClusterMap): DriveId[] {
  const { cluster } = map;
  const round = cluster ? openRound(cluster) : undefined;
  const named = new Set<DriveId>(map.drives.keys());
  const add = ({ members, learners }: GroupConfig): void => [...members, ...learners].forEach((drive) => named.add(drive));
  for (const { config } of map.groups.values()) add(config);
  for (const report of map.recovery.values()) {
    named.add(report.drive);
    for (const { config } of report.groups) if (config) add(config);
  }
  // One that was removed was named by no configuration any more: whatever it holds, others hold newer.
  return [...named].filter((drive) => map.recovery.get(drive)?.round !== round && !map.drivesRemoved.has(drive)).sort();
}

/**
 * R14, when every drive has reported: each group goes on with the members of the highest epoch that any drive has seen, under
 * an epoch above all. Never by the store's content alone: it only counts where no drive remembers anything. Pure, and the
 * same whoever computes it and whatever part of it has been written already.
 */
export function adoption(map: ClusterMap): Adoption {
  const { cluster } = map;
  if (!cluster) return { groups: [], tombstones: [], undecided: [] };
  const { incarnation } = cluster;
  const round = openRound(cluster);
  const reports = [...map.recovery.values()].filter((report) => report.round === round);
  const groups: Adopted[] = [];
  const undecided: string[] = [];
  const ids = new Set<GroupId>([...map.groups.keys(), ...reports.flatMap((report) => report.groups.map(({ group }) => group as GroupId))]);
  for (const group of [...ids].sort((a, b) => a - b)) {
    const stored = map.groups.get(group)?.config;
    if (stored?.incarnation === incarnation) continue;
    const held = reports.flatMap((report) => report.groups.filter((one) => one.group === group).map((one) => ({ drive: report.drive, ...one })));
    const known = held.flatMap(({ config }) => config ?? []);
    const newest = newestServed(held) ?? (known.length === 0 ? stored : undefined);
    if (!newest) {
      if (known.length > 0) undecided.push(`group ${groupName(group)} has two histories at epoch ${Math.max(...known.map((config) => config.epoch))}`);
      continue;
    }
    // A damaged member may have forgotten a newer configuration, under which it alone acknowledged writes.
    const doubtful = newest.members.filter((drive) => held.some((one) => one.drive === drive && one.damaged));
    if (doubtful.length > 0) {
      undecided.push(`group ${groupName(group)} has a damaged copy on drive ${doubtful.join(" and ")}, which may have known more`);
      continue;
    }
    const whole = newest.members.filter((drive) => held.some((one) => one.drive === drive && !one.incomplete));
    const primary = whole.includes(newest.primary) ? newest.primary : (whole[0] ?? newest.primary);
    const epoch = (Math.max(newest.epoch, stored?.epoch ?? 0) + 1) as Epoch;
    groups.push({ group, config: { incarnation, epoch, primary, primaryInstance: 0 as Instance, members: newest.members, learners: [], ...(newest.loss && { loss: newest.loss }) } });
  }
  return { groups, tombstones: forgottenTombstones(map, reports), undecided };
}

/**
 * The configuration of the highest epoch. X29: when one epoch was given to two, nothing was acknowledged under the one of which no
 * drive holds an entry (R7e); undefined when both were served under, so that each may hold acknowledged writes that the other lacks.
 */
function newestServed(held: readonly Held[]): GroupConfig | undefined {
  const epoch = Math.max(...held.map(({ config }) => config?.epoch ?? 0));
  const rivals = new Map<number, { config: GroupConfig; served: boolean }>();
  for (const { config, last } of held) {
    if (!config || config.epoch !== epoch) continue;
    const rival = rivals.get(config.nonce) ?? { config, served: false };
    rivals.set(config.nonce, { config: rival.config, served: rival.served || last.epoch >= epoch });
  }
  const served = [...rivals.values()].filter((rival) => rival.served);
  if (served.length > 1) return undefined;
  return (served[0] ?? [...rivals.values()].sort((a, b) => a.config.nonce - b.config.nonce)[0])?.config;
}

/** R21: what the store forgot to be deleted, the drives know. */
function forgottenTombstones(map: ClusterMap, reports: readonly RecoveryReport[]): Omit<Tombstone, "deletedAtMs">[] {
  const found = new Map<VolumeId, Omit<Tombstone, "deletedAtMs">>();
  for (const { purged } of reports)
    for (const { id, factor } of purged) {
      if (map.tombstones.has(id)) continue;
      const record = map.volumes.get(id);
      found.set(id, { id, name: record?.name ?? "", factor, lineage: record?.lineage ?? id });
    }
  return [...found.values()].sort((a, b) => a.id - b.id);
}
