import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { DriveId } from "../base/ids.ts";
import type { Platform } from "../platform/platform.ts";
import { formatDrive } from "../storage/drive/format.ts";
import { CHECKPOINTS, EXTENTS, JOURNAL, PARKED, SUPERBLOCK } from "../storage/drive/layout.ts";

/** What a storage process makes in a drive's directory, besides what mkfs leaves there. */
export const DRIVE_ENTRIES: readonly string[] = [SUPERBLOCK, `${SUPERBLOCK}.new`, JOURNAL, EXTENTS, CHECKPOINTS, PARKED];
const LEFT_BY_MKFS = "lost+found";

/** Why `directory` must not become a drive; null when it may: nothing may be in it that somebody could miss. */
export function unfitForDrive(directory: string): string | null {
  if (!existsSync(directory)) return null;
  const others = readdirSync(directory).filter((name) => name !== LEFT_BY_MKFS);
  return others.length === 0 ? null : `${directory} is not empty (it holds ${others[0]})`;
}

export interface DriveFormat {
  readonly directory: string;
  readonly driveId: DriveId;
  readonly clusterId: string;
  readonly incarnation: number;
  readonly capacityBytes: number;
  readonly journalSegments: number;
  readonly journalSegmentBytes: number;
}

/** Formats a drive from the beginning: what an earlier attempt left is removed first. The caller knows that no data is there. */
export async function formDrive(platform: Platform, format: DriveFormat): Promise<void> {
  mkdirSync(format.directory, { recursive: true, mode: 0o700 });
  for (const name of DRIVE_ENTRIES) rmSync(join(format.directory, name), { recursive: true, force: true });
  await formatDrive(platform, format);
}
