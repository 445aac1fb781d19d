import { FileError } from "../../src/platform/platform.ts";

export const PAGE_BYTES = 4096;
/** What a disk writes wholly or not at all. */
const SECTOR_BYTES = 512;

/** All the chance that a disk needs. */
export interface Dice {
  /** An integer in [0, count). */
  below(count: number): number;
}

/** A file's content: pages as the kernel sees them, and what of them is surely on the medium. */
export class Inode {
  readonly pages = new Map<number, Buffer>();
  /** For pages that changed since the last sync: what the medium surely holds, null = nothing. These buffers never change. */
  readonly before = new Map<number, Buffer | null>();
  /** Pages that are not as they were written, with what they should hold; until something is written there. */
  readonly hurt = new Map<number, Buffer | null>();
  readonly #unreadable = new Set<number>();
  size = 0;
  durableSize = 0;
  /** Who holds the flock. */
  lockedBy: object | null = null;

  read(buffer: Uint8Array, offset: number, length: number, position: number): number {
    const count = Math.max(0, Math.min(length, this.size - position));
    for (const page of this.#unreadable) if (page * PAGE_BYTES < position + count && (page + 1) * PAGE_BYTES > position) throw new FileError("EIO", `page ${page} cannot be read`);
    for (let at = 0; at < count; ) {
      const from = (position + at) % PAGE_BYTES;
      const piece = Math.min(PAGE_BYTES - from, count - at);
      const content = this.pages.get(Math.floor((position + at) / PAGE_BYTES));
      if (content) buffer.set(content.subarray(from, from + piece), offset + at);
      else buffer.fill(0, offset + at, offset + at + piece);
      at += piece;
    }
    return count;
  }

  /** `durable`: past the page cache. */
  put(bytes: Uint8Array, position: number, durable = false): void {
    for (let at = 0; at < bytes.length; ) {
      const page = Math.floor((position + at) / PAGE_BYTES);
      const from = (position + at) % PAGE_BYTES;
      const count = Math.min(PAGE_BYTES - from, bytes.length - at);
      const piece = bytes.subarray(at, at + count);
      this.#written(page);
      const known = this.pages.get(page);
      if (!durable && !this.before.has(page)) this.before.set(page, known ?? null);
      else if (durable) this.before.delete(page);
      if (known && known !== this.before.get(page)) known.set(piece, from);
      // Journals are filled with zeros beforehand; a hole reads the same and costs nothing.
      else if (known || !durable || !isZero(piece)) {
        const content = known ? Buffer.from(known) : Buffer.alloc(PAGE_BYTES);
        content.set(piece, from);
        this.pages.set(page, content);
      }
      at += count;
    }
    this.size = Math.max(this.size, position + bytes.length);
    if (durable) this.durableSize = Math.max(this.durableSize, this.size);
  }
  clear(page: number): void {
    this.#written(page);
    if (!this.before.has(page)) this.before.set(page, this.pages.get(page) ?? null);
    this.pages.delete(page);
  }
  truncate(sizeBytes: number): void {
    for (const page of [...this.pages.keys()]) if (page * PAGE_BYTES >= sizeBytes) this.clear(page);
    this.size = sizeBytes;
  }
  sync(): void {
    this.before.clear();
    this.durableSize = this.size;
  }
  #written(page: number): void {
    if (this.hurt.size === 0) return;
    this.hurt.delete(page);
    this.#unreadable.delete(page);
  }
  /** The page holds something else from now on; null: it cannot be read. */
  hurtPage(page: number, content: Buffer | null): void {
    if (!this.hurt.has(page)) this.hurt.set(page, this.pages.get(page) ?? null);
    if (content) this.pages.set(page, content);
    else this.#unreadable.add(page);
  }
  healPage(page: number): void {
    const content = this.hurt.get(page);
    if (content === undefined) return;
    if (content) this.pages.set(page, content);
    else this.pages.delete(page);
    this.#written(page);
  }

  /** Another file with the same content, locked by nobody. */
  fork(): Inode {
    const inode = new Inode();
    for (const [page, content] of this.pages) inode.pages.set(page, Buffer.from(content));
    // As in `put`: one buffer for the page and for what of it is durable would change both.
    for (const [page, content] of this.before) inode.before.set(page, content && Buffer.from(content));
    return Object.assign(inode, { size: this.size, durableSize: this.durableSize });
  }

  /** Of each page that was not synced the medium holds the old or the new content, or some sectors of each. */
  losePower(dice: Dice): void {
    for (const [page, old] of this.before) {
      const kind = dice.below(5);
      if (kind < 2) continue;
      const now = this.pages.get(page);
      const kept = kind < 4 ? old : mix(old, now ?? null, dice);
      if (kept) this.pages.set(page, kept);
      else this.pages.delete(page);
    }
    if (dice.below(2) === 0) this.durableSize = this.size;
    this.size = this.durableSize;
    this.before.clear();
    this.lockedBy = null;
  }
}

type NameChange = { readonly name: string; readonly inode: Inode | null };
interface Directory {
  readonly current: Map<string, Inode>;
  readonly durable: Map<string, Inode>;
  /** Not synced yet, oldest first. */
  changes: NameChange[];
  readonly below: string[];
}

/** An operation that was begun and has not ended. */
export interface InFlight {
  /** A write's bytes: what may be there in part after a kill or a loss of power. */
  readonly write: { readonly inode: Inode; readonly bytes: Uint8Array; readonly position: number } | null;
  /** Takes effect, all at once. */
  apply(): unknown;
}

/**
 * One disk with its filesystem and the page cache above it. A loss of power takes any of what was written and not synced, any
 * sectors of what was in flight, and of the names changed in a directory and not synced all but the first few.
 */
export class Disk {
  readonly #directories = new Map<string, Directory>();

  /** The process that began these is killed: each happened, or in part, or not at all. What the kernel was given stays. */
  kill(dice: Dice, inFlight: Iterable<InFlight>): void {
    for (const { write, apply } of inFlight) {
      const kind = dice.below(3);
      if (kind === 0) {
        const pages = Math.ceil((write?.bytes.length ?? 0) / PAGE_BYTES);
        // A durable write that nobody waited for may be in the disk's own cache only.
        if (write) write.inode.put(write.bytes.subarray(0, PAGE_BYTES * dice.below(pages + 1)), write.position);
      } else if (kind === 1) {
        if (write) write.inode.put(write.bytes, write.position);
        else attempt(apply);
      }
    }
  }
  losePower(dice: Dice, inFlight: Iterable<InFlight>): void {
    for (const { write } of inFlight) {
      for (let at = 0; write && at < write.bytes.length; at += SECTOR_BYTES) if (dice.below(2) === 0) write.inode.put(write.bytes.subarray(at, at + SECTOR_BYTES), write.position + at);
    }
    const seen = new Set<Inode>();
    for (const directory of this.#directories.values()) {
      if (directory.changes.length > 0) {
        const kept = dice.below(directory.changes.length + 1);
        for (const change of directory.changes.slice(0, kept)) rename(directory.durable, change);
        directory.changes = [];
        directory.current.clear();
        for (const [name, inode] of directory.durable) directory.current.set(name, inode);
      }
      for (const inode of directory.current.values()) seen.add(inode);
    }
    for (const inode of seen) inode.losePower(dice);
  }
  /** A process has ended: its locks are free. */
  unlock(owner: object): void {
    for (const inode of this.inodes()) if (inode.lockedBy === owner) inode.lockedBy = null;
  }
  *inodes(): Iterable<Inode> {
    for (const directory of this.#directories.values()) yield* directory.current.values();
  }

  /** Another disk with the same content; what was hurt is not told. */
  fork(): Disk {
    const disk = new Disk();
    const inodes = new Map<Inode, Inode>();
    const copy = (inode: Inode): Inode => {
      const known = inodes.get(inode) ?? inode.fork();
      inodes.set(inode, known);
      return known;
    };
    const copies = (names: Map<string, Inode>): Map<string, Inode> => new Map([...names].map(([name, inode]) => [name, copy(inode)]));
    for (const [path, { current, durable, changes, below }] of this.#directories)
      disk.#directories.set(path, {
        current: copies(current),
        durable: copies(durable),
        changes: changes.map(({ name, inode }) => ({ name, inode: inode && copy(inode) })),
        below: [...below],
      });
    return disk;
  }

  find(path: string): Inode | null {
    const { directory, name } = this.#place(path);
    return directory.current.get(name) ?? null;
  }
  make(path: string): Inode {
    const inode = new Inode();
    this.#change(path, inode);
    return inode;
  }
  makeDirectory(path: string): void {
    if (this.#directories.has(path)) return;
    this.#directories.set(path, { current: new Map(), durable: new Map(), changes: [], below: [] });
    this.#directories.get(path.slice(0, path.lastIndexOf("/")))?.below.push(path.slice(path.lastIndexOf("/") + 1));
  }
  list(path: string): string[] {
    const directory = this.#directories.get(path);
    if (!directory) throw new FileError("ENOENT", path);
    return [...directory.current.keys(), ...directory.below].sort();
  }
  rename(from: string, to: string): void {
    const inode = this.find(from);
    if (!inode) throw new FileError("ENOENT", from);
    this.#change(to, inode);
    this.#change(from, null);
  }
  remove(path: string): void {
    if (this.find(path)) this.#change(path, null);
  }
  syncDirectory(path: string): void {
    const directory = this.#directories.get(path);
    if (!directory) throw new FileError("ENOENT", path);
    for (const change of directory.changes) rename(directory.durable, change);
    directory.changes = [];
  }

  #place(path: string): { directory: Directory; name: string } {
    const cut = path.lastIndexOf("/");
    const directory = this.#directories.get(path.slice(0, cut));
    if (!directory) throw new FileError("ENOENT", path);
    return { directory, name: path.slice(cut + 1) };
  }
  #change(path: string, inode: Inode | null): void {
    const { directory, name } = this.#place(path);
    rename(directory.current, { name, inode });
    directory.changes.push({ name, inode });
  }
}

const ZEROS = Buffer.alloc(PAGE_BYTES);
function isZero(bytes: Uint8Array): boolean {
  return ZEROS.compare(bytes, 0, bytes.length, 0, bytes.length) === 0;
}
function mix(old: Buffer | null, now: Buffer | null, dice: Dice): Buffer {
  const mixed = Buffer.from(old ?? ZEROS);
  for (let at = 0; at < PAGE_BYTES; at += SECTOR_BYTES) if (dice.below(2) === 0) mixed.set((now ?? ZEROS).subarray(at, at + SECTOR_BYTES), at);
  return mixed;
}
function attempt(apply: () => unknown): void {
  try {
    apply();
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
  }
}
function rename(names: Map<string, Inode>, { name, inode }: NameChange): void {
  if (inode) names.set(name, inode);
  else names.delete(name);
}
