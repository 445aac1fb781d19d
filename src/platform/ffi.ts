import { dlopen, ptr, read, toArrayBuffer } from "bun:ffi";
import { assert } from "../base/assert.ts";

/**
 * System calls that Bun has no API for, made on the calling thread. Only calls that return at once are here;
 * those that can wait for a disk are in blocking.ts.
 */
const libc = dlopen("libc.so.6", {
  __errno_location: { args: [], returns: "ptr" },
  aligned_alloc: { args: ["usize", "usize"], returns: "ptr" },
  clock_gettime: { args: ["i32", "ptr"], returns: "i32" },
  flock: { args: ["i32", "i32"], returns: "i32" },
  getppid: { args: [], returns: "i32" },
  preadv2: { args: ["i32", "ptr", "i32", "i64", "i32"], returns: "i32" },
  prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
  setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
});

const CLOCK_BOOTTIME = 7;
const LOCK_EX = 2;
const LOCK_NB = 4;
const SOL_SOCKET = 1;
const SO_LINGER = 13;
const PR_SET_PDEATHSIG = 1;

/** Numbers of Linux on x86-64 (asm-generic/errno.h) that these calls can give. */
const ERRNO_NAMES: Readonly<Record<number, string>> = {
  1: "EPERM", 2: "ENOENT", 4: "EINTR", 5: "EIO", 9: "EBADF", 11: "EAGAIN", 12: "ENOMEM", 13: "EACCES", 16: "EBUSY", 17: "EEXIST",
  18: "EXDEV", 19: "ENODEV", 21: "EISDIR", 22: "EINVAL", 25: "ENOTTY", 26: "ETXTBSY", 27: "EFBIG", 28: "ENOSPC", 29: "ESPIPE",
  30: "EROFS", 38: "ENOSYS", 95: "EOPNOTSUPP", 117: "EUCLEAN", 122: "EDQUOT",
};

export function errnoName(errno: number): string {
  return ERRNO_NAMES[errno] ?? `errno ${errno}`;
}

// The address is per thread and does not change, so it is looked up once and read right after a call that failed.
const errnoAddress = libc.symbols.__errno_location();

function lastErrno(): number {
  assert(errnoAddress !== null, "errno has an address");
  return read.i32(errnoAddress);
}

const timespec = new Uint32Array(new ArrayBuffer(16));
const timespecAddress = ptr(timespec);

/** CLOCK_BOOTTIME in milliseconds with fraction (microseconds survive up to 285 years of uptime). */
export function bootTimeMs(): number {
  const result = libc.symbols.clock_gettime(CLOCK_BOOTTIME, timespecAddress);
  assert(result === 0, "CLOCK_BOOTTIME can be read");
  const seconds = (timespec[1] as number) * 2 ** 32 + (timespec[0] as number);
  return seconds * 1000 + (timespec[2] as number) / 1e6;
}

/** Memory from the C library as a Buffer, its address a multiple of 4096. Never given back: callers allocate once and reuse. */
export function alignedMemory(bytes: number): Buffer {
  assert(Number.isSafeInteger(bytes) && bytes > 0, "an aligned buffer has a size");
  const rounded = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
  const address = libc.symbols.aligned_alloc(ALIGNMENT, rounded);
  if (address === null) throw new Error(`out of memory: cannot allocate ${bytes} aligned bytes`);
  const buffer = Buffer.from(toArrayBuffer(address, 0, rounded));
  buffer.fill(0);
  return bytes === rounded ? buffer : buffer.subarray(0, bytes);
}

/** What O_DIRECT asks of addresses, offsets and lengths: the largest logical block of any drive. */
export const ALIGNMENT = 4096;

export function isAligned(buffer: Uint8Array, offset: number): boolean {
  return (Number(ptr(buffer)) + offset) % ALIGNMENT === 0;
}

/** Exclusive flock without waiting. Returns the error's name, or null when the lock is held. */
export function tryLock(fd: number): string | null {
  return libc.symbols.flock(fd, LOCK_EX | LOCK_NB) === 0 ? null : errnoName(lastErrno());
}

const RWF_NOWAIT = 8;
// struct iovec: address and length, 8 bytes each. On an ArrayBuffer of its own, as everything whose address is kept: the memory of a
// small typed array may move.
const iovec = new Uint32Array(new ArrayBuffer(16));
const iovecAddress = ptr(iovec);

/**
 * Reads what lies in the page cache, and waits for nothing: no disk, no lock. Returns how many bytes it were; -1 when it would
 * have to wait from the first one on, and for every error. `length` is below 2^31.
 */
export function readCached(fd: number, buffer: Uint8Array, offset: number, length: number, position: number): number {
  const address = Number(ptr(buffer)) + offset;
  iovec[0] = address % 2 ** 32;
  iovec[1] = Math.floor(address / 2 ** 32);
  iovec[2] = length;
  return libc.symbols.preadv2(fd, iovecAddress, 1, position, RWF_NOWAIT);
}

const lingerZero = new Int32Array(new ArrayBuffer(8));
lingerZero[0] = 1;
const lingerAddress = ptr(lingerZero);

/** SO_LINGER with a time of 0: close, and the death of the process, send RST and drop what was not delivered. */
export function setLingerZero(fd: number): void {
  const result = libc.symbols.setsockopt(fd, SOL_SOCKET, SO_LINGER, lingerAddress, lingerZero.byteLength);
  assert(result === 0, `SO_LINGER can be set: ${result === 0 ? "" : errnoName(lastErrno())}`);
}

/** Asks the kernel to send this process `signal` when the thread that started it ends. */
export function setParentDeathSignal(signal: number): void {
  assert(libc.symbols.prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0) === 0, "the parent-death signal can be set");
}

export function parentPid(): number {
  return libc.symbols.getppid();
}

