import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realClock } from "../../src/platform/clock.ts";
import { rotateLogs } from "../../src/server/logs.ts";
import { isRunning, readPids, startTicksOf, writePids } from "../../src/server/pids.ts";
import { firstTaken } from "../../src/trial/probe.ts";
import { killGroup, pause, processesOf, startDetached, stopGroup, type Group } from "../../src/trial/processes.ts";

const clock = realClock();
let directory: string;
let group: Group;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "virtustor-processes-"));
  group = { directory, mark: join(directory, "config.json") };
});
afterEach(async () => {
  await killGroup(group, clock);
  rmSync(directory, { recursive: true, force: true });
});

function start(script: string): number {
  return startDetached(["/bin/sh", "-c", script], { mark: group.mark, logPath: join(directory, "log", "x.log"), ended() {} });
}
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await pause(clock, 10);
}

test("a kill reaches every process of a server, also those of a session of their own that nobody has written down", async () => {
  const stranger = Bun.spawn(["sleep", "1000"]);
  const pid = start(`trap '' TERM; sleep 1000 & setsid sleep 1000 & touch ${directory}/ready; wait`);
  await until(() => existsSync(join(directory, "ready")) && processesOf(group).length === 3);
  writePids(directory, [{ role: "server", pid }]);
  await killGroup(group, clock);
  expect(processesOf(group)).toEqual([]);
  expect(startTicksOf(pid)).toBeNull();
  expect(startTicksOf(stranger.pid)).not.toBeNull();
  stranger.kill("SIGKILL");
  await stranger.exited;
});

test("a stop asks the supervisor and waits; one that does not listen is killed", async () => {
  const polite = start(`trap 'rm ${directory}/ready; exit 0' TERM; touch ${directory}/ready; while :; do sleep 0.05; done`);
  await until(() => existsSync(join(directory, "ready")));
  writePids(directory, [{ role: "server", pid: polite }]);
  expect(await stopGroup(group, clock, 20_000)).toBe(true);
  expect(existsSync(join(directory, "ready"))).toBe(false);
  const deaf = start(`trap '' TERM; touch ${directory}/ready; while :; do sleep 0.05; done`);
  await until(() => existsSync(join(directory, "ready")));
  writePids(directory, [{ role: "server", pid: deaf }]);
  expect(await stopGroup(group, clock, 200)).toBe(false);
  expect(startTicksOf(deaf)).toBeNull();
});

test("a pid that has passed to another process is not taken for the one written down", async () => {
  const child = Bun.spawn(["sleep", "1000"]);
  const startTicks = startTicksOf(child.pid) ?? 0;
  expect(isRunning({ pid: child.pid, startTicks })).toBe(true);
  expect(isRunning({ pid: child.pid, startTicks: startTicks - 1 })).toBe(false);
  mkdirSync(join(directory, "run"));
  writeFileSync(join(directory, "run", "pids.json"), JSON.stringify([{ role: "server", pid: child.pid, startTicks: startTicks - 1 }]));
  expect(readPids(directory)).toEqual([]);
  child.kill("SIGKILL");
  await child.exited;
});

test("a torn list of processes names none", () => {
  mkdirSync(join(directory, "run"));
  writeFileSync(join(directory, "run", "pids.json"), '[{"role":"ser');
  expect(readPids(directory)).toEqual([]);
});

test("a taken port is named with its address", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  expect(await firstTaken("127.0.0.1", [port])).toBe(`port ${port} on 127.0.0.1 is taken by another program; choose another --port-base`);
  await new Promise((resolve) => server.close(resolve));
  expect(await firstTaken("127.0.0.1", [port])).toBeNull();
  expect(await firstTaken("192.0.2.1", [port])).toBe("the address 192.0.2.1 is not one of this machine");
});

test("a log that has grown too long is put aside once and begins anew", () => {
  writeFileSync(join(directory, "iscsi.log"), "x".repeat(100));
  writeFileSync(join(directory, "short.log"), "x");
  rotateLogs(directory, 50);
  expect(statSync(join(directory, "iscsi.log")).size).toBe(0);
  expect(statSync(join(directory, "iscsi.log.1")).size).toBe(100);
  expect(existsSync(join(directory, "short.log.1"))).toBe(false);
});
