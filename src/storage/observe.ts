import type { DriveId, GroupId, VolumeId } from "../base/ids.ts";
import type { ClusterMap } from "../cluster/map.ts";
import { groupState } from "../cluster/health.ts";
import type { CopyWord, Observed } from "../cluster/schema.ts";
import type { Clock } from "../platform/platform.ts";
import type { Drive } from "./drive/drive.ts";
import type { ReplicaImage } from "./drive/image.ts";
import type { Gateways } from "./gateways.ts";
import type { Damage } from "./group/damage.ts";
import type { Group } from "./group/group.ts";
import { REPLICATE_TIMEOUT_MS } from "./group/times.ts";
import type { Scrubber } from "./scrubber.ts";

type Word = Observed["groups"][number];

/** All extents are looked at for volumes that the store does not know at most this often. */
const UNKNOWN_EVERY_MS = 30_000;
/** So many are told; an administrator sees with one that something is wrong. */
const UNKNOWN_TOLD_MAX = 64;

export interface ObservedParts {
  readonly drive: Drive;
  readonly map: ClusterMap;
  readonly clock: Clock;
  readonly groups: ReadonlyMap<GroupId, Group>;
  readonly gateways: Gateways;
  readonly damage: Damage;
  readonly scrubber: Scrubber;
}

/** What a drive tells of itself in `observed`, as it is at each call. */
export class Observer {
  readonly #parts: ObservedParts;
  #unknown: readonly VolumeId[] = [];
  #lookedMs = -Infinity;

  constructor(parts: ObservedParts) {
    this.#parts = parts;
  }

  now(): Observed {
    const { drive, map, groups, gateways, damage, scrubber } = this.#parts;
    const unknown = this.#unknownVolumes();
    return {
      instance: drive.instance,
      usedBytes: drive.space().usedBytes,
      groups: observeGroups(drive, map, groups),
      copies: observeCopies(drive.images, map),
      damage: [...damage.counts],
      ...(drive.parked.files + drive.parked.dropped > 0 && { parked: drive.parked }),
      ...(unknown.length > 0 && { unknownVolumes: unknown }),
      ...(gateways.bans.length > 0 && { bans: gateways.bans }),
      ...(scrubber.running && { scrub: scrubber.running }),
    };
  }

  /** R21: what is not listed is not deleted; it is told of. */
  #unknownVolumes(): VolumeId[] {
    const { drive, map, clock } = this.#parts;
    const isUnknown = (id: VolumeId): boolean => !map.volumes.has(id) && !map.tombstones.has(id);
    if (clock.nowMs() - this.#lookedMs >= UNKNOWN_EVERY_MS) {
      this.#lookedMs = clock.nowMs();
      this.#unknown = [...new Set(drive.extents().map(({ volume }) => volume))].filter(isUnknown).sort((a, b) => a - b);
    }
    return this.#unknown.filter(isUnknown).slice(0, UNKNOWN_TOLD_MAX);
  }
}

/** What a drive tells of its groups in `observed`: those that it leads, and those that it must not lead. */
export function observeGroups(drive: { readonly id: DriveId; appendOutstandingMs(): number }, map: ClusterMap, groups: ReadonlyMap<GroupId, Group>): Word[] {
  const words: Word[] = [];
  const hung = drive.appendOutstandingMs() > REPLICATE_TIMEOUT_MS;
  for (const group of groups.values()) {
    if (!group.term) {
      const image = group.replica.image;
      const named = (image?.damaged || image?.incomplete) && map.groups.get(group.id)?.config.members.includes(drive.id);
      // R7b: a member that must not lead says why; when no other one does, health can tell.
      if (named) words.push({ group: group.id, epoch: group.epoch, state: "waiting", waitingFor: "damaged-copy", copiedBytes: 0, remainingBytes: 0 });
      continue;
    }
    let copiedBytes = 0, remainingBytes = 0;
    for (const recovery of group.serving?.recoveries ?? []) {
      copiedBytes += recovery.copiedBytes;
      remainingBytes += recovery.remainingBytes;
    }
    words.push({ group: group.id, epoch: group.epoch, ...stateWord(group, hung), copiedBytes, remainingBytes });
  }
  return words;
}

/** R23: copies here of groups that nobody serves, for the administrator who may have to choose one. By this map, so only a hint. */
export function observeCopies(images: ReadonlyMap<GroupId, ReplicaImage>, map: ClusterMap): CopyWord[] {
  const told = new Map<DriveId, ReadonlyMap<number, Word>>();
  const wordOf = (drive: DriveId, group: GroupId): Word | undefined => {
    let words = told.get(drive);
    if (!words) told.set(drive, (words = new Map(map.observed.get(drive)?.groups.map((word) => [word.group, word]))));
    return words.get(group);
  };
  const copies: CopyWord[] = [];
  for (const image of images.values()) {
    const config = map.groups.get(image.group)?.config;
    if (!config || image.blank) continue;
    const state = groupState(map, config, wordOf(config.primary, image.group));
    if (state === "serving" || state === "settling") continue;
    const { group, epoch, log, committed, completeThrough, incomplete, damaged } = image;
    const plain = ({ epoch: e, seq }: { epoch: number; seq: number }) => ({ epoch: e, seq });
    copies.push({ group, epoch, last: plain(log.last), committed: plain(committed), completeThrough: plain(completeThrough), incomplete, damaged });
  }
  return copies;
}

/** R3f, R7b: a group that nobody can use says so, whatever its own state, so that hosts are not left waiting for it. */
function stateWord(group: Group, hung: boolean): Pick<Word, "state" | "waitingFor"> {
  if (hung) return { state: "waiting", waitingFor: "hung-journal" };
  if (group.waitingFor) return { state: "waiting", waitingFor: group.waitingFor };
  return { state: group.state === "serving" || group.state === "handing-over" ? "serving" : "peering" };
}
