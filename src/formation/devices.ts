import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { command } from "../installer/command.ts";
import type { DriveChoice } from "../installer/drives.ts";
import { readDrives } from "../installer/machine.ts";
import type { Platform } from "../platform/platform.ts";
import { formDrive } from "./drive.ts";
import { shapeOf, type DrivePlaces } from "./places.ts";

/** XFS takes 12 characters; by it the installer knows what it looks at. */
const LABEL = "vs-data";
const JOURNAL_SEGMENT_BYTES = 16 * 2 ** 20;
/** The journal is a 64th of the drive, within these: enough for half a minute of writes, never much of a small drive. */
const JOURNAL_SHARE = 64;
const SEGMENTS_MIN = 4;
const SEGMENTS_MAX = 64;

/** Drives of this machine that could become data drives: nothing of them is in use. `kinds` are lsblk's words; tests add "loop". */
export async function freeDevices(kinds?: readonly string[]): Promise<DriveChoice[]> {
  return (await readDrives(kinds)).filter(({ dataRefusal }) => dataRefusal === null);
}

/**
 * Whole devices, each with an XFS (with reflink) of its own, mounted below the server's directory. The filesystem's UUID is made of the
 * drive's id, so that the mount is found again whatever name the device has after the next start.
 */
export function devicePlaces(platform: Platform, stateDirectory: string, kinds?: readonly string[]): DrivePlaces {
  return {
    async unfit(place) {
      const found = (await readDrives(kinds)).find(({ device }) => device === place);
      return found === undefined ? `There is no drive ${place}` : (found.dataRefusal?.replace(/ Choose another drive\.$|\.$/, "") ?? null);
    },
    async format(place, drive) {
      const filesystem = filesystemOf(drive.id);
      const directory = driveDirectory(stateDirectory, drive.id);
      // What an earlier attempt has mounted is that attempt's own, empty or half formatted.
      if (!isMounted(directory)) {
        await command(["mkfs.xfs", "-f", "-q", "-L", LABEL, "-m", `reflink=1,uuid=${filesystem}`, place]);
        await mountDrive({ directory, filesystem });
      }
      const { totalBytes } = await platform.files.space(directory);
      const segments = Math.floor(totalBytes / JOURNAL_SHARE / JOURNAL_SEGMENT_BYTES);
      const shape = await shapeOf(platform, directory, Math.min(SEGMENTS_MAX, Math.max(SEGMENTS_MIN, segments)));
      await formDrive(platform, { ...drive, driveId: drive.id, directory, ...shape });
      return { directory, filesystem };
    },
    async release(place) {
      const at = mounts().find(({ device }) => device === place);
      if (at !== undefined) await command(["umount", at.directory]);
    },
  };
}

/** Mounts a drive's filesystem where it belongs, unless it is mounted there. Rejects when it is not found, or cannot be mounted. */
export async function mountDrive(drive: { readonly directory: string; readonly filesystem: string }): Promise<void> {
  if (isMounted(drive.directory)) return;
  mkdirSync(drive.directory, { recursive: true, mode: 0o700 });
  await command(["mount", "-t", "xfs", "-o", "noatime,nodev,nosuid,noexec", "-U", drive.filesystem, drive.directory]);
}

export function driveDirectory(stateDirectory: string, driveId: string): string {
  return join(stateDirectory, "drives", driveId);
}

/** 16 hexadecimal digits in the form of a UUID. */
function filesystemOf(driveId: string): string {
  return `76697274-7573-4000-${driveId.slice(0, 4)}-${driveId.slice(4)}`;
}

export function isMounted(directory: string): boolean {
  return existsSync(directory) && mounts().some((mount) => mount.directory === directory);
}

/** proc(5): spaces are octal escapes. */
function mounts(): { readonly device: string; readonly directory: string }[] {
  const text = readFileSync("/proc/self/mounts", "utf8");
  return text.split("\n").map((line) => {
    const [device = "", directory = ""] = line.split(" ").map((word) => word.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))));
    return { device, directory };
  });
}
