import { rmSync } from "node:fs";
import { join } from "node:path";
import type { DriveId } from "../base/ids.ts";
import type { Platform } from "../platform/platform.ts";
import { DRIVE_ENTRIES, formDrive, unfitForDrive } from "./drive.ts";

/** What a formatted drive's line in the configuration says, except its port. */
export interface DrivePlace {
  readonly directory: string;
  /** UUID of the filesystem that is mounted there; absent for a plain directory. */
  readonly filesystem?: string;
}

/** Where drives come from: devices on an appliance, directories elsewhere. */
export interface DrivePlaces {
  /** Why a place cannot become a drive, a sentence; null when it can. */
  unfit(place: string): Promise<string | null>;
  /** Of a formation that is abandoned: nothing uses it any more, and it can be formatted again. */
  release(place: string): Promise<void>;
  /** Makes it a drive, from the beginning. After a kill at any point it may be called again. */
  format(place: string, drive: { readonly id: DriveId; readonly clusterId: string; readonly incarnation: number }): Promise<DrivePlace>;
}

const JOURNAL_SEGMENT_BYTES = 16 * 2 ** 20;
/** Of a directory's drive: little space is needed. */
const DIRECTORY_SEGMENTS = 4;
/** What is never promised to data: extents' trailers, checkpoints, what is parked. */
const USABLE_SHARE = 0.96;

/** Plain directories, for tests and for machines that keep other things on their disks, too. */
export function directoryPlaces(platform: Platform): DrivePlaces {
  return {
    unfit: (place) => Promise.resolve(place.startsWith("/") ? unfitForDrive(place) : `${place} is not an absolute path`),
    async format(place, drive) {
      await formDrive(platform, { ...drive, driveId: drive.id, directory: place, ...(await shapeOf(platform, place, DIRECTORY_SEGMENTS)) });
      return { directory: place };
    },
    release(place) {
      for (const name of DRIVE_ENTRIES) rmSync(join(place, name), { recursive: true, force: true });
      return Promise.resolve();
    },
  };
}

/** What a drive in `directory` has for data, and its journal, which it shares the filesystem with. */
export async function shapeOf(
  platform: Platform,
  directory: string,
  journalSegments: number,
): Promise<{ capacityBytes: number; journalSegments: number; journalSegmentBytes: number }> {
  await platform.files.makeDirectory(directory);
  const { freeBytes } = await platform.files.space(directory);
  const capacityBytes = Math.floor((freeBytes - journalSegments * JOURNAL_SEGMENT_BYTES) * USABLE_SHARE / 4096) * 4096;
  if (capacityBytes <= 0) throw new Error(`${directory} is too small for a drive: ${Math.floor(freeBytes / 2 ** 20)} MiB are free`);
  return { capacityBytes, journalSegments, journalSegmentBytes: JOURNAL_SEGMENT_BYTES };
}
