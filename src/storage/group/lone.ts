import type { DriveId } from "../../base/ids.ts";
import type { GroupConfig } from "../../cluster/schema.ts";
import { compareIds, overlaps } from "../../wire/entry.ts";
import type { Change, Channel, Read } from "../../wire/messages.ts";
import type { ReplicaImage } from "../drive/image.ts";
import type { GroupHost } from "./host.ts";
import { knownOnly } from "./lost-blocks.ts";
import { refuseCommand } from "./refuse.ts";
import { GRACE_MS } from "./times.ts";

/** R24: a refused port proves for so long, from when it was asked, that nobody there serves. */
export const PROOF_MS = 1000;
/** `loneSurvivor: auto` takes who has been silent for so long, with the store, for lost. */
export const AUTO_AFTER_MS = 30_000;
/** A primary refuses writes only when its change has waited so long for the store: an election of the store must not refuse any. */
export const REFUSE_WRITES_AFTER_MS = 5000;

/**
 * R24, by proof, for one other member: until when it is known to be down, after its port has refused. It begins only while this
 * member's promise still holds (it served its primary under an unexpired lease): so nobody was promoted before it went down. It goes on
 * as long as it never lapses: who starts again opens its port first and promises anew (R3d), for longer than a refusal proves.
 */
export function downUntil(before: { readonly untilMs: number }, refusal: { readonly sentMs: number; readonly nowMs: number; readonly promised: boolean }): number {
  const continued = refusal.nowMs < before.untilMs;
  return continued || refusal.promised ? refusal.sentMs + PROOF_MS : 0;
}

/** An administrator's word on this server that others are lost. */
export interface LostWord {
  readonly givenMs: number;
  readonly drives: ReadonlySet<DriveId>;
}
export interface Silence {
  readonly nowMs: number;
  /** When the cluster store last answered this process. */
  readonly storeAnsweredMs: number;
  readonly word: LostWord | null;
  /** `loneSurvivor: auto`. */
  readonly auto: boolean;
}
export interface OtherMember {
  readonly drive: DriveId;
  readonly connected: boolean;
  /** When it was last heard, or since when this process listens. */
  readonly heardMs: number;
}

/**
 * R24, without proof: whether a member is taken for lost, by the administrator's word or by time. Both give up I9, both end when
 * the store answers, and neither holds against a member that is heard.
 */
export function takenForLost({ nowMs, storeAnsweredMs, word, auto }: Silence, { drive, connected, heardMs }: OtherMember): boolean {
  if (connected || nowMs - heardMs < GRACE_MS) return false;
  if (word !== null && isOfNow(word, nowMs, storeAnsweredMs) && word.drives.has(drive)) return true;
  return auto && nowMs - storeAnsweredMs >= AUTO_AFTER_MS && nowMs - heardMs >= AUTO_AFTER_MS;
}

/** R24 for an only member: it lacks the store alone, to become primary again, and the same words and times speak of that. */
export function storeTakenForLost({ nowMs, storeAnsweredMs, word, auto }: Silence): boolean {
  return (word !== null && isOfNow(word, nowMs, storeAnsweredMs)) || (auto && nowMs - storeAnsweredMs >= AUTO_AFTER_MS);
}

/** A word given before the store last answered was about another time. */
function isOfNow({ givenMs }: LostWord, nowMs: number, storeAnsweredMs: number): boolean {
  return givenMs > storeAnsweredMs && givenMs <= nowMs;
}

/** R24: whether this drive may be the lone survivor of a group by the newest configuration that it knows. */
export function mayBeLone(drive: DriveId, image: ReplicaImage | undefined, config: GroupConfig | null | undefined): image is ReplicaImage {
  if (!image || image.damaged || image.incomplete || !config) return false;
  const newest = image.config && image.config.epoch > config.epoch ? image.config : config;
  return newest.members.includes(drive);
}

/**
 * R24: answers a gateway at a replica that is not its group's primary at work. Reads of what is known to be on all members are answered
 * when all other members are taken for lost; blocks with entries above `committed` wait (X38), and writes are refused.
 */
export function loneCommand(host: GroupHost, image: ReplicaImage | undefined, channel: Channel, message: Read | Change, epoch: GroupConfig["epoch"]): void {
  const config = host.hint(message.group)?.config;
  const others = [...new Set([...(config?.members ?? []), ...(image?.config?.members ?? [])])].filter((id) => id !== host.driveId);
  const lone = (): boolean => mayBeLone(host.driveId, image, config) && host.takenForLost(others);
  if (!lone() || !image) return refuseCommand(host, channel, message, epoch);
  if (message.type !== "read") return refuseCommand(host, channel, message, epoch, "read-only");
  const { range } = message;
  if (host.volume(range.volume) !== "known") return refuseCommand(host, channel, message, epoch, host.volume(range.volume) === "deleted" ? "deleted" : "unknown-volume");
  const doubtful = (): boolean => image.log.entries.some((entry) => compareIds(entry, image.committed) > 0 && entry.count > 0 && overlaps(entry, range)) || image.reconciling.some((marked) => overlaps(marked, range));
  if (doubtful()) return refuseCommand(host, channel, message, epoch);
  void host.drive.read(range).then((found) => {
    const content = knownOnly(image.config, range, found);
    if (!lone() || doubtful()) return refuseCommand(host, channel, message, epoch);
    if (!content.ok) return refuseCommand(host, channel, message, epoch, "medium-error");
    const { checksums, data } = content;
    host.send(channel, { type: "read-done", group: message.group, epoch, tag: message.tag, result: "done", clock: host.clock.nowMs(), checksums, data });
  });
}
