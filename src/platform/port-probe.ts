import { dlopen, ptr, read } from "bun:ffi";
import { isIPv4 } from "node:net";
import type { Clock } from "./platform.ts";

/**
 * Whether a port refuses connections, asked of the kernel itself: Bun gives ECONNREFUSED for every connection that fails, an
 * unreachable network included, and here that difference is a proof (R24). Nothing waits; the answer is looked for again and again.
 */
const libc = dlopen("libc.so.6", {
  __errno_location: { args: [], returns: "ptr" },
  close: { args: ["i32"], returns: "i32" },
  connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
  getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
  poll: { args: ["ptr", "u64", "i32"], returns: "i32" },
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
});
const errnoAddress = libc.symbols.__errno_location();

const AF_INET = 2;
/** SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC. */
const STREAM = 1 | 0x800 | 0x80000;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const POLLOUT = 4;
const ECONNREFUSED = 111;
const EINPROGRESS = 115;
const LOOK_EVERY_MS = 10;

/** "refused": the machine with that address says that nobody listens there. "unknown": anything else, and addresses other than IPv4. */
export function askPort(clock: Clock, address: string, port: number, timeoutMs: number): Promise<"refused" | "open" | "unknown"> {
  if (!isIPv4(address)) return Promise.resolve("unknown");
  const fd = libc.symbols.socket(AF_INET, STREAM, 0);
  if (fd < 0) return Promise.resolve("unknown");
  // struct sockaddr_in, on an ArrayBuffer of its own: the memory of a small typed array may move.
  const name = new DataView(new ArrayBuffer(16));
  name.setUint16(0, AF_INET, true);
  name.setUint16(2, port, false);
  address.split(".").forEach((part, i) => name.setUint8(4 + i, Number(part)));
  const result = libc.symbols.connect(fd, ptr(name.buffer as ArrayBuffer), name.byteLength);
  const errno = result === 0 || errnoAddress === null ? 0 : read.i32(errnoAddress);
  if (errno !== EINPROGRESS) {
    libc.symbols.close(fd);
    return Promise.resolve(result === 0 ? "open" : errno === ECONNREFUSED ? "refused" : "unknown");
  }
  const untilMs = clock.nowMs() + timeoutMs;
  return new Promise((resolve) => {
    const look = (): void => {
      const ended = socketError(fd);
      if (ended === null && clock.nowMs() < untilMs) return void clock.timer(LOOK_EVERY_MS, look);
      libc.symbols.close(fd);
      resolve(ended === 0 ? "open" : ended === ECONNREFUSED ? "refused" : "unknown");
    };
    look();
  });
}

/** What a connection that was begun has come to: an errno, 0 when it is open, null while it is under way. */
function socketError(fd: number): number | null {
  const polled = new DataView(new ArrayBuffer(8));
  polled.setInt32(0, fd, true);
  polled.setInt16(4, POLLOUT, true);
  if (libc.symbols.poll(ptr(polled.buffer as ArrayBuffer), 1, 0) <= 0) return null;
  const value = new Int32Array(new ArrayBuffer(4));
  const length = new Uint32Array(new ArrayBuffer(4));
  length[0] = value.byteLength;
  if (libc.symbols.getsockopt(fd, SOL_SOCKET, SO_ERROR, ptr(value), ptr(length)) !== 0) return -1;
  return value[0] as number;
}
