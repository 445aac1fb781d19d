import { close, constants, fsync, open as openFile, promises as fs } from "node:fs";
import { assert } from "../base/assert.ts";
import { blockingCalls } from "./blocking.ts";
import { alignedMemory, errnoName } from "./ffi.ts";
import { fileError, systemCodeOf } from "./file-error.ts";
import { RealFile } from "./file.ts";
import type { File, Files, OpenOptions } from "./platform.ts";

export interface RealFiles extends Files {
  /**
   * Makes `to`, which must not exist, a copy of `from` that shares its space (reflink).
   * Resolves false, leaving nothing behind, where the filesystem cannot do that.
   */
  clone(from: string, to: string): Promise<boolean>;
}

/** Files through Bun's thread pool; its size is UV_THREADPOOL_SIZE, which process.ts sets for every role. */
export function realFiles(): RealFiles {
  const calls = blockingCalls();

  async function open(path: string, options: OpenOptions): Promise<File> {
    assert(path.startsWith("/"), "paths are absolute");
    let flags = options.write === true ? constants.O_RDWR : constants.O_RDONLY;
    if (options.create === true || options.exclusive === true) flags |= constants.O_CREAT;
    if (options.exclusive === true) flags |= constants.O_EXCL;
    if (options.dsync === true) flags |= constants.O_DSYNC;
    const action = `open ${path}`;
    if (options.direct === true) {
      try {
        return new RealFile(path, await openDescriptor(path, flags | constants.O_DIRECT), true, calls);
      } catch (error) {
        // A filesystem without O_DIRECT says EINVAL, and may have created the file before it said so.
        if (systemCodeOf(error) !== "EINVAL") throw fileError(action, systemCodeOf(error));
        flags &= ~constants.O_EXCL;
      }
    }
    try {
      return new RealFile(path, await openDescriptor(path, flags), options.direct === true, calls);
    } catch (error) {
      throw fileError(action, systemCodeOf(error));
    }
  }

  async function clone(from: string, to: string): Promise<boolean> {
    const action = `clone ${from} to ${to}`;
    const source = await attempt(action, openDescriptor(from, constants.O_RDONLY));
    try {
      const target = await attempt(action, openDescriptor(to, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL));
      const errno = await calls.clone(source, target).finally(() => closeDescriptor(target));
      if (errno === 0) return true;
      await fs.unlink(to);
      const code = errnoName(errno);
      if (code === "EOPNOTSUPP" || code === "ENOTTY" || code === "EXDEV" || code === "EINVAL" || code === "ENOSYS") return false;
      throw fileError(action, code);
    } finally {
      await closeDescriptor(source);
    }
  }

  return {
    open,
    clone,
    alignedBuffer: alignedMemory,
    makeDirectory: async (path) => void (await attempt(`make the directory ${path}`, fs.mkdir(path, { recursive: true }))),
    list: async (path) => (await attempt(`list ${path}`, fs.readdir(path))).sort(),
    rename: (from, to) => attempt(`rename ${from} to ${to}`, fs.rename(from, to)),
    remove: (path) => attempt(`remove ${path}`, unlessMissing(fs.unlink(path), undefined)),
    syncDirectory: (path) => attempt(`sync the directory ${path}`, syncDirectory(path)),
    async stat(path) {
      const found = await attempt(`look up ${path}`, unlessMissing(fs.stat(path), null));
      return found === null ? null : { sizeBytes: found.size, allocatedBytes: found.blocks * 512 };
    },
    async space(path) {
      const found = await attempt(`read the free space of ${path}`, fs.statfs(path));
      return { totalBytes: found.blocks * found.bsize, freeBytes: found.bavail * found.bsize };
    },
  };
}

function openDescriptor(path: string, flags: number): Promise<number> {
  return new Promise((resolve, reject) => openFile(path, flags, 0o600, (error, fd) => (error ? reject(error) : resolve(fd))));
}

function closeDescriptor(fd: number): Promise<void> {
  return new Promise((resolve) => close(fd, () => resolve()));
}

async function syncDirectory(path: string): Promise<void> {
  const fd = await openDescriptor(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await new Promise<void>((resolve, reject) => fsync(fd, (error) => (error ? reject(error) : resolve())));
  } finally {
    await closeDescriptor(fd);
  }
}

async function unlessMissing<T, M>(work: Promise<T>, missing: M): Promise<T | M> {
  try {
    return await work;
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return missing;
    throw error;
  }
}

async function attempt<T>(action: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw fileError(action, systemCodeOf(error));
  }
}
