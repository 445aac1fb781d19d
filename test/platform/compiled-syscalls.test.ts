import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * The system calls that Bun has no API for must work in an executable made by `bun build --compile`, started from anywhere with
 * an empty environment. What only the sources' place or the developer's environment would provide shows here.
 */
const directory = mkdtempSync(join(tmpdir(), "virtustor-probe-"));
const probe = join(directory, "probe");
const elsewhere = join(directory, "elsewhere");
const started: ChildProcess[] = [];

beforeAll(() => {
  mkdirSync(elsewhere);
  const built = spawnSync(process.execPath, ["build", "--compile", join(import.meta.dir, "probe.ts"), "--outfile", probe], { encoding: "utf8" });
  if (built.status !== 0) throw new Error(`the probe does not compile: ${built.stderr}`);
}, 60_000);

afterAll(() => {
  for (const child of started) child.kill("SIGKILL");
  rmSync(directory, { recursive: true, force: true });
});

function run(command: string, on = elsewhere): { status: number | null; out: Record<string, unknown>; log: Record<string, unknown>[] } {
  const done = spawnSync(probe, [command, on], { cwd: "/", env: {}, encoding: "utf8", timeout: 30_000 });
  const lines = done.stderr.split("\n").filter((line) => line !== "");
  const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { status: done.status, out: done.stdout === "" ? {} : (JSON.parse(done.stdout) as Record<string, unknown>), log: parsed };
}

/** Starts a probe that stays, and gives its first line of output. */
async function start(command: string, on: string): Promise<{ child: ChildProcess; first: Record<string, unknown> }> {
  const child = spawn(probe, [command, on], { cwd: "/", env: {}, stdio: ["ignore", "pipe", "inherit"] });
  started.push(child);
  const text = await new Promise<string>((resolve, reject) => {
    let gathered = "";
    child.once("exit", () => reject(new Error("the probe ended")));
    child.stdout?.on("data", (chunk: Buffer) => {
      gathered += chunk.toString();
      if (gathered.includes("\n")) resolve(gathered);
    });
  });
  return { child, first: JSON.parse(text) as Record<string, unknown> };
}

test("every system call works in a compiled executable", () => {
  const { status, out } = run("syscalls");
  expect(status).toBe(0);
  expect(out).toMatchObject({
    direct: true, direct32k: true, allocatedMore: true, punched: true, locked: true, lockedTwice: false, bootTimeIsUptime: true,
    lingerDefault: "the peer closed the connection",
  });
  expect(out["lingerZero"]).toContain("ECONNRESET");
  expect(["shared", "unsupported"]).toContain(out["clone"] as string);
  expect(out["loopTurnsWhileBlocked"]).toBeGreaterThan(32);
});

test("a clone shares its blocks where the filesystem has reflinks, and is refused without a trace elsewhere", () => {
  const untried = (why: string): void => console.log(`# reflinks on XFS were not tried: ${why}`);
  if (!existsSync("/usr/sbin/mkfs.xfs") || process.getuid?.() !== 0) return untried("it takes root and mkfs.xfs");
  const image = join(directory, "xfs.img");
  const mount = join(directory, "xfs");
  mkdirSync(mount);
  const must = (argv: string[]): boolean => spawnSync(argv[0] as string, argv.slice(1)).status === 0;
  if (!must(["truncate", "-s", "400M", image]) || !must(["mkfs.xfs", "-q", "-m", "reflink=1", image])) return untried("no XFS could be made");
  // Machines without loop devices or without XFS in the kernel cannot show it.
  if (!must(["mount", "-o", "loop", image, mount])) return untried("it could not be mounted on a loop device");
  try {
    const { status, out } = run("syscalls", mount);
    expect(status).toBe(0);
    expect(out).toMatchObject({ clone: "shared", direct: true, allocatedMore: true, punched: true });
  } finally {
    must(["umount", mount]);
  }
});

test("a lock held by another process is refused, and free again once that process is killed", async () => {
  const { child, first } = await start("hold", elsewhere);
  expect(first).toMatchObject({ locked: true });
  const refused = await start("hold", elsewhere);
  expect(refused.first).toMatchObject({ locked: false });
  await kill(refused.child);
  await kill(child);
  const third = await start("hold", elsewhere);
  expect(third.first).toMatchObject({ locked: true });
  await kill(third.child);
});

test("a child that the executable started of itself has its file threads and dies with it", async () => {
  const { child, first } = await start("parent", elsewhere);
  const log = join(elsewhere, "child.log");
  const said = (): string => (existsSync(log) ? readFileSync(log, "utf8") : "");
  while (!said().includes("\n")) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(JSON.parse(said())).toEqual({ locked: true, fileThreads: "8" });
  await kill(child);
  while (isRunning(first["child"] as number)) await new Promise((resolve) => setTimeout(resolve, 10));
});

test("an environment that cannot be survived ends the process with its exit code, after its log lines", () => {
  const { status, log } = run("fatal");
  expect(status).toBe(72);
  expect(log.map((line) => line["message"])).toEqual(["before", "fatal (drive-locked): another process has it"]);
});

test.each(["bug", "rejection", "socketBug"])("an error that nobody catches (%s) is logged and ends the process", (command) => {
  const { status, log } = run(command);
  expect(status).toBe(70);
  expect(log.at(-1)?.["message"]).toBe("fatal (bug): on purpose");
});

test("a log that nobody reads stops neither the process nor its end", async () => {
  const child = spawn(probe, ["stuckLog"], { cwd: "/", env: {}, stdio: ["ignore", "pipe", "pipe"] });
  started.push(child);
  child.stderr?.pause();
  let out = "";
  child.stdout?.on("data", (chunk: Buffer) => (out += chunk.toString()));
  const status = await new Promise((resolve) => child.once("exit", resolve));
  expect(out).toBe('{"stillRuns":true}\n');
  expect(status).toBe(73);
});

test("a process that ends in order leaves no log line behind", () => {
  const { status, log } = run("end");
  expect(status).toBe(0);
  expect(log.map((line) => line["message"])).toEqual(["the last line"]);
});

async function kill(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
}

/** A process that has ended but that nobody has reaped does not count. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
