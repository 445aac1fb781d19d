import { hash32 } from "../../platform/checksum.ts";
import type { ExtentIndex, VolumeId } from "../../base/ids.ts";
import type { ExtentKey } from "../../wire/entry.ts";

/** Where things lie below a drive's directory. */
export const SUPERBLOCK = "superblock";
export const JOURNAL = "journal";
export const EXTENTS = "extents";
export const CHECKPOINTS = "checkpoints";
export const PARKED = "parked";
/** Extents are spread over this many directories, so that none grows beyond what a filesystem lists quickly. */
export const EXTENT_DIRECTORIES = 256;

export function segmentName(index: number): string {
  return index.toString().padStart(4, "0");
}
export function directoryName(index: number): string {
  return index.toString(16).padStart(2, "0");
}
/** `<volume>-<lineage>-<layer>-<extent>`, hexadecimal. */
export function extentName(key: ExtentKey): string {
  return `${key.volume.toString(16)}-${key.lineage.toString(16)}-${key.layer.toString(16)}-${key.extent.toString(16)}`;
}
/** The directory, 0 to 255, of an extent's file. */
export function extentDirectory(name: string): number {
  return hash32(Buffer.from(name, "latin1")) % EXTENT_DIRECTORIES;
}
const NAME = /^([0-9a-f]{1,14})-([0-9a-f]{1,14})-([0-9a-f]{1,8})-([0-9a-f]{1,8})$/;
/** null for a name that `extentName` does not make. */
export function parseExtentName(name: string): ExtentKey | null {
  const match = NAME.exec(name);
  if (!match) return null;
  const [volume, lineage, layer, extent] = match.slice(1).map((digits) => Number.parseInt(digits, 16));
  const key = { volume: volume as VolumeId, lineage: lineage as VolumeId, layer: layer as number, extent: extent as ExtentIndex };
  return extentName(key) === name ? key : null;
}
