import type { DriveId } from "../../base/ids.ts";
import { FileError, type Platform } from "../../platform/platform.ts";
import type { Extent, ExtentCache } from "./extent-cache.ts";
import { encodeTrailer, slotOffset, TRAILER_SLOT_BYTES, TRAILER_SLOTS } from "./trailer.ts";

/** Syncs under way at once: each holds a thread of the pool that the journal and reads need too. */
const SYNCS_MAX = 4;

/**
 * Makes durable what is applied: content and trailers of all changed extents, then the directories in which files came or
 * went. Writes go on meanwhile; what they change is behind the checkpoint and replayed from the journal.
 */
export async function flushExtents(platform: Platform, cache: ExtentCache, drive: DriveId): Promise<void> {
  await inParallel([...cache.dirty], async (extent, buffer) => flushExtent(cache, drive, extent, buffer));
  const directories = [...cache.changedDirectories];
  cache.changedDirectories.clear();
  await inParallel(directories, (directory) => platform.files.syncDirectory(cache.directoryPath(directory)));
}

async function flushExtent(cache: ExtentCache, drive: DriveId, extent: Extent, buffer: Buffer): Promise<void> {
  const { trailer } = extent;
  if (!trailer || !extent.dirty) return;
  cache.repin(extent);
  try {
    // I7: both slots, one durable before the other is touched. Whichever is valid at a start then holds all that the checkpoint
    // covers, and replay brings the rest: neither a torn slot nor a rotten one takes anything with it.
    let { changes } = extent;
    for (let slot = 0; slot < TRAILER_SLOTS; slot += 1) {
      const open = await cache.acquire(extent);
      try {
        if (extent.trailer !== trailer) return;
        if (extent.inherited) await open.file.sync();
        extent.inherited = false;
        if (extent.trailer !== trailer) return;
        if (slot === 0) ({ changes } = extent);
        const generation = trailer.generation + 1;
        encodeTrailer(buffer, drive, extent.key, trailer, generation);
        await open.file.write(buffer, 0, TRAILER_SLOT_BYTES, slotOffset(generation));
        await open.file.sync();
        trailer.generation = generation;
      } finally {
        cache.release(extent, open);
      }
    }
    if (extent.trailer === trailer && extent.changes === changes) cache.clean(extent);
  } catch (error) {
    // Dropped meanwhile: there is no file any more.
    if (extent.trailer === trailer || !(error instanceof FileError) || error.code !== "ENOENT") throw error;
  } finally {
    cache.unpin(extent);
  }
}

async function inParallel<T>(items: readonly T[], work: (item: T, buffer: Buffer) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    const buffer = Buffer.alloc(TRAILER_SLOT_BYTES);
    while (next < items.length) {
      const item = items[next] as T;
      next += 1;
      await work(item, buffer);
    }
  };
  await Promise.all(Array.from({ length: Math.min(SYNCS_MAX, items.length) }, worker));
}
