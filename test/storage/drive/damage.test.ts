import { EXTENT_OVERHEAD_BLOCKS } from "../../../src/storage/drive/drive.ts";
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { afterEach, describe, expect, test } from "bun:test";
import { BLOCK_BYTES } from "../../../src/base/geometry.ts";
import { groupId } from "../../../src/cluster/schema.ts";
import { FileError, type File, type Platform } from "../../../src/platform/platform.ts";
import { peekBatch, type BatchHeader } from "../../../src/storage/drive/batch.ts";
import { formatDrive } from "../../../src/storage/drive/format.ts";
import { OpenError } from "../../../src/storage/drive/identity.ts";
import { extentDirectory, extentName, directoryName } from "../../../src/storage/drive/layout.ts";
import { decodeSuperblock } from "../../../src/storage/drive/superblock.ts";
import { slotOffset } from "../../../src/storage/drive/trailer.ts";
import { openDrive } from "../../../src/storage/drive/open.ts";
import { NO_ENTRY } from "../../../src/wire/entry.ts";
import { applied, Author, CLUSTER, content, contentOf, DRIVE, durable, group, key, MIB, newDrive, open, range, removeDirectories, temporaryDirectory, testPlatform } from "./fixture.ts";

afterEach(removeDirectories);
const platform = testPlatform();

/** What a crash at this moment leaves of a drive that is in use. */
function crashImage(directory: string): string {
  const image = `${temporaryDirectory()}/image`;
  cpSync(directory, image, { recursive: true });
  return image;
}
function extentPath(directory: string, extent: number): string {
  const name = extentName(key(extent));
  return `${directory}/extents/${directoryName(extentDirectory(name))}/${name}`;
}
function spoil(path: string, offset: number, length = 16): void {
  const bytes = readFileSync(path);
  for (let i = offset; i < offset + length; i += 1) bytes[i] = (bytes[i] as number) ^ 0x5a;
  writeFileSync(path, bytes);
}
/** Batches in the only segment of a journal, and where their bytes are in its file. */
function batches(directory: string): (BatchHeader & { offset: number })[] {
  const superblock = decodeSuperblock(readFileSync(`${directory}/superblock`).subarray(0, BLOCK_BYTES));
  const bytes = readFileSync(`${directory}/journal/0000`);
  const found: (BatchHeader & { offset: number })[] = [];
  for (let offset = BLOCK_BYTES; offset < bytes.length; offset += BLOCK_BYTES) {
    const header = peekBatch(bytes, offset, superblock?.journalId ?? 0);
    if (header) found.push({ ...header, offset });
  }
  return found.sort((a, b) => a.number - b.number);
}
const ONE_SEGMENT = { segments: 1, bytes: 4 * MIB };

/** A drive with five writes in five batches, extent 0 and 4, as a crash leaves it. */
async function crashed(): Promise<string> {
  const directory = await newDrive(platform, ONE_SEGMENT);
  const drive = await open(platform, directory);
  const author = new Author();
  for (let i = 0; i < 5; i += 1) await applied(drive, author.write(range(0, i, 1), i));
  const image = crashImage(directory);
  await drive.close();
  return image;
}

describe("the journal", () => {
  test("a torn last batch is cut, and the next one takes its place", async () => {
    const directory = await crashed();
    const last = batches(directory).at(-1) as { offset: number; length: number };
    spoil(`${directory}/journal/0000`, last.offset + last.length - BLOCK_BYTES);
    const drive = await open(platform, directory);
    const image = drive.images.get(groupId(1, 0));
    expect(image?.log.last.seq).toBe(4);
    expect(image?.damaged).toBe(false);
    const author = new Author();
    author.last.set(groupId(1, 0), image?.log.last as never);
    await applied(drive, author.write(range(0, 4, 1), 77));
    const again = await open(platform, crashImage(directory));
    expect(again.images.get(groupId(1, 0))?.log.last.seq).toBe(5);
    expect((await contentOf(again, range(0, 4, 1))).equals(content(range(0, 4, 1), 77))).toBe(true);
    await again.close();
    await drive.close();
  });

  for (const [what, inBatch] of [["header", 16], ["content", 5000]] as const) {
    test(`a rotten ${what} of a batch in the middle is damage, and stays so`, async () => {
      const directory = await crashed();
      const middle = batches(directory).at(-3) as { offset: number };
      spoil(`${directory}/journal/0000`, middle.offset + inBatch);
      const errors = platform.errors.length;
      const drive = await open(platform, directory);
      expect(drive.images.get(groupId(1, 0))?.damaged).toBe(true);
      expect(platform.errors.length).toBeGreaterThan(errors);
      const author = new Author();
      await durable(drive, author.write(range(1, 0, 1), 9));
      const next = await open(platform, crashImage(directory));
      expect(next.images.get(groupId(1, 0))?.damaged).toBe(true);
      expect(next.images.get(groupId(1, 1))?.damaged).toBe(false);
      expect((await contentOf(next, range(1, 0, 1))).equals(content(range(1, 0, 1), 9))).toBe(true);
      await next.close();
      await drive.close();
    });
  }

  test("a drive without its journal is damaged, never empty", async () => {
    const directory = await crashed();
    const first = await open(platform, directory);
    await first.close();
    rmSync(`${directory}/journal`, { recursive: true });
    const drive = await open(platform, directory);
    expect(drive.images.get(groupId(1, 0))?.damaged).toBe(true);
    expect((await contentOf(drive, range(0, 2, 1))).equals(content(range(0, 2, 1), 2))).toBe(true);
    await durable(drive, { type: "committed", group: groupId(1, 0), id: drive.images.get(groupId(1, 0))?.log.last as never, settled: NO_ENTRY });
    const again = await open(platform, crashImage(directory));
    expect(again.images.get(groupId(1, 0))?.damaged).toBe(true);
    expect(again.images.get(groupId(1, 0))?.committed.seq).toBe(5);
    await again.close();
    await drive.close();
  });

  test("another drive's journal is not taken for its own", async () => {
    const directory = await crashed();
    const other = await crashed();
    await (await open(platform, directory)).close();
    rmSync(`${directory}/journal`, { recursive: true });
    renameSync(`${other}/journal`, `${directory}/journal`);
    const drive = await open(platform, directory);
    expect(drive.images.get(groupId(1, 0))?.damaged).toBe(true);
    await drive.close();
  });
});

describe("extents", () => {
  async function closed(): Promise<string> {
    const directory = await newDrive(platform);
    const drive = await open(platform, directory);
    const author = new Author();
    await applied(drive, author.write(range(0, 0, 8), 1));
    await applied(drive, author.write(range(4, 0, 8), 2));
    await drive.close();
    return directory;
  }

  test("bit rot names the block, and a write repairs it", async () => {
    const directory = await closed();
    spoil(extentPath(directory, 0), 3 * BLOCK_BYTES + 100, 1);
    const drive = await open(platform, directory);
    expect(await drive.read(range(0, 0, 8))).toMatchObject({ ok: false, badBlocks: [3] });
    expect((await drive.read(range(0, 4, 4))).ok).toBe(true);
    const author = new Author();
    author.last.set(groupId(1, 0), drive.images.get(groupId(1, 0))?.log.last as never);
    await durable(drive, author.write(range(0, 3, 1), 5));
    expect((await drive.read(range(0, 0, 8))).ok).toBe(true);
    await drive.close();
  });

  test("blocks that lie in each other's place are bad", async () => {
    const directory = await closed();
    const bytes = readFileSync(extentPath(directory, 0));
    const block = Buffer.from(bytes.subarray(BLOCK_BYTES, 2 * BLOCK_BYTES));
    bytes.copy(bytes, BLOCK_BYTES, 2 * BLOCK_BYTES, 3 * BLOCK_BYTES);
    block.copy(bytes, 2 * BLOCK_BYTES);
    writeFileSync(extentPath(directory, 0), bytes);
    const drive = await open(platform, directory);
    expect(await drive.read(range(0, 0, 8))).toMatchObject({ ok: false, badBlocks: [1, 2] });
    await drive.close();
  });

  test("an extent's file in another one's place is bad altogether", async () => {
    const directory = await closed();
    cpSync(extentPath(directory, 4), extentPath(directory, 0));
    const drive = await open(platform, directory);
    expect(await drive.read(range(0, 0, 4))).toMatchObject({ ok: false, badBlocks: [0, 1, 2, 3] });
    await drive.close();
  });

  for (const generation of [1, 2]) {
    test(`checksums of which slot ${generation} rotted are in the other one, and then in both again`, async () => {
      const directory = await closed();
      for (const rotten of [generation, generation + 1]) {
        spoil(extentPath(directory, 0), slotOffset(rotten) + 300);
        const drive = await open(platform, directory);
        expect((await contentOf(drive, range(0, 0, 8))).equals(content(range(0, 0, 8), 1))).toBe(true);
        await drive.close();
      }
    });
  }

  test("checksums of which both slots rotted are not trusted", async () => {
    const directory = await closed();
    for (const generation of [1, 2]) spoil(extentPath(directory, 0), slotOffset(generation) + 300);
    const drive = await open(platform, directory);
    expect(await drive.read(range(0, 7, 2))).toMatchObject({ ok: false, badBlocks: [7, 8] });
    expect((await drive.read(range(4, 0, 8))).ok).toBe(true);
    await drive.close();
  });

  test("a slot torn by an interrupted checkpoint is made good by the other one and the journal", async () => {
    const directory = await closed();
    const drive = await open(platform, directory);
    const author = new Author();
    author.last.set(groupId(1, 0), drive.images.get(groupId(1, 0))?.log.last as never);
    await applied(drive, author.write(range(0, 4, 8), 6));
    const image = crashImage(directory);
    await drive.close();
    spoil(extentPath(image, 0), slotOffset(3) + 300);
    const again = await open(platform, image);
    expect((await contentOf(again, range(0, 0, 4))).equals(content(range(0, 0, 4), 1))).toBe(true);
    expect((await contentOf(again, range(0, 4, 8))).equals(content(range(0, 4, 8), 6))).toBe(true);
    expect(again.space().usedBytes).toBe((20 + 2 * EXTENT_OVERHEAD_BLOCKS) * BLOCK_BYTES);
    await again.close();
    const later = await open(platform, image);
    expect((await later.read(range(0, 0, 12))).ok).toBe(true);
    await later.close();
  });

  test("what is about to be overwritten is parked with its reason", async () => {
    const directory = await closed();
    const drive = await open(platform, directory);
    await drive.park(group(key(0)), range(0, 2, 3), "diverged", [{ epoch: 1 as never, seq: 1 }]);
    const [name] = readdirSync(`${directory}/parked`);
    const bytes = readFileSync(`${directory}/parked/${name}`);
    expect(bytes.includes(content(range(0, 2, 3), 1))).toBe(true);
    expect(bytes.includes("diverged")).toBe(true);
    await drive.close();
  });
});

describe("a whole drive", () => {
  const format = (on: Platform, directory: string): Promise<void> =>
    formatDrive(on, { directory, driveId: DRIVE, clusterId: CLUSTER, incarnation: 1, capacityBytes: MIB, journalSegments: 1, journalSegmentBytes: MIB });
  const openError = async (directory: string, expectedClusterId = CLUSTER): Promise<string> => {
    const error = await openDrive(platform, { directory, group, expectedClusterId }).catch((thrown: unknown) => thrown);
    if (!(error instanceof OpenError)) throw error;
    return error.reason;
  };

  test("a directory that holds a drive, or anything else, is not formatted", async () => {
    const directory = await newDrive(platform);
    await expect(format(platform, directory)).rejects.toThrow("already holds a drive");
    const foreign = temporaryDirectory();
    writeFileSync(`${foreign}/letter.txt`, "dear");
    await expect(format(platform, foreign)).rejects.toThrow("letter.txt");
    expect(existsSync(`${foreign}/journal`)).toBe(false);
    const lost = await crashed();
    rmSync(`${lost}/superblock`);
    await expect(format(platform, lost)).rejects.toThrow("without its superblock");
  });

  test("a directory without a drive, or with another cluster's, is not opened", async () => {
    expect(await openError(temporaryDirectory())).toBe("configuration");
    expect(await openError(await newDrive(platform), "f".repeat(32))).toBe("configuration");
  });

  test("a format that was interrupted anywhere leaves no drive, or a whole one, and may be repeated", async () => {
    for (let allowed = 0; allowed < 60; allowed += 3) {
      const directory = temporaryDirectory();
      let left = allowed;
      const interrupted = failing(platform, (action) => (action !== "makeDirectory" && (left -= 1) < 0 ? new FileError("other", "interrupted") : null));
      const done = await format(interrupted, directory).then(() => true, () => false);
      if (existsSync(`${directory}/superblock`)) await (await open(platform, directory)).close();
      else {
        expect(done).toBe(false);
        await format(platform, directory);
        await (await open(platform, directory)).close();
      }
    }
  });

  test("one copy of the superblock is enough; without both the drive has failed", async () => {
    const directory = await newDrive(platform);
    spoil(`${directory}/superblock`, 100);
    await (await open(platform, directory)).close();
    spoil(`${directory}/superblock`, 100);
    spoil(`${directory}/superblock`, BLOCK_BYTES + 100);
    expect(await openError(directory)).toBe("drive-failed");
  });

  test("a damaged checkpoint is a failed drive, never an empty one", async () => {
    const directory = await crashed();
    await (await open(platform, directory)).close();
    const [name] = readdirSync(`${directory}/checkpoints`);
    spoil(`${directory}/checkpoints/${name}`, 200);
    expect(await openError(directory)).toBe("drive-failed");
  });

  for (const [what, fails] of [
    ["a journal write", (action: string, path: string) => action === "write" && path.includes("/journal/")],
    ["a write to an extent", (action: string, path: string) => action === "write" && path.includes("/extents/")],
  ] as const) {
    test(`${what} that fails ends the process, and nothing is acknowledged`, async () => {
      const directory = await newDrive(platform);
      const own = testPlatform();
      let broken = false;
      const drive = await open(failing(own, (action, path) => (broken && fails(action, path) ? new FileError("EIO", `${action} ${path}`) : null)), directory);
      broken = true;
      let finished = false;
      drive.append(new Author().write(range(0, 0, 1), 1), null, () => (finished = true));
      while (own.fatals.length === 0) await Bun.sleep(1);
      expect(own.fatals.map(({ reason }) => reason)).toEqual(["drive-failed"]);
      expect(finished).toBe(false);
    });
  }

  test("a journal write that hangs shows in how long an append is outstanding, and nothing overtakes it", async () => {
    const directory = await newDrive(platform);
    let release: () => void = () => undefined;
    let hangs = false;
    const hanging = failing(platform, () => null, (action, path) => (hangs && action === "write" && path.includes("/journal/") ? new Promise((resolve) => (release = resolve)) : null));
    const drive = await open(hanging, directory);
    const author = new Author();
    await durable(drive, author.write(range(0, 0, 1), 1));
    hangs = true;
    const order: number[] = [];
    drive.append(author.write(range(0, 1, 1), 2), () => order.push(2));
    await Bun.sleep(5);
    const last = durable(drive, author.write(range(0, 2, 1), 3)).then(() => order.push(3));
    await Bun.sleep(5);
    expect(drive.appendOutstandingMs()).toBeGreaterThan(0);
    expect(drive.pendingBytes).toBeGreaterThan(2 * BLOCK_BYTES);
    expect(order).toEqual([]);
    hangs = false;
    release();
    await last;
    expect(order).toEqual([2, 3]);
    expect(drive.appendOutstandingMs()).toBe(0);
    await drive.close();
  });

  test("a sync that fails at a checkpoint ends the process and is not repeated", async () => {
    const directory = await newDrive(platform);
    const own = testPlatform();
    let syncs = 0;
    const failed = new Set<string>();
    const drive = await open(
      failing(own, (action, path) => {
        if (action !== "sync" || !path.includes("/extents/")) return null;
        syncs += 1;
        failed.add(path);
        return new FileError("EIO", `sync ${path}`);
      }),
      directory,
    );
    await applied(drive, new Author().write(range(0, 0, 1), 1));
    await expect(drive.checkpointNow()).rejects.toThrow("sync");
    expect(own.fatals.map(({ reason }) => reason)).toEqual(["drive-failed"]);
    expect(syncs).toBe(failed.size);
  });
});

/** A platform whose file operations fail where `hook` says so; a write also waits for what `wait` gives. */
function failing<P extends Platform>(on: P, hook: (action: string, path: string) => FileError | null, wait: (action: string, path: string) => Promise<void> | null = () => null): P {
  const check = (action: string, path: string): void => {
    const error = hook(action, path);
    if (error) throw error;
  };
  const wrap = (file: File, path: string): File => ({
    read: async (...args) => (check("read", path), file.read(...args)),
    write: async (...args) => {
      check("write", path);
      await wait("write", path);
      await file.write(...args);
    },
    sync: async () => (check("sync", path), file.sync()),
    truncate: async (size) => (check("truncate", path), file.truncate(size)),
    allocate: async (...args) => (check("allocate", path), file.allocate(...args)),
    punch: async (...args) => (check("punch", path), file.punch(...args)),
    lock: () => file.lock(),
    size: () => file.size(),
    close: () => file.close(),
  });
  const { files } = on;
  return {
    ...on,
    files: {
      ...files,
      open: async (path: string, options) => (check("open", path), wrap(await files.open(path, options), path)),
      makeDirectory: async (path: string) => (check("makeDirectory", path), files.makeDirectory(path)),
      rename: async (from: string, to: string) => (check("rename", from), files.rename(from, to)),
      remove: async (path: string) => (check("remove", path), files.remove(path)),
      syncDirectory: async (path: string) => (check("syncDirectory", path), files.syncDirectory(path)),
    } satisfies Platform["files"],
  };
}
