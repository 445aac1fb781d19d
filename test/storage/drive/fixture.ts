import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BLOCK_BYTES, BLOCKS_PER_EXTENT } from "../../../src/base/geometry.ts";
import type { DriveId, Epoch, ExtentIndex, GroupId, Instance, VolumeId } from "../../../src/base/ids.ts";
import { groupId } from "../../../src/cluster/schema.ts";
import { blockChecksum } from "../../../src/platform/checksum.ts";
import { realClock } from "../../../src/platform/clock.ts";
import { realCrypto } from "../../../src/platform/crypto.ts";
import { realFiles } from "../../../src/platform/files.ts";
import type { FatalReason, Log, Platform } from "../../../src/platform/platform.ts";
import { realNetwork } from "../../../src/platform/network.ts";
import { realRandom } from "../../../src/platform/random.ts";
import { formatDrive } from "../../../src/storage/drive/format.ts";
import type { LocalDrive } from "../../../src/storage/drive/local-drive.ts";
import { openDrive } from "../../../src/storage/drive/open.ts";
import type { CopyRecord, EntryRecord, JournalRecord } from "../../../src/storage/drive/records.ts";
import { NO_ENTRY, type BlockRange, type EntryHeader, type EntryId, type EntryKind, type ExtentKey } from "../../../src/wire/entry.ts";

export const DRIVE = "00000000000000d1" as DriveId;
export const CLUSTER = "0123456789abcdef0123456789abcdef";
export const GROUPS = 4;
export const group = (key: ExtentKey): GroupId => groupId(1, key.extent % GROUPS);
export const MIB = 1024 * 1024;

export interface TestPlatform extends Platform {
  readonly fatals: { reason: FatalReason; detail: string }[];
  readonly errors: string[];
}
/** The real one, except that `fatal` is recorded and thrown, and the log is kept. */
export function testPlatform(): TestPlatform {
  const fatals: TestPlatform["fatals"] = [];
  const errors: string[] = [];
  const log: Log = { debug() {}, info() {}, warn() {}, error: (message, fields) => void errors.push(`${message} ${JSON.stringify(fields)}`), child: () => log };
  return {
    clock: realClock(),
    crypto: realCrypto(),
    files: realFiles(),
    network: realNetwork(),
    random: realRandom(),
    log,
    fatals,
    errors,
    fatal(reason, detail): never {
      fatals.push({ reason, detail });
      throw new Error(`fatal ${reason}: ${detail}`);
    },
  };
}

const directories: string[] = [];
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "drive-"));
  directories.push(directory);
  return directory;
}
export function removeDirectories(): void {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
}

export async function newDrive(platform: Platform, journal = { segments: 2, bytes: 4 * MIB }): Promise<string> {
  const directory = temporaryDirectory();
  await formatDrive(platform, {
    directory,
    driveId: DRIVE,
    clusterId: CLUSTER,
    incarnation: 1,
    capacityBytes: 1024 * MIB,
    journalSegments: journal.segments,
    journalSegmentBytes: journal.bytes,
  });
  return directory;
}
export function open(platform: Platform, directory: string): Promise<LocalDrive> {
  return openDrive(platform, { directory, group, expectedClusterId: CLUSTER });
}

export function key(extent: number, volume = 7): ExtentKey {
  return { volume: volume as VolumeId, lineage: volume as VolumeId, layer: 0, extent: extent as ExtentIndex };
}
export function range(extent: number, first: number, count: number, volume = 7): BlockRange {
  return { ...key(extent, volume), first, count };
}

/** Blocks whose every word depends on `seed` and the block's number. */
export function content({ first, count }: BlockRange, seed: number): Buffer {
  const data = Buffer.alloc(count * BLOCK_BYTES);
  for (let i = 0; i < count; i += 1) data.fill(Buffer.from([seed, seed >>> 8, seed >>> 16, first + i, (first + i) >>> 8, 1, 2, 3]), i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES);
  return data;
}
export function checksumsOf(target: BlockRange, data: Buffer): Uint32Array {
  return Uint32Array.from({ length: target.count }, (_, i) =>
    blockChecksum(data.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES), target.lineage, target.extent * BLOCKS_PER_EXTENT + target.first + i),
  );
}

/** Makes entries that follow each other, per group. */
export class Author {
  readonly last = new Map<GroupId, EntryId>();
  #header(target: BlockRange, kind: EntryKind, of: GroupId): EntryHeader {
    const previous = this.last.get(of) ?? NO_ENTRY;
    const id = { epoch: 1 as Epoch, seq: previous.seq + 1 };
    this.last.set(of, id);
    return { ...target, ...id, previous, kind, gateway: 0 as Instance, operation: 0, oldestOpen: 0, result: 0 };
  }
  write(target: BlockRange, seed: number, skip: EntryRecord["skip"] = null): EntryRecord {
    const data = content(target, seed);
    return { type: "entry", group: group(target), entry: this.#header(target, "write", group(target)), data, checksums: checksumsOf(target, data), skip };
  }
  unmap(target: BlockRange, skip: EntryRecord["skip"] = null): EntryRecord {
    return { type: "entry", group: group(target), entry: this.#header(target, "unmap", group(target)), data: null, checksums: null, skip };
  }
  purge(volume: number, of: GroupId): EntryRecord {
    return { type: "entry", group: of, entry: this.#header(range(0, 0, 0, volume), "purge", of), data: null, checksums: null, skip: null };
  }
  noop(of: GroupId): EntryRecord {
    return { type: "entry", group: of, entry: this.#header(range(0, 0, 0, 0), "no-op", of), data: null, checksums: null, skip: null };
  }
}

export function copy(target: BlockRange, seed: number, version: EntryId | null, wanted: (block: number) => boolean = () => true): CopyRecord {
  const data = content(target, seed);
  const checksums = checksumsOf(target, data).map((checksum, i) => (version && wanted(target.first + i) ? checksum : 0));
  return { type: "copy", group: group(target), lost: false, range: target, version, checksums, data: checksums.some((checksum) => checksum !== 0) ? data : Buffer.alloc(0) };
}

export function durable(drive: LocalDrive, record: JournalRecord): Promise<void> {
  return new Promise((resolve) => drive.append(record, resolve));
}
export function applied(drive: LocalDrive, record: JournalRecord): Promise<void> {
  return new Promise((resolve) => drive.append(record, null, resolve));
}
/** The blocks' content, or which are bad. */
export async function contentOf(drive: LocalDrive, target: BlockRange): Promise<Buffer> {
  const read = await drive.read(target);
  if (!read.ok) throw new Error(`bad blocks ${read.badBlocks.join(",")}`);
  return read.data.length > 0 ? read.data : Buffer.alloc(target.count * BLOCK_BYTES);
}
