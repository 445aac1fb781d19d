import { afterEach, expect, test } from "bun:test";
import { dlopen, ptr } from "bun:ffi";
import { spawnSync } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realNetwork } from "../../src/platform/network.ts";
import type { Socket, SocketEvents } from "../../src/platform/platform.ts";

const network = realNetwork();
const quiet = (): SocketEvents => ({ data() {}, drained() {}, closed() {} });
const cleanup: (() => void)[] = [];
afterEach(() => {
  for (const run of cleanup.splice(0).reverse()) run();
});

test("a Unix socket left behind by a killed process is taken over", async () => {
  const directory = mkdtempSync(join(tmpdir(), "virtustor-network-"));
  cleanup.push(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, "a.sock");
  const script = `Bun.listen({ unix: ${JSON.stringify(path)}, socket: { data() {} } }); process.kill(process.pid, "SIGKILL");`;
  spawnSync(process.execPath, ["-e", script]);
  expect(existsSync(path)).toBe(true);
  await expect(network.connect({ endpoint: { path }, timeoutMs: 1000 }, quiet)).rejects.toThrow(`cannot connect to ${path}: nothing listens there (ECONNREFUSED)`);
  const listener = await network.listen({ endpoint: { path } }, quiet);
  const socket = await network.connect({ endpoint: { path }, timeoutMs: 1000 }, quiet);
  socket.destroy();
  listener.close();
  expect(existsSync(path)).toBe(false);
});

test("the errors of an endpoint say what an administrator can do about them", async () => {
  const missing = "/nowhere/a.sock";
  await expect(network.connect({ endpoint: { path: missing }, timeoutMs: 1000 }, quiet)).rejects.toThrow("there is no such socket (ENOENT)");
  await expect(network.listen({ endpoint: { path: missing } }, quiet)).rejects.toThrow(`cannot listen on ${missing}: `);
  await expect(network.connect({ endpoint: { address: "127.0.0.1", port: 1 }, timeoutMs: 1000 }, quiet)).rejects.toThrow(
    "cannot connect to 127.0.0.1:1: nothing listens there (ECONNREFUSED)",
  );
  await expect(network.listen({ endpoint: { address: "192.0.2.1", port: 3260 } }, quiet)).rejects.toThrow(
    "cannot listen on 192.0.2.1:3260: this machine does not have that address (EADDRNOTAVAIL)",
  );
});

test("a peer that does not answer is given up after the time allowed", async () => {
  const { fd, port } = deafListener();
  cleanup.push(() => closeSync(fd));
  // The kernel itself answers the first few, until the queue that nobody empties is full.
  const outcomes = await Promise.allSettled(
    Array.from({ length: 6 }, () => network.connect({ endpoint: { address: "127.0.0.1", port }, timeoutMs: 300 }, quiet)),
  );
  const errors: string[] = [];
  for (const outcome of outcomes) {
    if (outcome.status === "fulfilled") cleanup.push(() => outcome.value.destroy());
    else errors.push(String(outcome.reason));
  }
  expect(errors.length).toBeGreaterThan(0);
  for (const error of errors) expect(error).toBe(`Error: cannot connect to 127.0.0.1:${port}: no answer within 300 ms`);
});

test("many small queued pieces leave the memory as they are sent", async () => {
  let served: Socket | null = null;
  let received = 0;
  const listener = await network.listen({ endpoint: { address: "127.0.0.1", port: 0 } }, (socket) => {
    served = socket;
    socket.pause();
    return { data: (chunk) => void (received += chunk.length), drained() {}, closed() {} };
  });
  cleanup.push(() => listener.close());
  const socket = await network.connect({ endpoint: { address: "127.0.0.1", port: listener.port }, timeoutMs: 1000 }, quiet);
  cleanup.push(() => socket.destroy());
  const piece = Buffer.alloc(100, 1);
  const count = 200_000;
  for (let i = 0; i < count; i++) socket.write(piece);
  while (served === null) await new Promise((resolve) => setTimeout(resolve, 1));
  (served as Socket).resume();
  while (received < count * piece.length) await new Promise((resolve) => setTimeout(resolve, 1));
  expect(received).toBe(count * piece.length);
  expect(socket.queuedBytes).toBe(0);
});

/** A listening socket that never accepts. */
function deafListener(): { fd: number; port: number } {
  const { symbols } = dlopen("libc.so.6", {
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
    listen: { args: ["i32", "i32"], returns: "i32" },
    getsockname: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  });
  const fd = symbols.socket(2, 1 | 0o2000000, 0);
  const address = Buffer.from([2, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  expect(symbols.bind(fd, ptr(address), 16)).toBe(0);
  expect(symbols.listen(fd, 0)).toBe(0);
  expect(symbols.getsockname(fd, ptr(address), ptr(new Uint32Array([16])))).toBe(0);
  return { fd, port: address.readUInt16BE(2) };
}
