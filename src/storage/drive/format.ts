import { assert } from "../../base/assert.ts";
import { BLOCK_BYTES } from "../../base/geometry.ts";
import type { DriveId, Instance } from "../../base/ids.ts";
import type { Platform } from "../../platform/platform.ts";
import { checkpointName, writeCheckpoint } from "./checkpoint.ts";
import { CHECKPOINTS, directoryName, EXTENT_DIRECTORIES, EXTENTS, JOURNAL, PARKED, SUPERBLOCK } from "./layout.ts";
import { createRing } from "./ring.ts";
import { encodeSuperblock, SUPERBLOCK_BYTES } from "./superblock.ts";

export interface FormatOptions {
  /** Absolute; made when it is not there. Its filesystem becomes the drive. */
  readonly directory: string;
  readonly driveId: DriveId;
  /** 32 hexadecimal digits. */
  readonly clusterId: string;
  readonly incarnation: number;
  /** What the drive offers for extents. */
  readonly capacityBytes: number;
  readonly journalSegments: number;
  /** A multiple of 4096. */
  readonly journalSegmentBytes: number;
}

/** What an interrupted format may have left, and what a new filesystem holds. */
const EXPECTED_NAMES = new Set([JOURNAL, EXTENTS, CHECKPOINTS, PARKED, `${SUPERBLOCK}.new`, "lost+found"]);
/** Where the first batch of a new journal goes. */
export const JOURNAL_START = { batch: 1, position: 0 };

/**
 * Makes a directory a drive. The superblock comes last and whole: after a kill at any point there is either a drive or nothing,
 * and formatting again starts over. Throws an Error for a directory that holds a drive, or anything else.
 */
export async function formatDrive(platform: Platform, options: FormatOptions): Promise<void> {
  const { directory } = options;
  assert(options.journalSegments > 0 && options.journalSegmentBytes % BLOCK_BYTES === 0, "a journal has segments of whole blocks");
  await platform.files.makeDirectory(directory);
  await refuseOccupied(platform, directory);
  for (const name of [EXTENTS, CHECKPOINTS, PARKED]) await platform.files.makeDirectory(`${directory}/${name}`);
  for (let index = 0; index < EXTENT_DIRECTORIES; index += 1) await platform.files.makeDirectory(`${directory}/${EXTENTS}/${directoryName(index)}`);
  await platform.files.syncDirectory(`${directory}/${EXTENTS}`);

  const journalId = platform.random.id();
  const shape = { journalId, segments: options.journalSegments, segmentBytes: options.journalSegmentBytes };
  await createRing(platform, `${directory}/${JOURNAL}`, shape);
  await writeCheckpoint(
    platform,
    directory,
    { driveId: options.driveId, number: 1, journalId, next: JOURNAL_START, usedBlocks: 0, clean: true, images: 0 },
    [],
  );
  await platform.files.syncDirectory(directory);

  const path = `${directory}/${SUPERBLOCK}`;
  const file = await platform.files.open(`${path}.new`, { write: true, create: true });
  try {
    await file.truncate(0);
    await file.truncate(2 * SUPERBLOCK_BYTES);
    // Both copies, so that from the first moment one that rots is no loss.
    for (const generation of [1, 2]) {
      const bytes = encodeSuperblock({
        generation,
        clusterId: options.clusterId,
        driveId: options.driveId,
        journalId,
        journalSegments: options.journalSegments,
        journalSegmentBytes: options.journalSegmentBytes,
        capacityBytes: options.capacityBytes,
        instance: 0 as Instance,
        incarnation: options.incarnation,
        storeId: "",
        storeRevision: 0,
      });
      await file.write(bytes, 0, bytes.length, (generation % 2) * SUPERBLOCK_BYTES);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  await platform.files.rename(`${path}.new`, path);
  await platform.files.syncDirectory(directory);
}

async function refuseOccupied(platform: Platform, directory: string): Promise<void> {
  const names = await platform.files.list(directory);
  if (names.includes(SUPERBLOCK)) throw new Error(`${directory} already holds a drive`);
  const foreign = names.find((name) => !EXPECTED_NAMES.has(name));
  if (foreign !== undefined) throw new Error(`${directory} is not empty: it holds ${foreign}`);
  // A format that was interrupted has never held data; a drive whose superblock is gone has.
  if (names.includes(EXTENTS)) {
    for (const name of await platform.files.list(`${directory}/${EXTENTS}`)) {
      if ((await platform.files.list(`${directory}/${EXTENTS}/${name}`)).length > 0) throw new Error(`${directory} holds a drive's data without its superblock`);
    }
  }
  if (!names.includes(CHECKPOINTS)) return;
  const expected = [checkpointName(1), `${checkpointName(1)}.new`];
  const later = (await platform.files.list(`${directory}/${CHECKPOINTS}`)).find((name) => !expected.includes(name));
  if (later !== undefined) throw new Error(`${directory} holds a drive's checkpoint without its superblock`);
}
