import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { DriveId } from "../base/ids.ts";
import type { AddDrive } from "../cluster/adding.ts";
import { devicePlaces, driveDirectory, freeDevices, isMounted } from "../formation/devices.ts";
import type { DrivePlace } from "../formation/places.ts";
import { DRIVE_ENTRIES, formDrive, unfitForDrive } from "../formation/drive.ts";
import type { Platform } from "../platform/platform.ts";
import type { ServerConfig } from "../role/config.ts";
import { SUPERBLOCK } from "../storage/drive/layout.ts";
import { readSuperblock } from "../storage/drive/superblock.ts";

/** On an appliance. */
const DRIVE_PORT_BASE = 7000;
/** As a trial has them: a directory that shares its filesystem wants a small journal. */
const JOURNAL_SEGMENTS = 4;
const JOURNAL_SEGMENT_BYTES = 16 * 2 ** 20;
/** What is never promised to data: extents' trailers, checkpoints, what is parked. */
const USABLE_SHARE = 0.96;
const CAPACITY_MIN_BYTES = 2 ** 28;

/** What the administrator has named: a device, or a directory. As `formDirectory`. */
export async function formPlace(platform: Platform, config: ServerConfig, id: DriveId, wish: AddDrive, incarnation: number): Promise<DrivePlace | null> {
  if (!wish.place.startsWith("/dev/")) return await formDirectory(platform, config, id, wish, incarnation);
  if (config.drives.some(({ directory, removed }) => removed !== true && directory === driveDirectory(config.directory, id))) return null;
  const places = devicePlaces(platform, config.directory);
  const free = (await freeDevices()).find(({ device }) => device === wish.place);
  // One that an earlier attempt has mounted is in use by that attempt alone.
  if (free !== undefined && free.holds !== "nothing" && !wish.wipe) throw new Error(`${wish.place} is not empty: ${free.content.join("; ")}. Add it with wipe to lose that.`);
  const why = free === undefined && !isMounted(driveDirectory(config.directory, id)) ? await places.unfit(wish.place) : null;
  if (why !== null) throw new Error(`${why}.`);
  return await places.format(wish.place, { id, clusterId: config.clusterId, incarnation });
}

/**
 * Makes a directory a drive of this server, from the beginning, and says where; null: it is that very drive already. Rejects with a sentence, and
 * nothing is touched then.
 */
export async function formDirectory(platform: Platform, config: ServerConfig, id: DriveId, { place, wipe, capacityBytes }: AddDrive, incarnation: number): Promise<{ readonly directory: string } | null> {
  if (!place.startsWith("/")) throw new Error(`${place} is not an absolute path.`);
  if (config.drives.some((drive) => drive.removed !== true && drive.directory === place)) {
    if ((await driveIn(platform, place)) === id) return null;
    throw new Error(`${place} is a drive of this server already.`);
  }
  const why = unfitForDrive(place);
  // A format that was cut short leaves a part of a drive, and so does one that was removed from the cluster.
  const oldDrive = existsSync(place) && readdirSync(place).every((name) => DRIVE_ENTRIES.includes(name) || name === "lost+found");
  if (why !== null && !(oldDrive && (wipe || (await driveIn(platform, place)) === id))) throw new Error(`${why}${oldDrive ? "; add it with wipe to lose that" : " and cannot become a drive: empty it, or choose another"}.`);
  const shape = { journalSegments: JOURNAL_SEGMENTS, journalSegmentBytes: JOURNAL_SEGMENT_BYTES };
  const capacity = capacityBytes ?? (await free(platform, place, JOURNAL_SEGMENTS * JOURNAL_SEGMENT_BYTES));
  if (capacity < CAPACITY_MIN_BYTES) throw new Error(`${place} is too small for a drive: it would have ${Math.floor(capacity / 2 ** 20)} MiB and needs ${CAPACITY_MIN_BYTES / 2 ** 20}.`);
  await formDrive(platform, { directory: place, driveId: id, clusterId: config.clusterId, incarnation, capacityBytes: capacity, ...shape });
  return { directory: place };
}

/** The next free port for a drive's storage process; those of removed ones are not given out again. */
export function nextDrivePort({ drives, drivePortBase }: ServerConfig): number {
  return Math.max((drivePortBase ?? DRIVE_PORT_BASE) - 1, ...drives.map(({ port }) => port)) + 1;
}

async function free(platform: Platform, directory: string, journalBytes: number): Promise<number> {
  await platform.files.makeDirectory(directory);
  const { freeBytes } = await platform.files.space(directory);
  return Math.floor(((freeBytes - journalBytes) * USABLE_SHARE) / 4096) * 4096;
}

/** Its id; null: there is no drive that can be read. */
async function driveIn(platform: Platform, directory: string): Promise<DriveId | null> {
  try {
    const file = await platform.files.open(join(directory, SUPERBLOCK), {});
    try {
      return (await readSuperblock(file))?.driveId ?? null;
    } finally {
      await file.close();
    }
  } catch {
    return null;
  }
}
