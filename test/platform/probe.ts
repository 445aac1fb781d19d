/**
 * Run as a compiled executable by compiled-syscalls.test.ts: makes each system call that the platform makes without a Bun API and
 * prints one line of JSON with what came of it. Arguments: a command and its own.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { dieWithParent, realProcesses } from "../../src/platform/process.ts";
import { realPlatform, type RealPlatform } from "../../src/platform/real.ts";
import type { SocketEvents } from "../../src/platform/platform.ts";

const [command = "", directory = "/nowhere"] = process.argv.slice(2);
const platform = realPlatform({ name: "probe" });
const print = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);

const commands: Record<string, () => Promise<void>> = {
  syscalls: async () => print(await syscalls(platform)),
  hold: async () => {
    dieWithParent();
    const file = await platform.files.open(`${directory}/lock`, { write: true, create: true });
    print({ locked: await file.lock(), fileThreads: process.env["UV_THREADPOOL_SIZE"] });
    setInterval(() => {}, 1000);
  },
  fatal: async () => {
    platform.log.info("before");
    platform.fatal("drive-locked", "another process has it");
  },
  bug: async () => {
    setImmediate(() => {
      throw new Error("on purpose");
    });
  },
  rejection: async () => {
    void Promise.reject(new Error("on purpose"));
  },
  socketBug: async () => {
    const listener = await platform.network.listen({ endpoint: { address: "127.0.0.1", port: 0 } }, () => ({
      data() {
        throw new Error("on purpose");
      },
      drained() {},
      closed() {},
    }));
    const endpoint = { address: "127.0.0.1", port: listener.port };
    const socket = await platform.network.connect({ endpoint, timeoutMs: 1000 }, () => ({ data() {}, drained() {}, closed() {} }));
    socket.write(Buffer.from("x"));
  },
  stuckLog: async () => {
    // Far more than the pipe takes, and nobody reads it.
    for (let i = 0; i < 40_000; i++) platform.log.info(`line ${i} ${"x".repeat(100)}`);
    await sleep(1200);
    print({ stillRuns: true });
    platform.fatal("configuration", "done");
  },
  end: async () => {
    platform.log.info("the last line");
  },
  parent: async () => {
    const processes = realProcesses();
    const path = `${directory}/child.log`;
    const argv = [...processes.selfExecutable(), "hold", directory];
    const child = processes.spawn({ argv, env: {}, stdout: { path }, stderr: { path }, onExit() {} });
    print({ child: child.pid });
    setInterval(() => {}, 1000);
  },
};

async function syscalls({ files, clock, network }: RealPlatform): Promise<Record<string, unknown>> {
  const path = `${directory}/data`;
  const file = await files.open(path, { write: true, create: true, direct: true, dsync: true });
  const buffer = files.alignedBuffer(64 * 1024);
  buffer.fill(7);
  await file.write(buffer, 0, 64 * 1024, 0);
  await file.write(buffer, 4096, 8192, 128 * 1024);
  const allocatedBefore = (await files.stat(path))?.allocatedBytes ?? 0;
  await file.allocate(0, 1024 * 1024);
  const allocatedAfter = (await files.stat(path))?.allocatedBytes ?? 0;
  await file.punch(0, 32 * 1024);
  await file.read(buffer, 0, 64 * 1024, 0);
  const clonePath = `${directory}/clone`;
  const cloned = await files.clone(path, clonePath);
  const cloneIs = cloned ? "shared" : (await files.stat(clonePath)) === null ? "unsupported" : "left behind";
  const locked = await file.lock();
  const second = await files.open(path, { write: true });
  const lockedTwice = await second.lock();
  await second.close();
  await file.close();

  const uptime = await files.open("/proc/uptime", {});
  const text = Buffer.alloc(64);
  const length = await uptime.read(text, 0, 64, 0);
  await uptime.close();
  const uptimeMs = Number(text.subarray(0, length).toString().split(" ")[0]) * 1000;

  return {
    direct: await hasDirect(path),
    direct32k: buffer.subarray(32 * 1024).every((byte) => byte === 7),
    allocatedMore: allocatedAfter > allocatedBefore,
    punched: buffer.subarray(0, 32 * 1024).every((byte) => byte === 0),
    clone: cloneIs,
    locked,
    lockedTwice,
    bootTimeIsUptime: Math.abs(clock.nowMs() - uptimeMs) < 60_000,
    lingerZero: await closeReasonAtPeer(network, true),
    lingerDefault: await closeReasonAtPeer(network, false),
    loopTurnsWhileBlocked: await loopTurnsWhileBlocked(files),
  };
}

/** Whether the kernel shows O_DIRECT on a descriptor that the platform opened so. */
async function hasDirect(path: string): Promise<boolean> {
  const { readdir, readFile, readlink } = await import("node:fs/promises");
  const file = await platform.files.open(path, { write: true, direct: true });
  let direct = false;
  for (const fd of await readdir("/proc/self/fd")) {
    if ((await readlink(`/proc/self/fd/${fd}`).catch(() => "")) !== path) continue;
    const flags = /flags:\s+(\d+)/.exec(await readFile(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "0";
    direct ||= (Number.parseInt(flags, 8) & 0o40000) !== 0;
  }
  await file.close();
  return direct;
}

/** Closes a connection in order (`end`) while the peer has not yet taken what was sent; the peer sees RST only with linger zero. */
async function closeReasonAtPeer(network: RealPlatform["network"], lingerZero: boolean): Promise<string> {
  const reason = Promise.withResolvers<string>();
  const listener = await network.listen({ endpoint: { address: "127.0.0.1", port: 0 } }, (): SocketEvents => ({
    data() {},
    drained() {},
    closed: reason.resolve,
  }));
  const endpoint = { address: "127.0.0.1", port: listener.port };
  const socket = await network.connect({ endpoint, timeoutMs: 5000, lingerZero }, () => ({ data() {}, drained() {}, closed() {} }));
  socket.write(Buffer.from("x"));
  socket.end();
  const text = await reason.promise;
  listener.close();
  return text;
}

/** How often the event loop turned while many space reservations were under way; 0 would mean they ran on it. */
async function loopTurnsWhileBlocked(files: RealPlatform["files"]): Promise<number> {
  const file = await files.open(`${directory}/many`, { write: true, create: true });
  let turns = 0;
  let done = false;
  const turn = (): void => {
    turns++;
    if (!done) setImmediate(turn);
  };
  turn();
  for (let i = 0; i < 16; i++) {
    await file.allocate(0, 4 * 1024 * 1024);
    await file.punch(0, 4 * 1024 * 1024);
  }
  done = true;
  await sleep(1);
  await file.close();
  return turns;
}

const run = commands[command];
if (run === undefined) throw new Error(`unknown command ${command}`);
await run();
