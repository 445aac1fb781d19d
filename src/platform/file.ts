import { close, fdatasync, fstat, ftruncate, read, write } from "node:fs";
import { assert } from "../base/assert.ts";
import type { BlockingCalls } from "./blocking.ts";
import { ALIGNMENT, errnoName, isAligned, readCached, tryLock } from "./ffi.ts";
import { fileError, systemCodeOf } from "./file-error.ts";
import type { File } from "./platform.ts";

/**
 * Up to here what the page cache has is copied at once: a thread of the pool costs ten times as much for 4 KiB. More would keep
 * the event loop from its other work, which the pool's threads do not.
 */
const CACHED_BYTES_MAX = 64 * 1024;

/** An open file. Its descriptor is closed only after every call under way has ended, so that none reaches another file by a reused number. */
export class RealFile implements File {
  readonly #path: string;
  readonly #fd: number;
  readonly #direct: boolean;
  readonly #calls: BlockingCalls;
  #underWay = 0;
  #closing = false;
  #idle: (() => void) | null = null;

  /** `direct`: hold callers to the alignment of O_DIRECT, even where the filesystem does not ask for it. */
  constructor(path: string, fd: number, direct: boolean, calls: BlockingCalls) {
    this.#path = path;
    this.#fd = fd;
    this.#direct = direct;
    this.#calls = calls;
  }

  async read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    this.#checkRange(buffer, offset, length, position);
    // The memory of a buffer below some hundred bytes may move when its address is taken; nothing that small is hot.
    if (!this.#direct && length <= CACHED_BYTES_MAX && buffer.byteLength >= ALIGNMENT) {
      assert(!this.#closing, `${this.#path} is not used after close`);
      // Less than all: the end of the file, or what is not cached. The other way tells them apart.
      if (readCached(this.#fd, buffer, offset, length, position) === length) return length;
    }
    this.#begin();
    let done = 0;
    try {
      while (done < length) {
        const count = await this.#readOnce(buffer, offset + done, length - done, position + done);
        done += count;
        // A count that is no multiple of the block is the end of a direct file; asking further from there would be EINVAL.
        if (count === 0 || (this.#direct && count % ALIGNMENT !== 0)) break;
      }
      return done;
    } catch (error) {
      throw fileError(`read ${length} bytes at ${position} of ${this.#path}`, systemCodeOf(error));
    } finally {
      this.#end();
    }
  }

  async write(buffer: Uint8Array, offset: number, length: number, position: number): Promise<void> {
    this.#checkRange(buffer, offset, length, position);
    this.#begin();
    let done = 0;
    try {
      while (done < length) {
        let count = await this.#writeOnce(buffer, offset + done, length - done, position + done);
        // What goes on after a partial direct write starts on a block again; a block written twice is the same block.
        if (this.#direct && done + count < length) count -= count % ALIGNMENT;
        // A write of nothing would repeat for ever; a full filesystem is the only known reason.
        if (count === 0) throw new Error("ENOSPC");
        done += count;
      }
    } catch (error) {
      throw fileError(`write ${length} bytes at ${position} to ${this.#path}`, systemCodeOf(error));
    } finally {
      this.#end();
    }
  }

  sync(): Promise<void> {
    return this.#run(`sync ${this.#path}`, (done) => fdatasync(this.#fd, done));
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#run(`truncate ${this.#path} to ${sizeBytes} bytes`, (done) => ftruncate(this.#fd, sizeBytes, done));
  }

  allocate(offset: number, length: number): Promise<void> {
    return this.#runBlocking(`allocate ${length} bytes at ${offset} of ${this.#path}`, () => this.#calls.allocate(this.#fd, offset, length));
  }

  punch(offset: number, length: number): Promise<void> {
    return this.#runBlocking(`free ${length} bytes at ${offset} of ${this.#path}`, () => this.#calls.punch(this.#fd, offset, length));
  }

  // Never waits (LOCK_NB), so it needs no thread.
  async lock(): Promise<boolean> {
    this.#begin();
    const failed = tryLock(this.#fd);
    this.#end();
    if (failed === null) return true;
    if (failed === "EAGAIN") return false;
    throw fileError(`lock ${this.#path}`, failed);
  }

  async size(): Promise<number> {
    let sizeBytes = 0;
    await this.#run(`read the size of ${this.#path}`, (done) =>
      fstat(this.#fd, (error, found) => {
        if (error === null || error === undefined) sizeBytes = found.size;
        done(error);
      }),
    );
    return sizeBytes;
  }

  async close(): Promise<void> {
    assert(!this.#closing, `${this.#path} is closed once`);
    this.#closing = true;
    if (this.#underWay > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    await new Promise<void>((resolve, reject) => {
      close(this.#fd, (error) => (error ? reject(fileError(`close ${this.#path}`, systemCodeOf(error))) : resolve()));
    });
  }

  #readOnce(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      read(this.#fd, buffer, offset, length, position, (error, count) => (error ? reject(error) : resolve(count)));
    });
  }

  #writeOnce(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      write(this.#fd, buffer, offset, length, position, (error, count) => (error ? reject(error) : resolve(count)));
    });
  }

  #run(action: string, start: (done: (error: Error | null | undefined) => void) => void): Promise<void> {
    this.#begin();
    return new Promise((resolve, reject) => {
      start((error) => {
        this.#end();
        if (error) reject(fileError(action, systemCodeOf(error)));
        else resolve();
      });
    });
  }

  async #runBlocking(action: string, start: () => Promise<number>): Promise<void> {
    this.#begin();
    try {
      const errno = await start();
      if (errno !== 0) throw fileError(action, errnoName(errno));
    } finally {
      this.#end();
    }
  }

  #begin(): void {
    assert(!this.#closing, `${this.#path} is not used after close`);
    this.#underWay++;
  }

  #end(): void {
    this.#underWay--;
    if (this.#underWay === 0 && this.#idle !== null) this.#idle();
  }

  #checkRange(buffer: Uint8Array, offset: number, length: number, position: number): void {
    assert(offset >= 0 && length >= 0 && offset + length <= buffer.byteLength, "the range lies in the buffer");
    assert(Number.isSafeInteger(position) && position >= 0, "the position is in the file's range");
    if (!this.#direct) return;
    assert(length % ALIGNMENT === 0 && position % ALIGNMENT === 0, "a direct file is read and written in whole 4096-byte blocks");
    assert(length === 0 || isAligned(buffer, offset), "a direct file is read and written through aligned buffers");
  }
}
