import { afterEach, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { BLOCK_BYTES } from "../../../src/base/geometry.ts";
import { groupId } from "../../../src/cluster/schema.ts";
import { listParked, PARKED_BYTES_MIN, PARKED_FILES_MAX, ParkedFolder } from "../../../src/storage/drive/parked-folder.ts";
import { content, newDrive, open, range, removeDirectories, testPlatform } from "./fixture.ts";

const platform = testPlatform();
afterEach(removeDirectories);

const MANY = 1e15;
function piece(extent: number, blocks: number) {
  return { group: groupId(1, 0), range: range(extent, 0, blocks), why: "a test", ids: [], checksums: new Uint32Array(blocks), data: content(range(extent, 0, blocks), 1) };
}

test("parked content is listed with its place, its reason and its age order, also by a later process", async () => {
  const directory = await newDrive(platform);
  const drive = await open(platform, directory);
  await drive.park(groupId(1, 0), range(0, 2, 3), "diverged", [{ epoch: 1 as never, seq: 1 }]);
  await drive.park(groupId(1, 0), range(0, 8, 1), "scrub", []);
  expect(drive.parked).toMatchObject({ files: 2, dropped: 0 });
  const used = drive.space().usedBytes;
  await drive.close();
  const again = await open(platform, directory);
  await again.park(groupId(1, 0), range(0, 9, 1), "later", []);
  const listed = await listParked(platform, directory);
  expect(listed.map(({ parked }) => parked?.why)).toEqual(["diverged", "scrub", "later"]);
  expect(listed[0]?.parked).toMatchObject({ group: groupId(1, 0), range: range(0, 2, 3), ids: [{ epoch: 1, seq: 1 }] });
  // What an earlier process has parked counts as used by this one, too.
  expect(again.space().usedBytes).toBeGreaterThan(used);
  expect(again.parked).toMatchObject({ files: 3, bytes: listed.reduce((sum, { bytes }) => sum + bytes, 0) });
  await again.close();
});

test("what cannot be read any more is listed as that", async () => {
  const directory = await newDrive(platform);
  const drive = await open(platform, directory);
  await drive.park(groupId(1, 0), range(0, 2, 3), "diverged", []);
  const [name] = readdirSync(`${directory}/parked`);
  writeFileSync(`${directory}/parked/${name}`, "torn");
  expect((await listParked(platform, directory)).map(({ parked }) => parked)).toEqual([null]);
  await drive.close();
});

test("when the folder is full the oldest goes and the newest stays, and each loss is told", async () => {
  const directory = await newDrive(platform);
  const blocks = 256;
  const told: string[] = [];
  const folder = new ParkedFolder({ ...platform, log: { ...platform.log, warn: (message) => void told.push(message) } }, directory, 1);
  const fitting = Math.floor(PARKED_BYTES_MIN / (blocks * BLOCK_BYTES + 2048));
  for (let extent = 0; extent < fitting + 2; extent += 1) await folder.keep(1, piece(extent, blocks), () => MANY);
  expect(folder.counts.bytes).toBeLessThanOrEqual(PARKED_BYTES_MIN);
  expect(folder.counts.dropped).toBeGreaterThanOrEqual(2);
  expect(told.length).toBe(folder.counts.dropped);
  const extents = (await listParked(platform, directory)).map(({ parked }) => Number(parked?.range.extent));
  expect(extents.at(-1)).toBe(fitting + 1);
  expect(extents[0]).toBe(folder.counts.dropped);
  expect(extents.length).toBe(folder.counts.files);
});

test("many small pieces are bounded in number", async () => {
  const directory = await newDrive(platform);
  for (let count = 1; count <= PARKED_FILES_MAX; count += 1) writeFileSync(`${directory}/parked/1-1-${count}`, "x");
  const folder = new ParkedFolder(platform, directory, MANY);
  await folder.open();
  expect(folder.counts.files).toBe(PARKED_FILES_MAX);
  await folder.keep(2, piece(0, 1), () => MANY);
  const names = readdirSync(`${directory}/parked`);
  expect([names.length, names.includes("1-1-1"), names.includes("1-1-2")]).toEqual([PARKED_FILES_MAX, false, true]);
});

test("a drive without room keeps nothing of it, says so, and goes on", async () => {
  const directory = await newDrive(platform);
  const folder = new ParkedFolder(platform, directory, MANY);
  await folder.keep(1, piece(0, 2), () => MANY);
  let free = 0;
  await folder.keep(1, piece(1, 2), () => free);
  expect(folder.counts).toMatchObject({ files: 0, bytes: 0, dropped: 2 });
  expect(platform.errors.join()).toContain("no room");
  free = MANY;
  await folder.keep(1, piece(2, 2), () => free);
  expect(folder.counts.files).toBe(1);
});
