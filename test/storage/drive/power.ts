import { FileError, type Clock, type File, type Files, type OpenOptions } from "../../../src/platform/platform.ts";
import { Random } from "./random.ts";

const PAGE = 4096;
const SECTOR = 512;

/** What a file holds: pages as written, pages as a loss of power would surely leave them. */
interface Inode {
  current: Map<number, Buffer>;
  durable: Map<number, Buffer>;
  size: number;
  durableSize: number;
  dirty: Set<number>;
}
type NameChange = { readonly name: string; readonly inode: Inode | null };
interface Directory {
  current: Map<string, Inode>;
  durable: Map<string, Inode>;
  changes: NameChange[];
}

/**
 * Files in memory that lose power: of what was written and not synced, any pages may be there or not, of what was in flight any
 * sectors; of names changed in a directory and not synced, the first few. Each operation takes a random number of turns.
 */
export class PowerFiles implements Files {
  readonly #random: Random;
  readonly #directories = new Map<string, Directory>();
  /** Counts down with each operation; at 0 the power fails. */
  operationsLeft = Number.POSITIVE_INFINITY;
  #life = 0;
  #lost: (() => void) | null = null;
  readonly #inFlight = new Set<{ inode: Inode; bytes: Buffer; position: number }>();

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  /** Runs `work` until it ends or the power fails after `operations` of it. True when it ended. */
  async run(operations: number, work: () => Promise<void>): Promise<boolean> {
    this.operationsLeft = operations;
    const lost = new Promise<false>((resolve) => (this.#lost = () => resolve(false)));
    const result = await Promise.race([work().then(() => true as const), lost]);
    this.operationsLeft = Number.POSITIVE_INFINITY;
    return result;
  }

  /** Of a process that ends with the power: nothing runs afterwards, and no timer ever does. */
  clock(): Clock {
    const life = this.#life;
    return {
      nowMs: () => performance.now(),
      wallMs: () => 0,
      timer: () => ({ cancel() {} }),
      soon: (run) => void setImmediate(() => life === this.#life && run()),
    };
  }

  #fail(): void {
    this.#life += 1;
    for (const { inode, bytes, position } of this.#inFlight) {
      for (let at = 0; at < bytes.length; at += SECTOR) if (this.#random.below(2) === 0) this.#put(inode, bytes.subarray(at, at + SECTOR), position + at);
    }
    this.#inFlight.clear();
    const seen = new Set<Inode>();
    for (const directory of this.#directories.values()) {
      const kept = this.#random.below(directory.changes.length + 1);
      for (const change of directory.changes.slice(0, kept)) rename(directory.durable, change);
      directory.changes = [];
      directory.current = new Map(directory.durable);
      for (const inode of directory.current.values()) seen.add(inode);
    }
    for (const inode of seen) {
      for (const page of inode.dirty) if (this.#random.below(2) === 0) settle(inode, page);
      if (this.#random.below(2) === 0) inode.durableSize = inode.size;
      inode.size = inode.durableSize;
      inode.current = new Map(inode.durable);
      inode.dirty.clear();
    }
    this.#lost?.();
  }

  /** Waits some turns; never comes back when the power fails meanwhile. */
  async #operation(): Promise<void> {
    const life = this.#life;
    this.operationsLeft -= 1;
    if (this.operationsLeft <= 0) {
      this.operationsLeft = Number.POSITIVE_INFINITY;
      this.#fail();
    }
    for (let turns = this.#random.below(3); turns >= 0; turns -= 1) await new Promise<void>((resolve) => setImmediate(resolve));
    if (life !== this.#life) await new Promise<never>(() => undefined);
  }

  #put(inode: Inode, bytes: Uint8Array, position: number): void {
    for (let at = 0; at < bytes.length; ) {
      const page = Math.floor((position + at) / PAGE);
      const from = (position + at) % PAGE;
      const count = Math.min(PAGE - from, bytes.length - at);
      const content = Buffer.from(inode.current.get(page) ?? Buffer.alloc(PAGE));
      content.set(bytes.subarray(at, at + count), from);
      inode.current.set(page, content);
      inode.dirty.add(page);
      at += count;
    }
    inode.size = Math.max(inode.size, position + bytes.length);
  }

  #directory(path: string): { directory: Directory; name: string } {
    const cut = path.lastIndexOf("/");
    const directory = this.#directories.get(path.slice(0, cut));
    if (!directory) throw new FileError("ENOENT", path);
    return { directory, name: path.slice(cut + 1) };
  }
  #change(path: string, inode: Inode | null): void {
    const { directory, name } = this.#directory(path);
    rename(directory.current, { name, inode });
    directory.changes.push({ name, inode });
  }

  async open(path: string, options: OpenOptions): Promise<File> {
    await this.#operation();
    const { directory, name } = this.#directory(path);
    let inode = directory.current.get(name);
    if (!inode) {
      if (!options.create) throw new FileError("ENOENT", path);
      inode = { current: new Map(), durable: new Map(), size: 0, durableSize: 0, dirty: new Set() };
      this.#change(path, inode);
    }
    return this.#file(inode, options.dsync ?? false);
  }

  #file(inode: Inode, dsync: boolean): File {
    const sync = (): void => {
      for (const page of inode.dirty) settle(inode, page);
      inode.dirty.clear();
      inode.durableSize = inode.size;
    };
    return {
      read: async (buffer, offset, length, position) => {
        await this.#operation();
        const count = Math.max(0, Math.min(length, inode.size - position));
        for (let at = 0; at < count; ) {
          const from = (position + at) % PAGE;
          const piece = Math.min(PAGE - from, count - at);
          const content = inode.current.get(Math.floor((position + at) / PAGE));
          if (content) buffer.set(content.subarray(from, from + piece), offset + at);
          else buffer.fill(0, offset + at, offset + at + piece);
          at += piece;
        }
        return count;
      },
      write: async (buffer, offset, length, position) => {
        const write = { inode, bytes: Buffer.from(buffer.subarray(offset, offset + length)), position };
        this.#inFlight.add(write);
        await this.#operation();
        this.#inFlight.delete(write);
        this.#put(inode, write.bytes, position);
        if (dsync) sync();
      },
      sync: async () => (await this.#operation(), sync()),
      truncate: async (sizeBytes) => {
        await this.#operation();
        for (const page of inode.current.keys()) {
          if (page * PAGE < sizeBytes) continue;
          inode.current.delete(page);
          inode.dirty.add(page);
        }
        inode.size = sizeBytes;
      },
      allocate: () => this.#operation(),
      punch: async (offset, length) => {
        await this.#operation();
        for (let page = offset / PAGE; page < (offset + length) / PAGE; page += 1) {
          inode.current.delete(page);
          inode.dirty.add(page);
        }
      },
      lock: async () => true,
      size: async () => inode.size,
      close: () => this.#operation(),
    };
  }

  async makeDirectory(path: string): Promise<void> {
    if (!this.#directories.has(path)) this.#directories.set(path, { current: new Map(), durable: new Map(), changes: [] });
  }
  async list(path: string): Promise<string[]> {
    await this.#operation();
    const below = [...this.#directories.keys()].filter((name) => name.startsWith(`${path}/`)).map((name) => name.slice(path.length + 1));
    return [...(this.#directories.get(path)?.current.keys() ?? []), ...below.filter((name) => !name.includes("/"))].sort();
  }
  async rename(from: string, to: string): Promise<void> {
    await this.#operation();
    const { directory, name } = this.#directory(from);
    const inode = directory.current.get(name);
    if (!inode) throw new FileError("ENOENT", from);
    this.#change(to, inode);
    this.#change(from, null);
  }
  async remove(path: string): Promise<void> {
    await this.#operation();
    this.#change(path, null);
  }
  async syncDirectory(path: string): Promise<void> {
    await this.#operation();
    const directory = this.#directories.get(path);
    if (!directory) throw new FileError("ENOENT", path);
    directory.durable = new Map(directory.current);
    directory.changes = [];
  }
  async stat(): Promise<null> {
    return null;
  }
  async space(): Promise<{ totalBytes: number; freeBytes: number }> {
    return { totalBytes: 1e12, freeBytes: 1e12 };
  }
  alignedBuffer(bytes: number): Buffer {
    return Buffer.alloc(bytes);
  }
}

function settle(inode: Inode, page: number): void {
  const content = inode.current.get(page);
  if (content) inode.durable.set(page, content);
  else inode.durable.delete(page);
}
function rename(names: Map<string, Inode>, { name, inode }: NameChange): void {
  if (inode) names.set(name, inode);
  else names.delete(name);
}
