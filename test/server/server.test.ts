import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DriveId, Instance } from "../../src/base/ids.ts";
import { keys } from "../../src/cluster/schema.ts";
import { failedDrives } from "../../src/role/announce.ts";
import { readConfig } from "../../src/role/context.ts";
import { startServer, type RunningServer } from "../../src/server.ts";
import { FatalError, testWorld, type FakeChild, type TestWorld } from "./world.ts";

const DRIVE = "00112233445566aa" as DriveId;
let world: TestWorld;
beforeEach(() => {
  world = testWorld();
});
afterEach(() => world.dispose());

async function form(id = world.config.clusterId): Promise<void> {
  const record = { id, name: "trial", incarnation: 1, targetName: "iqn.2026-11.io.virtustor:x", formedAtMs: 1 };
  await soon(world.memory.client().transact({ compares: [], puts: [{ key: keys.cluster, value: JSON.stringify(record) }] }));
}

/** The store's answers take time, and time moves only by hand. */
async function soon<T>(answer: Promise<T>): Promise<T> {
  await world.clock.advance(1);
  return await answer;
}

async function started(config = world.config, configFile = "/etc/server.json"): Promise<RunningServer> {
  const { platform, processes, memory, clock } = world;
  const run = startServer({ platform, processes, store: memory.client(), config, configFile });
  run.started.catch(() => undefined);
  await clock.advance(1_000);
  return run.server;
}

/** What a role process leaves for its supervisor; `announceInstance` writes the same under the process's own pid. */
function announce(child: FakeChild, id: string, instance: number): void {
  writeFileSync(join(world.directory, "run", "announced", `${child.pid}-${id}.json`), JSON.stringify({ id, instance }));
}

function newest(role: string): FakeChild {
  const child = world.processes.of(role).at(-1);
  if (child === undefined) throw new Error(`no ${role} was started`);
  return child;
}

async function published(id: string): Promise<{ instance: Instance; reason: string } | null> {
  const { found } = await soon(world.memory.client().get(keys.death(id)));
  return found === null ? null : (JSON.parse(found.value) as { instance: Instance; reason: string });
}

test("the roles start only when the cluster is formed; every child runs the same program", async () => {
  await started();
  expect(world.processes.started).toEqual([]);
  await form();
  await world.clock.advance(1_000);
  expect(world.processes.started.map(({ options }) => options.argv.join(" "))).toEqual([
    "virtustor role storage --config /etc/server.json --drive 0",
    "virtustor role storage --config /etc/server.json --drive 1",
    "virtustor role iscsi --config /etc/server.json",
    "virtustor role monitor --config /etc/server.json",
    "virtustor role management --config /etc/server.json",
  ]);
});

test("with shared processes one child holds the portal and all drives", async () => {
  await form();
  await started({ ...world.config, processes: "shared" });
  expect(world.processes.started.map(({ options }) => options.argv[2])).toEqual(["shared", "monitor", "management"]);
});

test("the roles start without a store that stays silent", async () => {
  world.memory.setAvailable(false);
  await started();
  await world.clock.advance(60_000);
  expect(world.processes.of("storage-0")).toHaveLength(1);
});

test("a server of another cluster is refused", async () => {
  await form("ffffffffffffffffffffffffffffffff");
  const { platform, processes, memory, clock, config } = world;
  const run = startServer({ platform, processes, store: memory.client(), config, configFile: "/etc/server.json" });
  const refused = run.started.catch((error: unknown) => error);
  await clock.advance(1_000);
  expect(await refused).toBeInstanceOf(FatalError);
  expect(processes.started).toEqual([]);
});

test("the server registers, and registers again when the store has dropped its lease", async () => {
  await form();
  const { platform, processes, memory, clock, config } = world;
  const own = memory.client("own");
  const { server } = startServer({ platform, processes, store: own, config, configFile: "/etc/server.json" });
  const observer = memory.client();
  const isUp = async (): Promise<boolean> => (await soon(observer.get(keys.upServer("server1")))).found !== null;
  await clock.advance(1_000);
  expect(JSON.parse((await soon(observer.get(keys.server("server1")))).found?.value ?? "")).toMatchObject({ name: "server1", portalPort: 3260 });
  expect(await isUp()).toBe(true);
  own.setReachable(false);
  await clock.advance(30_000);
  expect(await isUp()).toBe(false);
  own.setReachable(true);
  await clock.advance(30_000);
  expect(await isUp()).toBe(true);
  const stopped = server.stop();
  await clock.advance(1_000);
  await stopped;
  expect(await isUp()).toBe(false);
});

test("R18: a storage process's death is published with exactly the instance it had announced, once it was reaped", async () => {
  await form();
  await started();
  const first = newest("storage-0");
  announce(first, DRIVE, 7);
  await world.clock.advance(1_000);
  expect(await published(DRIVE)).toBeNull();
  first.end(null, "SIGKILL");
  await world.clock.advance(1_000);
  expect(await published(DRIVE)).toMatchObject({ instance: 7, reason: "storage-0 ended with SIGKILL" });
});

test("R18: nothing is published for a process that had announced nothing, nor in the name of another", async () => {
  await form();
  await started();
  announce(newest("storage-1"), DRIVE, 9);
  newest("storage-0").end(70);
  await world.clock.advance(1_000);
  expect(await published(DRIVE)).toBeNull();
});

test("R18: what processes of an earlier supervisor had announced is not published", async () => {
  await form();
  mkdirSync(join(world.directory, "run", "announced"), { recursive: true });
  writeFileSync(join(world.directory, "run", "announced", `100000000-${DRIVE}.json`), JSON.stringify({ id: DRIVE, instance: 3 }));
  await started();
  newest("storage-0").end(70);
  await world.clock.advance(1_000);
  expect(await published(DRIVE)).toBeNull();
});

test("R18: a death waits for a store that is away, and an older one never replaces a newer", async () => {
  await form();
  await started();
  world.memory.setAvailable(false);
  for (const instance of [7, 8]) {
    announce(newest("storage-0"), DRIVE, instance);
    newest("storage-0").end(70);
    await world.clock.advance(5_000);
  }
  world.memory.setAvailable(true);
  await world.clock.advance(60_000);
  expect(await published(DRIVE)).toMatchObject({ instance: 8 });
  announce(newest("storage-0"), DRIVE, 5);
  newest("storage-0").end(70);
  await world.clock.advance(60_000);
  expect(await published(DRIVE)).toMatchObject({ instance: 8 });
});

test("a gateway's death is published under its own instance", async () => {
  await form();
  await started();
  announce(newest("iscsi"), "12345", 12345);
  newest("iscsi").end(1);
  await world.clock.advance(1_000);
  expect(await published("12345")).toMatchObject({ instance: 12345 });
});

test("a failed drive is recorded, and not started again, not even by the next supervisor", async () => {
  await form();
  await started();
  announce(newest("storage-1"), DRIVE, 4);
  newest("storage-1").end(71);
  await world.clock.advance(60_000);
  expect(world.processes.of("storage-1")).toHaveLength(1);
  expect(failedDrives(world.directory)).toMatchObject([{ directory: join(world.directory, "drive-1"), id: DRIVE, instance: 4 }]);
  expect(await published(DRIVE)).toMatchObject({ instance: 4 });
  await started();
  expect(world.processes.of("storage-1")).toHaveLength(1);
  expect(world.processes.of("storage-0")).toHaveLength(2);
});

test("a role that calls its configuration wrong is not started again", async () => {
  await form();
  await started();
  newest("monitor").end(73);
  await world.clock.advance(60_000);
  expect(world.processes.of("monitor")).toHaveLength(1);
});

test("an orderly stop ends management and monitor, then iscsi, then storage", async () => {
  await form();
  const server = await started();
  const order: string[] = [];
  for (const child of world.processes.started) {
    const kill = child.kill;
    child.kill = (signal) => {
      order.push(child.options.argv[2] ?? "");
      kill(signal);
    };
  }
  const stopped = server.stop();
  await world.clock.advance(1_000);
  await stopped;
  expect(order.map((role) => (role === "management" ? "monitor" : role))).toEqual(["monitor", "monitor", "iscsi", "storage", "storage"]);
  await world.clock.advance(60_000);
  expect(world.processes.started).toHaveLength(5);
  expect(readdirSync(join(world.directory, "run", "announced"))).toEqual([]);
});

async function shown(): Promise<unknown> {
  const { found } = await soon(world.memory.client().get(keys.failed(world.config.name)));
  return found === null ? null : JSON.parse(found.value);
}
function release(failedAtMs: number): void {
  world.memory.apply({ compares: [], puts: [{ key: keys.release(DRIVE), value: JSON.stringify({ failedAtMs, atMs: 0 }) }] });
}
async function fail(instance: number): Promise<number> {
  const child = newest("storage-1");
  announce(child, DRIVE, instance);
  writeFileSync(join(world.directory, "run", "announced", `${child.pid}-failed.json`), JSON.stringify({ directory: join(world.directory, "drive-1"), why: "EIO" }));
  child.end(71);
  await world.clock.advance(2_000);
  return failedDrives(world.directory)[0]?.atMs ?? 0;
}

test("a failed drive is shown to the cluster with its reason, and its death is known as one that does not end by itself", async () => {
  await form();
  await started();
  const atMs = await fail(4);
  expect(await shown()).toEqual([{ directory: join(world.directory, "drive-1"), id: DRIVE, instance: 4, atMs, why: "EIO" }]);
  expect((await published(DRIVE))?.reason).toStartWith("drive-failed");
});

test("a failed drive that an administrator releases is started again, once, and is no longer shown", async () => {
  await form();
  await started();
  const atMs = await fail(4);
  release(atMs);
  await world.clock.advance(2_000);
  expect(world.processes.of("storage-1")).toHaveLength(2);
  expect(failedDrives(world.directory)).toEqual([]);
  expect(await shown()).toBeNull();
  expect(world.memory.find(keys.release(DRIVE))).toBeNull();
  // It fails again: a word that comes late speaks of the failure before.
  await fail(5);
  release(atMs);
  await world.clock.advance(60_000);
  expect(world.processes.of("storage-1")).toHaveLength(2);
  expect(await shown()).toMatchObject([{ id: DRIVE, instance: 5 }]);
});

test("a word that was given while the server was down counts when it is up, also for a drive that failed before it had said who it is", async () => {
  await form();
  const server = await started();
  newest("storage-1").end(71);
  await world.clock.advance(2_000);
  const [failed] = failedDrives(world.directory);
  expect(failed?.id).toBe("");
  await soon(server.stop().catch(() => undefined) as Promise<unknown>);
  await world.clock.advance(20_000);
  const place = world.config.drives[1]!;
  world.memory.apply({ compares: [], puts: [{ key: keys.drive(DRIVE), value: JSON.stringify({ id: DRIVE, server: world.config.name, address: "a", port: place.port, instance: 1, capacityBytes: 1 }) }] });
  release(failed?.atMs ?? 0);
  const before = world.processes.of("storage-1").length;
  await started();
  await world.clock.advance(5_000);
  expect(world.processes.of("storage-1")).toHaveLength(before + 1);
  expect(failedDrives(world.directory)).toEqual([]);
});

test("a drive that is added is in the configuration's file before its process starts, once, and starts with the next supervisor", async () => {
  await form();
  const configFile = join(world.directory, "server.json");
  const server = await started(world.config, configFile);
  const added = { directory: join(world.directory, "drive-2"), port: 3272 };
  server.addDrive(added);
  expect(newest("storage-2").options.argv.slice(-2)).toEqual(["--drive", "2"]);
  expect(readConfig(configFile).drives).toEqual([...world.config.drives.slice(0, 2), added]);
  server.addDrive(added);
  expect(readConfig(configFile).drives).toHaveLength(3);
  expect(world.processes.of("storage-2")).toHaveLength(1);
});

test("a drive that is added before the roles start is started with them; shared processes start again for it", async () => {
  const configFile = join(world.directory, "server.json");
  const server = await started({ ...world.config, processes: "shared" }, configFile);
  server.addDrive({ directory: join(world.directory, "drive-2"), port: 3272 });
  expect(world.processes.started).toEqual([]);
  await form();
  await world.clock.advance(1_000);
  expect(world.processes.of("shared")).toHaveLength(1);
  server.addDrive({ directory: join(world.directory, "drive-3"), port: 3273 });
  await world.clock.advance(1_000);
  expect(world.processes.of("shared")).toHaveLength(2);
  expect(readConfig(configFile).drives).toHaveLength(4);
});
