import type { DriveId, Epoch, GroupId, Instance, VolumeId } from "../base/ids.ts";
import type { Transaction } from "../platform/store.ts";
import { openRound } from "./adoption.ts";
import { driveIsUp, groupState, observedGroups } from "./health.ts";
import type { ClusterMap } from "./map.ts";
import { share } from "./missing.ts";
import { groupName, keys, type AuditRecord, type CopyWord, type FenceRecord, type GroupConfig, type ObservedGroup } from "./schema.ts";

/**
 * R23: so far above every epoch that is known, since a drive that is lost may have seen more of them than a store that was taken
 * back and nobody noticed: what it brings back must never win. There are 2^53 epochs.
 */
const EPOCH_LEAP = 1_000_000;

export interface Copy {
  readonly drive: DriveId;
  readonly word: CopyWord;
}
/** One group that goes on by the administrator's word; `nonce` is the caller's to draw. */
export interface GivenUp {
  readonly group: GroupId;
  readonly revision: number;
  readonly config: Omit<GroupConfig, "nonce">;
  /** The most complete copy left; null = none is. */
  readonly copy: Copy | null;
  /** What it lacks, as far as it is known. */
  readonly lacks: string;
}
export interface LossPlan {
  readonly groups: readonly GivenUp[];
  /** Groups that do not serve and are left as they are, with why. */
  readonly left: readonly { readonly group: GroupId; readonly why: string }[];
  /** Volumes that have extents in the groups given up. */
  readonly volumes: readonly { readonly id: VolumeId; readonly name: string }[];
  /** Provisioned size of what lies in them, by their share of the pool. */
  readonly bytes: number;
}

const NOT_WHOLE: ReadonlySet<string> = new Set(["no-whole-copy", "damaged-copy"]);

/**
 * R23: what accepting the loss of these drives comes to: every group that does not serve and all of whose members are named, or are
 * known not to be whole. Where another member may still come back whole, nothing is given up. Pure; decided anew by a repetition, which
 * finds what an earlier one has left.
 */
export function lossPlan(map: ClusterMap, named: ReadonlySet<DriveId>, atMs: number): LossPlan {
  const told = observedGroups(map);
  const copies = copiesLeft(map, named);
  const load = new Map<DriveId, number>();
  for (const { config } of map.groups.values()) for (const drive of config.members) load.set(drive, (load.get(drive) ?? 0) + 1);
  const unknownThrough = [...map.volumes.keys(), ...map.tombstones.keys()].reduce((a, b) => (b > a ? b : a), 0 as VolumeId);
  const groups: GivenUp[] = [];
  const left: { group: GroupId; why: string }[] = [];
  for (const [group, { config, revision }] of [...map.groups].sort(([a], [b]) => a - b)) {
    const state = groupState(map, config, told.get(config.primary)?.get(group));
    if (state === "serving" || state === "settling") continue;
    const hope = config.members.filter((drive) => !named.has(drive) && !hurt(map, config, drive, (id) => told.get(id)?.get(group)));
    if (hope.length > 0) {
      left.push({ group, why: hope.every((drive) => driveIsUp(map, drive)) ? "its copies are being brought together" : `it may come back with drive ${hope.filter((drive) => !driveIsUp(map, drive)).join(" and ")}, not named as lost` });
      continue;
    }
    const found = copies.get(group) ?? [];
    const copy = found.sort(better)[0] ?? null;
    const chosen = copy?.drive ?? emptyDrive(map, group, named, load);
    if (chosen === null) {
      left.push({ group, why: "no copy of it is left and no drive answers that could begin it anew" });
      continue;
    }
    load.set(chosen, (load.get(chosen) ?? 0) + 1);
    const known = [config.epoch, ...found.map(({ word }) => word.epoch), ...[...map.recovery.values()].flatMap((report) => report.groups.filter((one) => one.group === group).map((one) => one.config?.epoch ?? 0))];
    const epoch = (Math.max(...known) + EPOCH_LEAP) as Epoch;
    const neverWritten = config.epoch === 1 && config.primaryInstance === 0;
    const before = config.loss?.unknownThrough ?? null;
    const loss = {
      epoch,
      atMs,
      drives: config.members.filter((drive) => named.has(drive)).map((drive) => ({ drive, instance: map.drives.get(drive)?.instance ?? (0 as Instance) })),
      unknownThrough: copy === null && !neverWritten ? unknownThrough : before,
    };
    const next = { incarnation: map.cluster?.incarnation ?? config.incarnation, epoch, primary: chosen, primaryInstance: 0 as Instance, members: [chosen], learners: [], loss };
    groups.push({ group, revision, config: next, copy, lacks: lacks(config, copy) });
  }
  return { groups, left, ...share(map, new Set(groups.map(({ group }) => group))) };
}

/** A member that answers and is known not to hold everything that was acknowledged. */
function hurt(map: ClusterMap, config: GroupConfig, drive: DriveId, word: (drive: DriveId) => ObservedGroup | undefined): boolean {
  if (!driveIsUp(map, drive)) return false;
  // R14: left out of an adoption, since nobody but an administrator can choose.
  if (map.cluster !== null && config.incarnation !== map.cluster.incarnation && openRound(map.cluster) === undefined) return true;
  return NOT_WHOLE.has(word(drive)?.waitingFor ?? "") || (driveIsUp(map, config.primary) && word(config.primary)?.waitingFor === "no-whole-copy");
}

function copiesLeft(map: ClusterMap, named: ReadonlySet<DriveId>): Map<GroupId, Copy[]> {
  const copies = new Map<GroupId, Copy[]>();
  for (const [drive, { copies: words, instance }] of map.observed) {
    if (named.has(drive) || !driveIsUp(map, drive) || map.upDrives.get(drive)?.instance !== instance) continue;
    for (const word of words ?? []) copies.set(word.group as GroupId, [...(copies.get(word.group as GroupId) ?? []), { drive, word }]);
  }
  return copies;
}

/** The newest point up to which a copy is known to be whole; of equal ones an undamaged, then a complete one. */
function better(a: Copy, b: Copy): number {
  const [x, y] = [wholeThrough(a.word), wholeThrough(b.word)];
  return y.epoch - x.epoch || y.seq - x.seq || Number(a.word.damaged) - Number(b.word.damaged) || Number(a.word.incomplete) - Number(b.word.incomplete) || (a.drive < b.drive ? -1 : 1);
}
function wholeThrough({ damaged, incomplete, last, committed, completeThrough }: CopyWord): { epoch: number; seq: number } {
  return damaged ? committed : incomplete ? completeThrough : last;
}

function lacks({ epoch, members }: GroupConfig, copy: Copy | null): string {
  if (copy === null) return "everything: no copy is left";
  const { word, drive } = copy;
  if (word.damaged) return "it is damaged: what its journal lost, and what was written without it since";
  if (word.incomplete) return "it was being copied: it has some of what was written since it left, and not all";
  if (members.includes(drive)) return "what it lost itself is not known";
  return `all that was written after it left the group: it knows epoch ${word.epoch}, the group was at ${epoch}`;
}

/** For a group of which nothing is left: a drive that the plan wants, else the one with the fewest groups. */
function emptyDrive(map: ClusterMap, group: GroupId, named: ReadonlySet<DriveId>, load: ReadonlyMap<DriveId, number>): DriveId | null {
  const up = [...map.drives.keys()].filter((drive) => driveIsUp(map, drive) && !named.has(drive));
  const wanted = map.plans.get(group)?.plan.wanted.find((drive) => up.includes(drive));
  return wanted ?? up.sort((a, b) => (load.get(a) ?? 0) - (load.get(b) ?? 0) || (a < b ? -1 : 1))[0] ?? null;
}

/** Each with its members' registrations among the compares: within what every store accepts. */
const GROUPS_PER_TRANSACTION = 20;

/**
 * R23: in order. What was decided is refused as soon as a group's configuration has changed or a named drive is back; the first also
 * writes the audit and fences the sessions of the volumes. Cut short anywhere, the next plan has the rest.
 */
export function lossTransactions(map: ClusterMap, plan: LossPlan, named: ReadonlySet<DriveId>, world: { nonce(): number; fence: { id: number; record: FenceRecord }; audit: { record: AuditRecord; forget: readonly string[] } }): Transaction[] {
  const { fence, audit } = world;
  const absent = [...named].map((drive) => ({ key: keys.upDrive(drive), revision: 0 }));
  const transactions: Transaction[] = [];
  for (let start = 0; start < plan.groups.length; start += GROUPS_PER_TRANSACTION) {
    const batch = plan.groups.slice(start, start + GROUPS_PER_TRANSACTION);
    const first = start === 0;
    const lost = new Set(batch.flatMap(({ config }) => config.loss?.drives.map(({ drive }) => keys.upDrive(drive)) ?? []));
    transactions.push({
      compares: [
        { key: keys.cluster, revision: map.clusterRevision },
        ...absent.filter(({ key }) => lost.has(key)),
        ...batch.map(({ group, revision }) => ({ key: keys.group(group), revision })),
        ...(first ? [{ key: keys.audit(audit.record.number), revision: 0 }] : []),
      ],
      puts: [
        ...batch.map(({ group, config }) => ({ key: keys.group(group), value: JSON.stringify({ ...config, nonce: world.nonce() } satisfies GroupConfig) })),
        ...(first ? [{ key: keys.fence(fence.id), value: JSON.stringify(fence.record) }, { key: keys.audit(audit.record.number), value: JSON.stringify(audit.record) }] : []),
      ],
      deletes: first ? [...audit.forget] : [],
    });
  }
  return transactions;
}

/** For a sentence: "1/3, 1/7 and 12 more". */
export function groupNames(groups: readonly GroupId[]): string {
  const NAMED_MAX = 8; // more would drown the sentence
  const names = groups.slice(0, NAMED_MAX).map(groupName).join(", ");
  return groups.length > NAMED_MAX ? `${names} and ${groups.length - NAMED_MAX} more` : names;
}
