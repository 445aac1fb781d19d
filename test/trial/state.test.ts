import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realPlatform } from "../../src/platform/real.ts";
import { writeDurably } from "../../src/formation/durable.ts";
import { readConfig } from "../../src/role/context.ts";
import { readSuperblock } from "../../src/storage/drive/superblock.ts";
import { withDefaults, type TrialOptions } from "../../src/trial/options.ts";
import { withLock } from "../../src/trial/lock.ts";
import { Trial } from "../../src/trial/state.ts";
import { removeTrial } from "../../src/trial/wipe.ts";

const platform = realPlatform({ name: "test", logLevel: "error" });
let top: string;
let directory: string;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "virtustor-trial-"));
  directory = join(top, "trial");
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

const small = (more: Partial<TrialOptions> = {}): TrialOptions => withDefaults({ servers: 2, drives: 1, driveSizeBytes: 2 ** 28, ...more });
const quiet = (): void => undefined;

async function formed(options: TrialOptions = small()): Promise<Trial> {
  const trial = Trial.begin(directory, options, platform);
  await trial.form(platform, quiet);
  return trial;
}

async function driveIdAt(path: string): Promise<string | undefined> {
  const file = await platform.files.open(join(path, "superblock"), {});
  try {
    return (await readSuperblock(file))?.driveId;
  } finally {
    await file.close();
  }
}

test("a formed trial has valid configurations, formatted drives, and secrets for its owner alone", async () => {
  const trial = await formed();
  const configs = trial.servers.map(({ configFile }) => readConfig(configFile));
  expect(configs.map(({ name, address, portalGroupTag }) => [name, address, portalGroupTag])).toEqual([["server1", "127.0.0.1", 1], ["server2", "127.0.0.2", 2]]);
  expect(new Set(configs.map(({ clusterId }) => clusterId)).size).toBe(1);
  expect(statSync(trial.keyFile)).toMatchObject({ size: 32 });
  for (const file of [trial.keyFile, trial.tokenFile]) expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(trial.targetName).toBe(`iqn.2026-11.io.virtustor:${trial.saved.clusterId.slice(0, 12)}`);
  for (const drive of trial.saved.drives) expect(await driveIdAt(drive.directory)).toBe(drive.id);
});

test("forming again, and opening again, changes nothing", async () => {
  const trial = await formed();
  const before = [trial.keyFile, trial.tokenFile, ...trial.servers.map(({ configFile }) => configFile)].map((file) => readFileSync(file, "hex"));
  const again = Trial.open(directory);
  await again?.form(platform, quiet);
  expect(again?.saved).toEqual(trial.saved);
  expect([trial.keyFile, trial.tokenFile, ...trial.servers.map(({ configFile }) => configFile)].map((file) => readFileSync(file, "hex"))).toEqual(before);
});

test("a format that was cut short is done again under the same identity", async () => {
  const trial = Trial.begin(directory, small(), platform);
  const [first] = trial.saved.drives;
  mkdirSync(join(first?.directory ?? "", "journal"), { recursive: true });
  writeFileSync(join(first?.directory ?? "", "journal", "0000"), "half");
  await Trial.open(directory)?.form(platform, quiet);
  expect(await driveIdAt(first?.directory ?? "")).toBe(first?.id);
});

test("with etcd each server has a member of its own, asks it first, and knows the others", async () => {
  const trial = await formed(small({ store: "etcd", portBase: 5000 }));
  const [, second] = trial.servers.map(({ configFile }) => readConfig(configFile).store);
  expect(second).toMatchObject({
    kind: "etcd",
    endpoints: ["https://127.0.0.2:5002", "https://127.0.0.1:5002"],
    member: { name: "server2", clientUrl: "https://127.0.0.2:5002", peerUrl: "https://127.0.0.2:5003", initialCluster: "server1=https://127.0.0.1:5003,server2=https://127.0.0.2:5003" },
  });
});

test("a directory with somebody's files does not become a drive", () => {
  mkdirSync(join(directory, "server2", "drive-0"), { recursive: true });
  writeFileSync(join(directory, "server2", "drive-0", "thesis.txt"), "years of work");
  expect(() => Trial.begin(directory, small(), platform)).toThrow("drive-0 is not empty (it holds thesis.txt)");
});

test("the embedded store's socket stays short wherever the trial lives", async () => {
  expect((await formed()).storeSocket).toBe(join(directory, "store.sock"));
  directory = join(top, "long".repeat(30));
  const trial = await formed();
  expect(trial.storeSocket.length).toBeLessThan(100);
  expect(statSync(join(trial.storeSocket, "..")).mode & 0o777).toBe(0o700);
  removeTrial(trial);
  expect(existsSync(join(trial.storeSocket, ".."))).toBe(false);
});

test("a wipe leaves nothing of the trial, and everything that was there before it", async () => {
  mkdirSync(join(directory, "server1", "drive-0"), { recursive: true });
  writeFileSync(join(directory, "notes.txt"), "mine");
  writeFileSync(join(directory, "server1", "notes.txt"), "mine too");
  const trial = await formed();
  removeTrial(trial);
  expect((readdirSync(directory, { recursive: true }) as string[]).sort()).toEqual(["notes.txt", "server1", "server1/drive-0", "server1/notes.txt"]);
  expect(Trial.open(directory)).toBeNull();
});

test("a wipe of a trial in a directory of its own removes that too", async () => {
  removeTrial(await formed());
  expect(existsSync(directory)).toBe(false);
});

test("two commands on one trial take turns; one that waits in vain says so", async () => {
  const order: string[] = [];
  let begun = quiet;
  let release = quiet;
  const beginning = new Promise<void>((resolve) => (begun = resolve));
  const held = new Promise<void>((resolve) => (release = resolve));
  const first = withLock(platform, directory, async () => {
    order.push("first begins");
    begun();
    await held;
    order.push("first ends");
  });
  await beginning;
  const vain = withLock(platform, directory, async () => void order.push("never"), 0);
  expect(await vain.catch((error: Error) => error.message)).toContain("another trial command");
  const second = withLock(platform, directory, async () => void order.push("second"));
  release();
  await Promise.all([first, second]);
  expect(order).toEqual(["first begins", "first ends", "second"]);
});

test("a command that waited while the trial was wiped works on a fresh lock", async () => {
  let begun = quiet;
  let release = quiet;
  const beginning = new Promise<void>((resolve) => (begun = resolve));
  const held = new Promise<void>((resolve) => (release = resolve));
  const wipe = withLock(platform, directory, async () => {
    begun();
    await held;
    rmSync(directory, { recursive: true });
  });
  await beginning;
  const next = withLock(platform, directory, async () => existsSync(join(directory, "lock")));
  release();
  await wipe;
  expect(await next).toBe(true);
});

test("a command that comes to nothing leaves neither a lock nor a directory behind, and no file of others", async () => {
  const fails = (): Promise<never> => Promise.reject(new Error("no"));
  await expect(withLock(platform, directory, fails)).rejects.toThrow("no");
  expect(existsSync(directory)).toBe(false);
  mkdirSync(directory);
  writeFileSync(join(directory, "file"), "theirs");
  await expect(withLock(platform, directory, fails)).rejects.toThrow("no");
  expect(readdirSync(directory)).toEqual(["file"]);
  writeFileSync(join(directory, "lock"), "theirs");
  await expect(withLock(platform, directory, fails)).rejects.toThrow("no");
  expect(readdirSync(directory).sort()).toEqual(["file", "lock"]);
  await expect(withLock(platform, join(directory, "file"), fails)).rejects.toThrow(/the directory .*file cannot be made/);
});

test("what cannot be written is named and leaves no beginning of itself", () => {
  mkdirSync(directory);
  const file = join(directory, "full");
  // As large a name as a file may have, so that the temporary one cannot be made.
  const tooLong = join(directory, "x".repeat(255));
  expect(() => writeDurably(tooLong, "text")).toThrow(/cannot write .*xxx: ENAMETOOLONG/);
  writeDurably(file, "text");
  expect(readdirSync(directory)).toEqual(["full"]);
});

test("a wipe also removes what a full disk has left half written", async () => {
  const trial = await formed();
  writeFileSync(`${trial.reportFile}.tmp`, "{");
  writeFileSync(`${trial.tokenFile}.tmp`, "");
  removeTrial(trial);
  expect(existsSync(directory)).toBe(false);
});
