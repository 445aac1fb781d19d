import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "bun:test";
import { BLOCK_BYTES } from "../../../src/base/geometry.ts";
import type { DriveId, Epoch, Instance, VolumeId } from "../../../src/base/ids.ts";
import { groupId } from "../../../src/cluster/schema.ts";
import { BATCH_HEADER_BYTES, batchLength, isBatchIntact, peekBatch, sealBatch } from "../../../src/storage/drive/batch.ts";
import { readNewestCheckpoint, writeCheckpoint } from "../../../src/storage/drive/checkpoint.ts";
import { snapshotImage } from "../../../src/storage/drive/image-codec.ts";
import { ReplicaImage } from "../../../src/storage/drive/image.ts";
import { encodeParked } from "../../../src/storage/drive/parked.ts";
import { decodeRecord, encodeRecord, measureRecord } from "../../../src/storage/drive/record-codec.ts";
import type { JournalRecord } from "../../../src/storage/drive/records.ts";
import { encodeSegmentHeader } from "../../../src/storage/drive/ring.ts";
import { decodeSuperblock, encodeSuperblock, type Superblock } from "../../../src/storage/drive/superblock.ts";
import { encodeTrailer, readTrailerSlots, Trailer, TRAILER_SLOT_BYTES } from "../../../src/storage/drive/trailer.ts";
import { NO_ENTRY, type EntryHeader } from "../../../src/wire/entry.ts";
import { Author, CLUSTER, copy, DRIVE, key, range, removeDirectories, temporaryDirectory, testPlatform } from "./fixture.ts";

// Bytes on the disks of our users: a change here is a new format version. `VECTORS=write` makes the files anew.
afterEach(removeDirectories);
const VECTORS = join(import.meta.dir, "../../vectors/drive");

function golden(name: string, bytes: Buffer): Buffer {
  const path = join(VECTORS, `${name}.bin`);
  if (process.env["VECTORS"] === "write") {
    mkdirSync(VECTORS, { recursive: true });
    writeFileSync(path, bytes);
  }
  expect(existsSync(path)).toBe(true);
  const expected = readFileSync(path);
  expect(bytes.toString("hex")).toBe(expected.toString("hex"));
  return expected;
}

const version = { epoch: 5 as Epoch, seq: 600 };
const config = { incarnation: 1, epoch: 5 as Epoch, primary: DRIVE, primaryInstance: 3 as Instance, members: [DRIVE, "00000000000000d2" as DriveId], learners: [], nonce: 12345 };

function records(): JournalRecord[] {
  const author = new Author();
  const group = groupId(1, 0);
  const header = (seq: number): EntryHeader => ({ ...author.noop(group).entry, epoch: version.epoch, seq, previous: { epoch: version.epoch, seq: seq - 1 } });
  return [
    new Author().write(range(4, 1000, 1), 42, [1, 0x80000001]),
    new Author().unmap(range(8, 0, 1024)),
    { type: "config", group, config },
    { type: "catch-up", group, common: version, base: { ...version, seq: 599 }, entries: [header(600), header(601)] },
    copy(range(4, 6, 2), 9, version, (block) => block === 7),
    copy(range(4, 0, 1024), 0, null),
    { type: "caught-up", group, through: version, operations: [{ gateway: 2 ** 40 as Instance, operation: 7, result: 1 }], purged: [2 ** 33 as VolumeId] },
    { type: "mark", group, ranges: [range(4, 16, 32)] },
    { type: "adopt", group, common: version, entries: [header(601)] },
    { type: "committed", group, id: version, settled: { ...version, seq: 599 } },
    { type: "forget", group },
    { ...copy(range(4, 6, 2), 9, version), lost: true, data: Buffer.alloc(0) },
    { type: "accept-loss", group, config: { ...config, loss: { epoch: config.epoch, atMs: 7, drives: [{ drive: DRIVE, instance: 3 as Instance }], unknownThrough: 2 ** 33 as VolumeId } } },
  ];
}

test("superblock", () => {
  const superblock: Superblock = {
    generation: 9,
    clusterId: CLUSTER,
    driveId: DRIVE,
    journalId: 0x123456789abc,
    journalSegments: 32,
    journalSegmentBytes: 64 * 1024 * 1024,
    capacityBytes: 4e12,
    instance: 8 as Instance,
    incarnation: 2,
    storeId: "store-ä",
    storeRevision: 77,
  };
  expect(decodeSuperblock(golden("superblock", encodeSuperblock(superblock)))).toEqual(superblock);
});

test("journal segment", () => {
  const buffer = Buffer.alloc(BLOCK_BYTES);
  encodeSegmentHeader(buffer, { journalId: 0x123456789abc, segments: 4, segmentBytes: 1024 * 1024 }, 2);
  golden("segment", buffer);
});

test("journal batch with a record of each type", () => {
  const list = records();
  const encoded = list.map(measureRecord);
  const length = batchLength(encoded.reduce((sum, record) => sum + record.length, 0));
  const buffer = Buffer.alloc(length, 0xee);
  let at = BATCH_HEADER_BYTES;
  list.forEach((record, i) => {
    encodeRecord(buffer, at, record, encoded[i] as never);
    at += encoded[i]?.length ?? 0;
  });
  sealBatch(buffer, { journalId: 0x123456789abc, number: 17, position: 81920, length, records: list.length }, at);
  const bytes = golden("batch", buffer);
  expect(isBatchIntact(bytes)).toBe(true);
  expect(peekBatch(bytes, 0, 0x123456789abc)).toEqual({ journalId: 0x123456789abc, number: 17, position: 81920, length, records: list.length });
  let offset = BATCH_HEADER_BYTES;
  for (const expected of list) {
    const { record, next } = decodeRecord(bytes, offset, length);
    expect(record).toEqual(expected);
    offset = next;
  }
});

test("trailer", () => {
  const trailer = new Trailer();
  trailer.version = version;
  trailer.set(0, 0x11111111);
  trailer.set(33, 0x22222222);
  trailer.set(1023, 0xffffffff);
  const slots = Buffer.alloc(2 * TRAILER_SLOT_BYTES);
  encodeTrailer(slots.subarray(0, TRAILER_SLOT_BYTES), DRIVE, key(5), trailer, 1);
  encodeTrailer(slots.subarray(TRAILER_SLOT_BYTES), DRIVE, key(5), trailer, 2);
  golden("trailer", slots.subarray(TRAILER_SLOT_BYTES));
  const read = readTrailerSlots(slots, DRIVE, key(5));
  trailer.generation = 2;
  expect(read).toEqual({ trailer, state: "whole" });
  expect(readTrailerSlots(slots, DRIVE, key(6)).state).toBe("lost");
});

test("checkpoint", async () => {
  const image = new ReplicaImage(groupId(1, 0));
  image.reduce({ type: "config", group: image.group, config });
  const author = new Author();
  for (let i = 0; i < 3; i += 1) image.reduce({ ...author.write(range(4, i, 1), i), entry: { ...author.write(range(4, i, 1), i).entry, seq: i + 1, previous: i === 0 ? { epoch: 0 as Epoch, seq: 0 } : { epoch: 1 as Epoch, seq: i }, gateway: 77 as Instance, operation: i, oldestOpen: 0 } });
  image.reduce({ type: "mark", group: image.group, ranges: [range(4, 0, 8)] });
  image.reduce({ type: "committed", group: image.group, id: { epoch: 1 as Epoch, seq: 2 }, settled: NO_ENTRY });
  image.incomplete = true;
  image.incompleteThrough = { epoch: 1 as Epoch, seq: 1 };
  image.damaged = true;
  image.diverged = [image.log.entries[2] as EntryHeader];
  image.purged.add(99 as VolumeId);
  const platform = testPlatform();
  const directory = temporaryDirectory();
  mkdirSync(`${directory}/checkpoints`);
  const header = { driveId: DRIVE, number: 12, journalId: 0x123456789abc, next: { batch: 17, position: 81920 }, usedBlocks: 3, clean: true, images: 1 };
  await writeCheckpoint(platform, directory, header, [snapshotImage(image)]);
  expect(readdirSync(`${directory}/checkpoints`)).toEqual(["000000000012"]);
  golden("checkpoint", readFileSync(`${directory}/checkpoints/000000000012`));
  const read = await readNewestCheckpoint(platform, directory);
  expect(read?.header).toEqual(header);
  expect(snapshotImage(read?.images.get(image.group) as ReplicaImage)).toEqual(snapshotImage(image));
});

test("parked data", () => {
  const target = range(4, 9, 1);
  const { checksums, data } = new Author().write(target, 3);
  golden("parked", encodeParked({ group: groupId(1, 0), range: target, why: "diverged", ids: [version], parkedAtMs: 1_700_000_000_000, checksums: checksums as Uint32Array, data: data as Buffer }));
});
