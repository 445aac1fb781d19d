import { EXTENT_BYTES, BLOCK_BYTES } from "../../../src/base/geometry.ts";
import { directoryName, extentDirectory, extentName, EXTENTS } from "../../../src/storage/drive/layout.ts";
import type { Trailer } from "../../../src/storage/drive/trailer.ts";
import type { ExtentKey } from "../../../src/wire/entry.ts";
import { TRAILER_SLOT_BYTES, TRAILER_SLOTS } from "../../../src/storage/drive/trailer.ts";
import type { Inode } from "../../simulator/disk.ts";
import { DIRECTORY } from "../../simulator/drive.ts";
import type { Stage } from "./stage.ts";

/** An extent's file on a drive. */
export function pathOf(stage: Stage, extent = 0): string {
  const name = extentName({ volume: stage.volume, lineage: stage.volume, layer: 0, extent } as unknown as ExtentKey);
  return `${DIRECTORY}/${EXTENTS}/${directoryName(extentDirectory(name))}/${name}`;
}
function fileOf(stage: Stage, drive: string, extent: number): Inode {
  const inode = stage.cluster.host(drive).medium.disk.find(pathOf(stage, extent));
  if (!inode) throw new Error(`${drive} has no extent ${extent}`);
  return inode;
}
function spoil(inode: Inode, page: number): void {
  const content = Buffer.from(inode.pages.get(page) ?? Buffer.alloc(BLOCK_BYTES));
  content[700] = (content[700] as number) ^ 1;
  inode.pages.set(page, content);
}

/** One bit of each block flips on the medium of one drive. */
export function rot(stage: Stage, drive: string, blocks: readonly number[], extent = 0): void {
  const inode = fileOf(stage, drive, extent);
  for (const block of blocks) spoil(inode, block);
}
/** Both slots of an extent's trailer rot while the drive's process is down; what it remembers was covered by a checkpoint before. */
export function loseTrailer(stage: Stage, drive: string, extent = 0): void {
  stage.pass(40_000);
  rotSlots(stage, drive, [...Array(TRAILER_SLOTS).keys()], extent);
}
/** Slots of an extent's trailer rot while the drive's process is down. */
export function rotSlots(stage: Stage, drive: string, slots: readonly number[], extent = 0): void {
  stage.cluster.kill(drive, true);
  const inode = fileOf(stage, drive, extent);
  for (const slot of slots) spoil(inode, (EXTENT_BYTES + slot * TRAILER_SLOT_BYTES) / BLOCK_BYTES);
  stage.cluster.start(drive);
}
/** As the drive's process knows it now. */
export function trailerOf(stage: Stage, drive: string, extent = 0): Trailer {
  const running = stage.cluster.host(drive).running?.drive;
  if (!running) throw new Error(`${drive} does not run`);
  const pinned = running.extentsOfDrive.cache.pin({ volume: stage.volume, lineage: stage.volume, layer: 0, extent } as unknown as ExtentKey);
  let known = false;
  void running.describe(pinned.key).then(() => (known = true));
  stage.until(() => known);
  running.extentsOfDrive.cache.unpin(pinned);
  if (!pinned.trailer) throw new Error(`${drive} has no extent ${extent}`);
  return pinned.trailer;
}
/** What a drive's process, as primary, has found: repaired, lost and differing blocks, by the drive they lie on. */
export function found(stage: Stage, primary: string): Record<string, { repaired: number; lost: number; differs: number }> {
  const counts = stage.cluster.host(primary).running?.node?.damage.counts ?? [];
  return Object.fromEntries(counts.map(({ drive, repaired, lost, differs }) => [stage.cluster.nameOf(drive), { repaired, lost, differs }]));
}
