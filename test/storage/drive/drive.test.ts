import { EXTENT_OVERHEAD_BLOCKS } from "../../../src/storage/drive/drive.ts";
import { afterEach, describe, expect, test } from "bun:test";
import { BLOCK_BYTES, BLOCKS_PER_CHUNK, BLOCKS_PER_EXTENT } from "../../../src/base/geometry.ts";
import type { Epoch, VolumeId } from "../../../src/base/ids.ts";
import { NO_ENTRY } from "../../../src/wire/entry.ts";
import { applied, Author, content, contentOf, copy, DRIVE, durable, group, key, newDrive, open, range, removeDirectories, testPlatform } from "./fixture.ts";

afterEach(removeDirectories);
const platform = testPlatform();

describe("records", () => {
  test("a write is journalled, in its image, and readable", async () => {
    const drive = await open(platform, await newDrive(platform));
    const author = new Author();
    const target = range(3, 5, 4);
    const order: string[] = [];
    await new Promise<void>((resolve) =>
      drive.append(
        author.write(target, 1),
        () => order.push(`durable ${drive.images.get(group(target))?.log.last.seq}`),
        () => (order.push("applied"), resolve()),
      ),
    );
    expect(order).toEqual(["durable 1", "applied"]);
    const read = await drive.read(target);
    expect(read.ok && read.data.equals(content(target, 1))).toBe(true);
    expect(read.ok && read.version).toEqual({ epoch: 1 as Epoch, seq: 1 });
    expect(drive.space().usedBytes).toBe((4 + EXTENT_OVERHEAD_BLOCKS) * BLOCK_BYTES);
    expect(drive.id).toBe(DRIVE);
    expect(drive.pendingBytes).toBe(0);
    expect(drive.appendOutstandingMs()).toBe(0);
    await drive.close();
  });

  test("blocks never written read as zeros, with checksum 0", async () => {
    const drive = await open(platform, await newDrive(platform));
    const author = new Author();
    await durable(drive, author.write(range(0, 10, 1), 1));
    const read = await drive.read(range(0, 9, 3));
    expect(read.ok && [...read.checksums].map((checksum) => checksum !== 0)).toEqual([false, true, false]);
    expect(read.ok && read.data.equals(Buffer.concat([Buffer.alloc(BLOCK_BYTES), content(range(0, 10, 1), 1), Buffer.alloc(BLOCK_BYTES)]))).toBe(true);
    const none = await drive.read(range(1, 0, 2));
    expect(none).toEqual({ ok: true, checksums: new Uint32Array(2), data: Buffer.alloc(0), version: null });
    await drive.close();
  });

  test("an unmap frees blocks, and the last one the extent", async () => {
    const drive = await open(platform, await newDrive(platform));
    const author = new Author();
    await durable(drive, author.write(range(0, 0, 16), 1));
    await applied(drive, author.unmap(range(0, 4, 8)));
    expect(drive.space().usedBytes).toBe((8 + EXTENT_OVERHEAD_BLOCKS) * BLOCK_BYTES);
    expect((await contentOf(drive, range(0, 4, 8))).every((byte) => byte === 0)).toBe(true);
    expect((await contentOf(drive, range(0, 0, 4))).equals(content(range(0, 0, 4), 1))).toBe(true);
    expect((await drive.describe(key(0)))?.version.seq).toBe(2);
    await applied(drive, author.unmap(range(0, 0, BLOCKS_PER_EXTENT)));
    expect(await drive.describe(key(0))).toBeNull();
    expect(drive.extents()).toEqual([]);
    expect(drive.space().usedBytes).toBe(0);
    await durable(drive, author.write(range(0, 2, 1), 3));
    expect((await contentOf(drive, range(0, 0, 4))).subarray(0, 2 * BLOCK_BYTES).every((byte) => byte === 0)).toBe(true);
    await drive.close();
  });

  test("a purge drops the volume's extents of its group only", async () => {
    const drive = await open(platform, await newDrive(platform));
    const author = new Author();
    for (const extent of [0, 1, 4]) for (const volume of [7, 8]) await durable(drive, author.write(range(extent, 0, 1, volume), 1));
    await applied(drive, author.purge(7, group(key(0))));
    expect(drive.extents().map((found) => `${found.volume}/${found.extent}`).sort()).toEqual(["7/1", "8/0", "8/1", "8/4"]);
    expect(drive.images.get(group(key(0)))?.purged.has(7 as VolumeId)).toBe(true);
    await drive.close();
  });

  test("a purge also drops what was queued before it and not yet applied", async () => {
    const drive = await open(platform, await newDrive(platform));
    const author = new Author();
    for (let i = 0; i < 20; i += 1) drive.append(author.write(range(4 * i, 0, 1), 1));
    await applied(drive, author.purge(7, group(key(0))));
    expect(drive.extents()).toEqual([]);
    await drive.close();
  });

  test("a forgotten replica holds nothing but the highest epoch seen, and may begin anew", async () => {
    const drive = await open(platform, await newDrive(platform));
    const author = new Author();
    await durable(drive, author.write(range(0, 0, 1), 1));
    await durable(drive, author.write(range(1, 0, 1), 1));
    await applied(drive, { type: "forget", group: group(key(0)) });
    expect(drive.images.get(group(key(0)))?.blank).toBe(true);
    expect(drive.images.get(group(key(1)))?.blank).toBe(false);
    expect(drive.extents().map(({ extent }) => Number(extent))).toEqual([1]);
    const again = new Author();
    await durable(drive, again.write(range(0, 3, 1), 2));
    expect(drive.images.get(group(key(0)))?.log.length).toBe(1);
    await drive.close();
  });

  test("a copy makes a range what it is at the source", async () => {
    const drive = await open(platform, await newDrive(platform));
    const author = new Author();
    await durable(drive, author.write(range(0, 0, 8), 1));
    const target = range(0, 4, 8);
    const version = { epoch: 3 as Epoch, seq: 99 };
    await applied(drive, copy(target, 2, version, (block) => block >= 6));
    const read = await drive.read(range(0, 0, 16));
    expect(read.ok && [...read.checksums].map((checksum) => checksum !== 0)).toEqual(Array.from({ length: 16 }, (_, i) => i < 4 || (i >= 6 && i < 12)));
    expect(read.ok && read.version).toEqual(version);
    expect((await contentOf(drive, range(0, 6, 6))).equals(content(range(0, 6, 6), 2))).toBe(true);
    expect(drive.space().usedBytes).toBe((10 + EXTENT_OVERHEAD_BLOCKS) * BLOCK_BYTES);
    await applied(drive, copy(range(0, 0, BLOCKS_PER_EXTENT), 0, null));
    expect(await drive.describe(key(0))).toBeNull();
    await drive.close();
  });

  test("chunks that are not in sync are skipped", async () => {
    const drive = await open(platform, await newDrive(platform));
    const author = new Author();
    const chunk = BLOCKS_PER_CHUNK;
    const target = range(0, chunk - 2, chunk + 4);
    await durable(drive, author.write(target, 1, [2, 0]));
    const read = await drive.read(target);
    expect(read.ok && [...read.checksums].map((checksum) => checksum !== 0)).toEqual(Array.from({ length: chunk + 4 }, (_, i) => i < 2 || i >= chunk + 2));
    await durable(drive, author.unmap(target, [1, 0]));
    const after = await drive.read(target);
    expect(after.ok && [...after.checksums].filter((checksum) => checksum !== 0).length).toBe(2);
    await durable(drive, author.write(range(40, 1023, 1), 1, [0, 0x80000000]));
    expect(await drive.describe(key(40))).toBeNull();
    await drive.close();
  });

  test("equal content has an equal digest, whatever its history", async () => {
    const drive = await open(platform, await newDrive(platform));
    const author = new Author();
    const at = key(0);
    await durable(drive, author.write(range(0, 0, 2), 1));
    const first = await drive.describe(at);
    await durable(drive, author.write(range(0, 0, 4), 2));
    const second = await drive.describe(at);
    await durable(drive, author.unmap(range(0, 2, 2)));
    await durable(drive, author.write(range(0, 0, 2), 1));
    const third = await drive.describe(at);
    expect(third?.digest).toBe(first?.digest as bigint);
    expect(second?.digest).not.toBe(first?.digest as bigint);
    expect(third?.allocatedBlocks).toBe(2);
    await drive.close();
  });
});

describe("order", () => {
  test("an extent has the content of its last record, however many were queued", async () => {
    const drive = await open(platform, await newDrive(platform));
    const author = new Author();
    for (let i = 1; i <= 300; i += 1) drive.append(author.write(range(i % 3, i % 7, 5), i));
    const seeds: number[] = [];
    for (let i = 1; i <= 300; i += 1) for (let block = i % 7; block < (i % 7) + 5; block += 1) seeds[(i % 3) * 16 + block] = i;
    await durable(drive, author.noop(group(key(0))));
    for (let extent = 0; extent < 3; extent += 1) {
      for (let block = 0; block < 11; block += 1) {
        const target = range(extent, block, 1);
        expect((await contentOf(drive, target)).equals(content(target, seeds[extent * 16 + block] as number))).toBe(true);
      }
    }
    await drive.close();
  });

  test("reads beside writes of the same blocks always verify", async () => {
    const drive = await open(platform, await newDrive(platform));
    const author = new Author();
    let bad = 0;
    const target = range(0, 0, 64);
    for (let i = 0; i < 100; i += 1) {
      const write = durable(drive, author.write(target, i));
      const reads = await Promise.all([drive.read(target), drive.read(range(0, 30, 4)), drive.read(target)]);
      bad += reads.filter((read) => !read.ok).length;
      await write;
    }
    expect(bad).toBe(0);
    await drive.close();
  });

  test("reads beside drops and new writes of the extent always verify", async () => {
    const drive = await open(platform, await newDrive(platform));
    const author = new Author();
    const target = range(0, 0, 8);
    let bad = 0;
    for (let i = 0; i < 100; i += 1) {
      drive.append(author.write(target, i));
      const before = drive.read(target);
      drive.append(author.unmap(target));
      const reads = await Promise.all([before, drive.read(target), drive.describe(target).then(() => drive.read(target))]);
      bad += reads.filter((read) => !read.ok).length;
    }
    expect(bad).toBe(0);
    expect((await contentOf(drive, target)).every((byte) => byte === 0)).toBe(true);
    await drive.close();
  });
});

describe("restart", () => {
  test("after a close everything is there, and the instance is a new one", async () => {
    const directory = await newDrive(platform);
    const author = new Author();
    const drive = await open(platform, directory);
    await durable(drive, author.write(range(0, 0, 16), 1));
    await durable(drive, author.write(range(5, 100, 3), 2));
    drive.append({ type: "committed", group: group(key(0)), id: { epoch: 1 as Epoch, seq: 1 }, settled: NO_ENTRY });
    await drive.obeyStore({ storeId: "store-a", revision: 9, incarnation: 2 });
    drive.remember(17);
    await drive.close();
    const again = await open(platform, directory);
    expect(again.instance).toBe((drive.instance + 1) as typeof drive.instance);
    expect(again.images.get(group(key(0)))?.committed.seq).toBe(1);
    expect(again.superblock).toMatchObject({ storeId: "store-a", storeRevision: 17, incarnation: 2 });
    expect((await contentOf(again, range(0, 0, 16))).equals(content(range(0, 0, 16), 1))).toBe(true);
    expect((await contentOf(again, range(5, 100, 3))).equals(content(range(5, 100, 3), 2))).toBe(true);
    expect(again.space().usedBytes).toBe((19 + 2 * EXTENT_OVERHEAD_BLOCKS) * BLOCK_BYTES);
    await again.close();
  });

  test("a small journal wraps around many times", async () => {
    const directory = await newDrive(platform, { segments: 4, bytes: 1024 * 1024 });
    const author = new Author();
    let drive = await open(platform, directory);
    for (let round = 0; round < 3; round += 1) {
      for (let i = 0; i < 60; i += 1) drive.append(author.write(range(i % 5, (i * 7) % 900, 100), round * 100 + i));
      // Larger than a quarter of the journal: a batch of its own.
      await durable(drive, author.write(range(9, 0, 256), round));
      expect(drive.pendingBytes).toBe(0);
      await drive.close();
      drive = await open(platform, directory);
      expect((await contentOf(drive, range(9, 0, 256))).equals(content(range(9, 0, 256), round))).toBe(true);
      expect((await contentOf(drive, range(4, (59 * 7) % 900, 100))).equals(content(range(4, (59 * 7) % 900, 100), round * 100 + 59))).toBe(true);
    }
    expect(platform.fatals).toEqual([]);
    await drive.close();
  });
});
