import { afterAll, describe, expect, test } from "bun:test";
import { dlopen, ptr } from "bun:ffi";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serviceManager } from "../../src/platform/notify.ts";

const { symbols: libc } = dlopen("libc.so.6", {
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
  recv: { args: ["i32", "ptr", "usize", "i32"], returns: "i64" },
  close: { args: ["i32"], returns: "i32" },
});
const MSG_DONTWAIT = 0x40;
const directory = mkdtempSync(join(tmpdir(), "virtustor-notify-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** What systemd is to a service: a datagram socket that it reads. */
function listen(path: string): { next(): string | null; close(): void } {
  const fd = libc.socket(1, 2, 0);
  const address = new Uint8Array(new ArrayBuffer(110));
  address[0] = 1;
  address.set(Buffer.from(path.replace(/^@/, "\0")), 2);
  const length = 2 + Buffer.byteLength(path) + (path.startsWith("@") ? 0 : 1);
  if (libc.bind(fd, ptr(address), length) !== 0) throw new Error(`cannot bind ${path}`);
  const buffer = new Uint8Array(new ArrayBuffer(4096));
  return {
    next: () => {
      const bytes = Number(libc.recv(fd, ptr(buffer), buffer.length, MSG_DONTWAIT));
      return bytes < 0 ? null : Buffer.from(buffer.subarray(0, bytes)).toString();
    },
    close: () => void libc.close(fd),
  };
}

describe("the service manager", () => {
  for (const path of [join(directory, "socket"), `@virtustor-notify-${process.pid}`]) {
    test(`hears on ${path.startsWith("@") ? "an abstract socket" : "a socket with a path"} what the service says`, () => {
      const socket = listen(path);
      const manager = serviceManager({ NOTIFY_SOCKET: path });
      if (manager === null) throw new Error("there is a manager");
      manager.ready();
      manager.status("serving\n2 volumes");
      manager.alive();
      manager.stopping();
      expect([socket.next(), socket.next(), socket.next(), socket.next(), socket.next()]).toEqual(["READY=1", "STATUS=serving 2 volumes", "WATCHDOG=1", "STOPPING=1", null]);
      socket.close();
    });
  }
  test("is not there for a process that nobody watches, nor with a name that no socket can have", () => {
    expect(serviceManager({})).toBeNull();
    expect(serviceManager({ NOTIFY_SOCKET: `/${"x".repeat(120)}` })).toBeNull();
  });
  test("watches the process it named, and no child of it", () => {
    const watchdogOf = (pid: string): number | null | undefined => serviceManager({ NOTIFY_SOCKET: "/x", WATCHDOG_USEC: "30000000", WATCHDOG_PID: pid }, 7)?.watchdogMs;
    expect(watchdogOf("7")).toBe(30_000);
    expect(watchdogOf("8")).toBeNull();
    const environment: Record<string, string | undefined> = { NOTIFY_SOCKET: "/x", WATCHDOG_USEC: "1", WATCHDOG_PID: "7", PATH: "/bin" };
    serviceManager(environment, 7);
    expect(environment).toEqual({ PATH: "/bin" });
  });
  test("gone, it harms nobody who speaks to it", () => {
    const manager = serviceManager({ NOTIFY_SOCKET: join(directory, "gone") });
    manager?.ready();
    expect(manager).not.toBeNull();
  });
});
