/**
 * The only door to the outside. A role receives a `Platform`; it never touches Date, timers, Math.random, sockets or files
 * itself, so that the same code runs on a simulated world. `real.ts` is the one on Linux and Bun.
 */
export interface Platform {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly files: Files;
  readonly crypto: Crypto;
  readonly log: Log;
  /** Ends this process at once with the exit code of `reason`. Nothing runs afterwards. */
  fatal(reason: FatalReason, detail: string): never;
}

/** Environments that cannot be survived; the supervisor reads the exit code (see `FATAL_EXIT_CODES`). */
export type FatalReason = "drive-failed" | "drive-locked" | "bug" | "configuration" | "port-taken" | "store-mismatch" | "store-restored" | "drive-refused" | "portal-banned";

export const FATAL_EXIT_CODES: Record<FatalReason, number> = {
  bug: 70,
  "drive-failed": 71,
  "drive-locked": 72,
  configuration: 73,
  "port-taken": 74,
  "store-mismatch": 75,
  "store-restored": 76,
  "drive-refused": 77,
  "portal-banned": 78,
};

export interface Clock {
  /** CLOCK_BOOTTIME in milliseconds with fraction, read afresh at each call: goes on while the machine sleeps, never jumps. */
  nowMs(): number;
  /** Wall-clock time for people and logs only, milliseconds since 1970. */
  wallMs(): number;
  /** Calls `run` once after `delayMs`. */
  timer(delayMs: number, run: () => void): Timer;
  /** Calls `run` in a later turn of the event loop, after the socket events of this turn. */
  soon(run: () => void): void;
}

export interface Timer {
  /** After it `run` is never called. Idempotent. */
  cancel(): void;
}

export interface Random {
  /** Uniform in [0, 1). */
  float(): number;
  /** `count` random bytes, fit for keys. */
  bytes(count: number): Uint8Array;
  /** Uniform in [1, 2^48): fit for instance numbers and nonces. */
  id(): number;
}

export interface Crypto {
  /** HMAC-SHA-256 of the concatenated parts, 32 bytes. */
  hmac(key: Uint8Array, parts: readonly (Uint8Array | string)[]): Uint8Array;
  /** Constant-time comparison. */
  equal(a: Uint8Array, b: Uint8Array): boolean;
  md5(data: Uint8Array): Uint8Array;
  sha256(data: Uint8Array): Uint8Array;
}

export interface Log {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
  /** A log whose lines all carry `fields`. */
  child(fields: Record<string, unknown>): Log;
}

// ---- network ----

export interface Network {
  /** Listens; rejects with an Error that names address and port when it cannot. */
  listen(options: ListenOptions, accept: (socket: Socket) => SocketEvents): Promise<Listener>;
  /** Connects within `timeoutMs`; rejects with an Error otherwise. `events` are not called before the promise resolves. */
  connect(options: ConnectOptions, events: (socket: Socket) => SocketEvents): Promise<Socket>;
}

/** TCP address, or a Unix socket's path. */
export type Endpoint = { readonly address: string; readonly port: number } | { readonly path: string };
export interface ListenOptions {
  readonly endpoint: Endpoint;
}
export interface ConnectOptions {
  readonly endpoint: Endpoint;
  readonly timeoutMs: number;
  /** SO_LINGER 0: closing throws away what was not yet delivered (R15). */
  readonly lingerZero?: boolean;
}

export interface SocketEvents {
  /** `chunk` is fresh and may be kept. Never called after `closed`. */
  data(chunk: Buffer): void;
  /** The queue of unsent bytes has become empty after `write` had reported back-pressure. */
  drained(): void;
  /** Called once, whoever closed. */
  closed(reason: string): void;
}

export interface Socket {
  readonly remote: string;
  readonly local: string;
  /**
   * Queues `data` and sends what the kernel takes; the rest follows by itself. The caller must not change `data` afterwards.
   * Returns false when bytes remain queued (back-pressure: wait for `drained`). Ignored after close.
   */
  write(data: Uint8Array): boolean;
  /** Bytes that the kernel has not taken yet. */
  readonly queuedBytes: number;
  /** Stops and restarts delivery of `data`. */
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes. */
  end(): void;
  /** Closes at once, throwing away what is queued. Idempotent. */
  destroy(): void;
}

export interface Listener {
  readonly port: number;
  close(): void;
}

// ---- files ----

/** All paths are absolute. Failures are `FileError`s with the system's code. Nothing here blocks the event loop. */
export interface Files {
  open(path: string, options: OpenOptions): Promise<File>;
  makeDirectory(path: string): Promise<void>;
  /** Names, sorted. */
  list(path: string): Promise<string[]>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; one that is not there is no error. */
  remove(path: string): Promise<void>;
  /** Makes names created, renamed or removed in a directory durable. */
  syncDirectory(path: string): Promise<void>;
  /** `null` when there is none. */
  stat(path: string): Promise<{ sizeBytes: number; allocatedBytes: number } | null>;
  /** Sizes of the filesystem that holds `path`. */
  space(path: string): Promise<{ totalBytes: number; freeBytes: number }>;
  /** A buffer aligned to 4096 bytes, for `direct` files. Allocate once and reuse. */
  alignedBuffer(bytes: number): Buffer;
}

export interface OpenOptions {
  readonly write?: boolean;
  readonly create?: boolean;
  /** Fail with EEXIST when it is there. */
  readonly exclusive?: boolean;
  /** O_DIRECT: aligned buffers, offsets and lengths only. A filesystem without it is served without it. */
  readonly direct?: boolean;
  /** O_DSYNC: a write returns when it is durable. */
  readonly dsync?: boolean;
}

export interface File {
  /** Reads up to `length` bytes; fewer only at the end of the file. */
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<number>;
  /** Writes all `length` bytes. */
  write(buffer: Uint8Array, offset: number, length: number, position: number): Promise<void>;
  /** fdatasync. */
  sync(): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  /** fallocate: reserves space; ENOSPC when there is none. */
  allocate(offset: number, length: number): Promise<void>;
  /** FALLOC_FL_PUNCH_HOLE: the range reads as zeros and its space is free. */
  punch(offset: number, length: number): Promise<void>;
  /** Exclusive flock without waiting; false when another process holds it. Released by close or the process's end. */
  lock(): Promise<boolean>;
  size(): Promise<number>;
  close(): Promise<void>;
}

export type FileErrorCode = "ENOENT" | "EEXIST" | "ENOSPC" | "EIO" | "EROFS" | "EACCES" | "EINVAL" | "other";
export class FileError extends Error {
  override name = "FileError";
  readonly code: FileErrorCode;
  constructor(code: FileErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
