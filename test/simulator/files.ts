import { assert } from "../../src/base/assert.ts";
import { FileError, type File, type Files, type OpenOptions } from "../../src/platform/platform.ts";
import { PAGE_BYTES, type Disk, type InFlight, type Inode } from "./disk.ts";

export type OperationKind = "read" | "write" | "durable write" | "sync" | "names";

export interface Operation<T> extends InFlight {
  readonly kind: OperationKind;
  readonly path: string;
  apply(): T;
}

/** Who lets operations take effect, and when: the simulated time, or turns of the event loop. */
export interface Kernel {
  perform<T>(operation: Operation<T>): Promise<T>;
}

/** The door to files on a simulated disk, of one process. */
export class DiskFiles implements Files {
  readonly #disk: Disk;
  readonly #kernel: Kernel;

  constructor(disk: Disk, kernel: Kernel) {
    this.#disk = disk;
    this.#kernel = kernel;
  }

  #names<T>(path: string, apply: () => T): Promise<T> {
    return this.#kernel.perform({ kind: "names", path, write: null, apply });
  }

  open(path: string, options: OpenOptions): Promise<File> {
    return this.#names(path, () => {
      let inode = this.#disk.find(path);
      if (inode && options.exclusive) throw new FileError("EEXIST", path);
      if (!inode && !options.create && !options.exclusive) throw new FileError("ENOENT", path);
      inode ??= this.#disk.make(path);
      return this.#file(path, inode, options);
    });
  }

  #file(path: string, inode: Inode, { direct = false, dsync = false }: OpenOptions): File {
    let open = true;
    const perform = <T>(kind: OperationKind, apply: () => T, write: InFlight["write"] = null): Promise<T> => {
      assert(open, `${path} is not used after close`);
      return this.#kernel.perform({ kind, path, write, apply });
    };
    const check = (length: number, position: number): void => assert(!direct || (length % PAGE_BYTES === 0 && position % PAGE_BYTES === 0), "a direct file is read and written in whole blocks");
    return {
      read: (buffer, offset, length, position) => {
        check(length, position);
        return perform("read", () => inode.read(buffer, offset, length, position));
      },
      write: (buffer, offset, length, position) => {
        check(length, position);
        const bytes = buffer.subarray(offset, offset + length);
        return perform(dsync ? "durable write" : "write", () => inode.put(bytes, position, dsync), { inode, bytes, position });
      },
      sync: () => perform("sync", () => inode.sync()),
      truncate: (sizeBytes) => perform("write", () => inode.truncate(sizeBytes)),
      allocate: () => perform("write", () => undefined),
      punch: (offset, length) =>
        perform("write", () => {
          for (let page = offset / PAGE_BYTES; page < (offset + length) / PAGE_BYTES; page += 1) inode.clear(page);
        }),
      lock: () =>
        perform("names", () => {
          if (inode.lockedBy && inode.lockedBy !== this) return false;
          inode.lockedBy = this;
          return true;
        }),
      size: () => perform("names", () => inode.size),
      close: async () => {
        assert(open, `${path} is closed once`);
        open = false;
        if (inode.lockedBy === this) inode.lockedBy = null;
      },
    };
  }

  makeDirectory(path: string): Promise<void> {
    return this.#names(path, () => this.#disk.makeDirectory(path));
  }
  list(path: string): Promise<string[]> {
    return this.#names(path, () => this.#disk.list(path));
  }
  rename(from: string, to: string): Promise<void> {
    return this.#names(from, () => this.#disk.rename(from, to));
  }
  remove(path: string): Promise<void> {
    return this.#names(path, () => this.#disk.remove(path));
  }
  syncDirectory(path: string): Promise<void> {
    return this.#kernel.perform({ kind: "sync", path, write: null, apply: () => this.#disk.syncDirectory(path) });
  }
  stat(path: string): Promise<{ sizeBytes: number; allocatedBytes: number } | null> {
    return this.#names(path, () => {
      const inode = this.#disk.find(path);
      return inode && { sizeBytes: inode.size, allocatedBytes: inode.pages.size * PAGE_BYTES };
    });
  }
  async space(): Promise<{ totalBytes: number; freeBytes: number }> {
    return { totalBytes: 1e12, freeBytes: 1e12 };
  }
  alignedBuffer(bytes: number): Buffer {
    return Buffer.alloc(bytes);
  }
}
