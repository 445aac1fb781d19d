import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realProcesses, type Output } from "../../src/platform/process.ts";

const processes = realProcesses();
const directory = mkdtempSync(join(tmpdir(), "virtustor-process-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function run(script: string, env: Record<string, string>, stdout: Output): Promise<[number | null, string | null, boolean]> {
  return new Promise((resolve) => {
    const child = processes.spawn({
      argv: ["/bin/sh", "-c", script], env, stdout, stderr: stdout,
      onExit: (exitCode, signal, pid) => resolve([exitCode, signal, pid === child.pid]),
    });
  });
}

test("a child's end is told once it is reaped, by exit code or by signal", async () => {
  expect(await run("exit 3", {}, "inherit")).toEqual([3, null, true]);
  expect(await run("kill -KILL $$", {}, "inherit")).toEqual([null, "SIGKILL", true]);
});

test("output is appended to a file that only its owner reads, and the environment arrives", async () => {
  const path = join(directory, "log");
  await run("echo one $COLOUR $UV_THREADPOOL_SIZE", { COLOUR: "green" }, { path });
  await run("echo two $UV_THREADPOOL_SIZE >&2", { UV_THREADPOOL_SIZE: "16" }, { path });
  expect(readFileSync(path, "utf8")).toBe("one green 8\ntwo 16\n");
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("a program that cannot be started is named", () => {
  const options = { argv: ["/no/such/program"], env: {}, stdout: "inherit", stderr: "inherit", onExit() {} } as const;
  expect(() => processes.spawn(options)).toThrow("cannot start /no/such/program: ");
});
