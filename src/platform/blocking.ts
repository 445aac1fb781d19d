/**
 * System calls that can wait for a disk and have no asynchronous API (fallocate, FICLONE), made on a thread of their own.
 *
 * The thread's program is a text and not a file: a Worker made from a file needs that file as an extra entry point of
 * `bun build --compile`, under a name that depends on where the build was started. A text is in the executable anyway.
 */
const PROGRAM = `
import { dlopen, read } from "bun:ffi";
const { symbols } = dlopen("libc.so.6", {
  __errno_location: { args: [], returns: "ptr" },
  fallocate: { args: ["i32", "i32", "i64", "i64"], returns: "i32" },
  ioctl: { args: ["i32", "u64", "u64"], returns: "i32" },
});
const errno = symbols.__errno_location();
const EINTR = 4;
self.onmessage = ({ data: { id, call, args } }) => {
  let failed;
  do failed = symbols[call](...args) === 0 ? 0 : read.i32(errno); while (failed === EINTR);
  self.postMessage({ id, errno: failed });
};
`;

const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;
const FICLONE = 0x40049409;

/** All of them resolve with 0, or the error's number. The caller keeps the descriptors open until then. */
export interface BlockingCalls {
  allocate(fd: number, offset: number, length: number): Promise<number>;
  punch(fd: number, offset: number, length: number): Promise<number>;
  /** Makes file `to` share the content of file `from`. */
  clone(from: number, to: number): Promise<number>;
}

/** Bun's own additions, which the web's types lack. */
type Thread = Worker & { ref(): void; unref(): void };

/** The thread starts with the first call and lives as long as the process; it does not keep the process alive by itself. */
export function blockingCalls(): BlockingCalls {
  const waiting = new Map<number, (errno: number) => void>();
  let thread: Thread | null = null;
  let nextId = 1;

  const start = (): Thread => {
    const url = URL.createObjectURL(new Blob([PROGRAM], { type: "application/javascript" }));
    const worker = new Worker(url) as Thread;
    worker.onmessage = (event: MessageEvent<{ id: number; errno: number }>) => {
      const { id, errno } = event.data;
      const resolve = waiting.get(id);
      waiting.delete(id);
      if (waiting.size === 0) worker.unref();
      resolve?.(errno);
    };
    worker.onerror = (event) => {
      // Callers would wait for ever; thrown here it is an uncaught error, which ends the process.
      throw new Error(`the thread for blocking system calls failed: ${event.message}`);
    };
    return worker;
  };

  const call = (name: "fallocate" | "ioctl", args: number[]): Promise<number> =>
    new Promise((resolve) => {
      thread ??= start();
      const id = nextId++;
      if (waiting.size === 0) thread.ref();
      waiting.set(id, resolve);
      thread.postMessage({ id, call: name, args });
    });

  return {
    allocate: (fd, offset, length) => call("fallocate", [fd, 0, offset, length]),
    punch: (fd, offset, length) => call("fallocate", [fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length]),
    clone: (from, to) => call("ioctl", [to, FICLONE, from]),
  };
}
