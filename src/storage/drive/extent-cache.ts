import { assert } from "../../base/assert.ts";
import { EXTENT_BYTES } from "../../base/geometry.ts";
import type { DriveId } from "../../base/ids.ts";
import { FileError, type File, type Platform } from "../../platform/platform.ts";
import type { ExtentKey } from "../../wire/entry.ts";
import { ExtentIndexTable, UNKNOWN } from "./extent-index.ts";
import { directoryName, EXTENT_DIRECTORIES, extentDirectory, extentName, EXTENTS } from "./layout.ts";
import { EXTENT_FILE_BYTES, readTrailerSlots, Trailer, TRAILER_SLOT_BYTES, TRAILER_SLOTS } from "./trailer.ts";

/** Trailers kept in memory that need not be (about 4.5 KiB each: 18 MiB); those not yet on disk come on top. */
export const TRAILERS_KEPT_MAX = 4096;
/** Files kept open beyond those in use: descriptors cost little, but a process has a limit of them. */
export const FILES_KEPT_MAX = 512;

/** One extent in memory: as long as something uses it (`pins`), its trailer is not on disk yet, or the cache has room. */
export interface Extent {
  readonly key: ExtentKey;
  readonly name: string;
  readonly directory: number;
  readonly path: string;
  /** null when there is no such extent; meaningless until `loaded`. */
  trailer: Trailer | null;
  loaded: boolean;
  dirty: boolean;
  /** The last process may have left a trailer that is not durable: nothing is written over the other slot before a sync. */
  inherited: boolean;
  /** Raised with every change of the trailer: shows what happened during an await. */
  changes: number;
  pins: number;
  open: OpenFile | null;
  opening: Promise<void> | null;
  readonly queue: Operation[];
  running: boolean;
}

/** Work on one extent; it is done in the order in which it was queued, one after the other. */
export interface Operation {
  run(extent: Extent): Promise<void>;
  done(): void;
}

export interface OpenFile {
  readonly file: File;
  users: number;
  /** Closed by its last user. */
  doomed: boolean;
}

/** Extents in memory and their open files. */
export class ExtentCache {
  readonly index = new ExtentIndexTable();
  readonly dirty = new Set<Extent>();
  /** Directories in which names changed since they were last synced. */
  readonly changedDirectories = new Set<number>();
  /** While the journal is replayed, unequal slots are what an interrupted checkpoint left, and replay makes an extent that has none. */
  replaying = true;
  readonly #platform: Platform;
  readonly #directory: string;
  readonly #drive: DriveId;
  readonly #all = new Map<string, Extent>();
  /** Not pinned, the one unused for longest first. */
  readonly #idle = new Set<Extent>();
  /** Open without a user, the one unused for longest first. */
  readonly #idleFiles = new Set<Extent>();

  constructor(platform: Platform, directory: string, drive: DriveId) {
    this.#platform = platform;
    this.#directory = directory;
    this.#drive = drive;
  }

  /** The extent, pinned: the caller must `unpin` it. */
  pin(key: ExtentKey): Extent {
    const name = extentName(key);
    let extent = this.#all.get(name);
    if (!extent) {
      const directory = extentDirectory(name);
      const path = `${this.directoryPath(directory)}/${name}`;
      extent = { key, name, directory, path, trailer: null, loaded: false, dirty: false, inherited: false, changes: 0, pins: 0, open: null, opening: null, queue: [], running: false };
      this.#all.set(name, extent);
    }
    this.repin(extent);
    return extent;
  }
  repin(extent: Extent): void {
    extent.pins += 1;
    if (extent.pins === 1) this.#idle.delete(extent);
  }
  unpin(extent: Extent): void {
    assert(extent.pins > 0, "an extent is unpinned as often as it is pinned");
    extent.pins -= 1;
    if (extent.pins > 0) return;
    if (extent.trailer === null) return this.#forget(extent);
    this.#idle.add(extent);
    if (this.#idle.size > TRAILERS_KEPT_MAX) for (const oldest of this.#idle) return this.#forget(oldest);
  }
  /** Extents with something queued, whether or not they exist yet. */
  busy(): Extent[] {
    return [...this.#all.values()].filter((extent) => extent.running || extent.queue.length > 0);
  }

  async load(extent: Extent): Promise<void> {
    if (extent.loaded) return;
    const count = this.index.count(extent.key);
    if (count !== null) {
      // What a process that was killed had not synced belongs to extents that the journal's replay touches.
      extent.inherited = this.replaying;
      await this.#readTrailer(extent);
      if (extent.trailer === null) this.index.delete(extent.key);
      else if (count === UNKNOWN) this.index.set(extent.key, extent.trailer.allocated);
    }
    extent.loaded = true;
  }

  /** Opens the file; `create`: makes a new empty one. The caller must `release` it. */
  async acquire(extent: Extent, create = false): Promise<OpenFile> {
    for (;;) {
      if (extent.open) {
        extent.open.users += 1;
        this.#idleFiles.delete(extent);
        return extent.open;
      }
      if (extent.opening) {
        // Its failure is that of whoever began it: this one tries for itself.
        await extent.opening.catch(() => undefined);
        continue;
      }
      extent.opening = this.#open(extent, create).finally(() => (extent.opening = null));
      await extent.opening;
    }
  }
  release(extent: Extent, open: OpenFile): void {
    open.users -= 1;
    if (open.users > 0) return;
    if (open.doomed) return this.#close(open);
    this.#idleFiles.add(extent);
    if (this.#idleFiles.size > FILES_KEPT_MAX) for (const oldest of this.#idleFiles) return this.#closeFile(oldest);
  }

  /** After a change of the trailer; it stays in memory until a checkpoint has written it. */
  changed(extent: Extent): void {
    extent.changes += 1;
    if (extent.dirty) return;
    extent.dirty = true;
    this.dirty.add(extent);
    this.repin(extent);
  }
  clean(extent: Extent): void {
    if (!extent.dirty) return;
    extent.dirty = false;
    this.dirty.delete(extent);
    this.unpin(extent);
  }

  /** Removes the extent's file. `extent` is pinned and nothing else runs on it. */
  async drop(extent: Extent): Promise<void> {
    extent.trailer = null;
    extent.changes += 1;
    this.clean(extent);
    await this.#platform.files.remove(extent.path);
    // Only now: a reader may have opened the old file while it was being removed, and nothing may be written there any more.
    await extent.opening?.catch(() => undefined);
    this.#closeFile(extent);
    this.index.delete(extent.key);
    this.changedDirectories.add(extent.directory);
  }

  directoryPath(directory: number): string {
    return `${this.#directory}/${EXTENTS}/${directoryName(directory)}`;
  }

  allDirectoriesChanged(): void {
    for (let directory = 0; directory < EXTENT_DIRECTORIES; directory += 1) this.changedDirectories.add(directory);
  }

  closeFiles(): void {
    for (const extent of this.#all.values()) this.#closeFile(extent);
  }

  async #open(extent: Extent, create: boolean): Promise<void> {
    const file = await this.#platform.files.open(extent.path, { write: true, create });
    if (create) {
      // What an interrupted creation may have left is thrown away.
      await file.truncate(0);
      await file.truncate(EXTENT_FILE_BYTES);
      this.changedDirectories.add(extent.directory);
    }
    extent.open = { file, users: 0, doomed: false };
    this.#idleFiles.add(extent);
  }

  #closeFile(extent: Extent): void {
    const { open } = extent;
    if (!open) return;
    extent.open = null;
    this.#idleFiles.delete(extent);
    if (open.users > 0) open.doomed = true;
    else this.#close(open);
  }
  #close(open: OpenFile): void {
    // Nothing was written that a sync did not cover, or the file is gone: what close says changes nothing.
    open.file.close().catch((error: unknown) => this.#platform.log.warn("an extent's file did not close", { error: String(error) }));
  }
  #forget(extent: Extent): void {
    this.#idle.delete(extent);
    this.#closeFile(extent);
    this.#all.delete(extent.name);
  }

  async #readTrailer(extent: Extent): Promise<void> {
    const { trailer, state } = readTrailerSlots(await this.#readSlots(extent), this.#drive, extent.key);
    extent.trailer = trailer;
    if (state === "whole") return;
    if (state === "uneven") {
      if (!this.replaying) this.#platform.log.warn("one of the two slots with an extent's checksums is damaged: it is written anew from the other", { extent: extent.name });
      // The next checkpoint makes both good.
      return this.changed(extent);
    }
    if (state === "unborn" && this.replaying) return this.#closeFile(extent);
    extent.trailer = new Trailer();
    extent.trailer.forgetContent();
    this.#platform.log.error("an extent's checksums are damaged: all its blocks count as bad until they are repaired", { extent: extent.name });
  }
  /** Both; one that cannot be read takes the other with it as little as one that rotted. */
  async #readSlots(extent: Extent): Promise<Buffer> {
    const slots = Buffer.alloc(TRAILER_SLOTS * TRAILER_SLOT_BYTES);
    const open = await this.acquire(extent);
    const read = async (from: number, length: number): Promise<boolean> => {
      try {
        await open.file.read(slots, from, length, EXTENT_BYTES + from);
        return true;
      } catch (error) {
        if (!(error instanceof FileError) || error.code !== "EIO") throw error;
        slots.fill(0xff, from, from + length);
        return false;
      }
    };
    try {
      if (!(await read(0, slots.length))) for (let at = 0; at < slots.length; at += TRAILER_SLOT_BYTES) await read(at, TRAILER_SLOT_BYTES);
    } finally {
      this.release(extent, open);
    }
    return slots;
  }
}
