import { assert, unreachable } from "../../base/assert.ts";
import { FormatError, Reader, readU64, Writer, writeU64 } from "../../base/bytes.ts";
import { BLOCK_BYTES, BLOCKS_PER_EXTENT } from "../../base/geometry.ts";
import type { Epoch, ExtentIndex, GroupId, Instance, VolumeId } from "../../base/ids.ts";
import { groupConfig, parseValue } from "../../cluster/schema.ts";
import { ENTRY_HEADER_BYTES, readEntries, readEntry, readId, readRange, writeEntries, writeEntry, writeId, writeRange } from "../../wire/entry.ts";
import type { CopyRecord, EntryRecord, JournalRecord, OperationResult } from "./records.ts";

/*
 * Journal record, packed without gaps after the header of its batch
 * offset | size | field
 *      0 |    4 | length in bytes, these included
 *      4 |    1 | type: 1 entry, 2 config, 3 catch-up, 4 copy, 5 caught-up, 6 mark, 7 adopt, 8 committed, 9 forget, 10 accept-loss
 *      5 |    1 | flags: 1 data, 2 skip (entry); 1 data, 2 version, 4 lost (copy); else 0
 *      6 |    2 | entry: number of checksums; else 0
 *      8 |    8 | group
 *     16 |    - | body
 *
 * Body of an entry                            | Body of a copy
 *     16 |  104 | entry header (wire/entry.ts)|     16 |   24 | volume, lineage, layer, extent (8, 8, 4, 4)
 *    120 |    8 | skip, two words             |     40 |    4 | first block, block count (2, 2)
 *    128 |   4n | checksums                   |     44 |    4 | reserved, 0
 *      - | 4096n| data                        |     48 |   16 | version: epoch, seq
 *                                             |     64 |   4n | checksums, n = block count
 *                                             |      - | 4096n| data, when flagged
 * Others: config, accept-loss: text, JSON | catch-up: id common, id base, list of entry headers | caught-up: id through, list of
 * (gateway 8, operation 8, result 1), list of volume 8 | mark: list of ranges (28 each) | adopt: id common, list of entry
 * headers | committed: id, id settled | forget: nothing. An id is epoch 8, seq 8; a list has its count (4) in front, a text its bytes (4).
 */
export const RECORD_HEADER_BYTES = 16;
const ENTRY_FIXED_BYTES = RECORD_HEADER_BYTES + ENTRY_HEADER_BYTES + 8;
const COPY_FIXED_BYTES = 64;
const TYPES = ["", "entry", "config", "catch-up", "copy", "caught-up", "mark", "adopt", "committed", "forget", "accept-loss"] as const;
/** A config of three members is 300 bytes; this only bounds what a damaged record may claim. */
const CONFIG_BYTES_MAX = 65536;
const LIST_MAX = 1 << 20;

/** A record ready for the journal: its length is known, its bulk data is copied once, into the batch. */
export interface Encoded {
  readonly length: number;
  /** Whole record for the kinds without bulk data, else null. */
  readonly bytes: Buffer | null;
}

export function measureRecord(record: JournalRecord): Encoded {
  if (record.type === "entry") {
    const blocks = record.checksums?.length ?? 0;
    assert((record.data?.length ?? 0) === blocks * BLOCK_BYTES, "an entry has one checksum for each block of its data");
    assert(blocks === 0 || blocks === record.entry.count, "an entry's data covers its range");
    return { length: ENTRY_FIXED_BYTES + blocks * (4 + BLOCK_BYTES), bytes: null };
  }
  if (record.type === "copy") {
    assert(record.checksums.length === record.range.count, "a copy has one checksum for each block");
    assert(!record.lost || (record.data.length === 0 && record.version !== null), "lost blocks are of an extent and have no content");
    assert(record.data.length === 0 || record.data.length === record.range.count * BLOCK_BYTES, "a copy carries all its blocks or none");
    return { length: COPY_FIXED_BYTES + 4 * record.checksums.length + record.data.length, bytes: null };
  }
  const writer = new Writer();
  writer.u32(0).u8(TYPES.indexOf(record.type)).u8(0).u16(0).u64(record.group);
  writeBody(writer, record);
  const bytes = writer.finish();
  bytes.writeUInt32LE(bytes.length, 0);
  return { length: bytes.length, bytes };
}

/** Writes at `offset`; `encoded` is what `measureRecord` gave for the record. */
export function encodeRecord(buffer: Buffer, offset: number, record: JournalRecord, encoded: Encoded): void {
  if (encoded.bytes) {
    encoded.bytes.copy(buffer, offset);
    return;
  }
  buffer.writeUInt32LE(encoded.length, offset);
  buffer.writeUInt8(TYPES.indexOf(record.type), offset + 4);
  writeU64(buffer, record.group, offset + 8);
  if (record.type === "entry") encodeEntry(buffer, offset, record);
  else if (record.type === "copy") encodeCopy(buffer, offset, record);
}

function encodeEntry(buffer: Buffer, offset: number, { entry, checksums, data, skip }: EntryRecord): void {
  buffer.writeUInt8((data ? 1 : 0) | (skip ? 2 : 0), offset + 5);
  buffer.writeUInt16LE(checksums?.length ?? 0, offset + 6);
  writeEntry(buffer, offset + 16, entry);
  buffer.writeUInt32LE((skip?.[0] ?? 0) >>> 0, offset + 120);
  buffer.writeUInt32LE((skip?.[1] ?? 0) >>> 0, offset + 124);
  if (checksums && data) putBlocks(buffer, offset + ENTRY_FIXED_BYTES, checksums, data);
}

function encodeCopy(buffer: Buffer, offset: number, { range, version, checksums, data, lost }: CopyRecord): void {
  buffer.writeUInt8((data.length > 0 ? 1 : 0) | (version ? 2 : 0) | (lost ? 4 : 0), offset + 5);
  buffer.writeUInt16LE(0, offset + 6);
  writeU64(buffer, range.volume, offset + 16);
  writeU64(buffer, range.lineage, offset + 24);
  buffer.writeUInt32LE(range.layer, offset + 32);
  buffer.writeUInt32LE(range.extent, offset + 36);
  buffer.writeUInt16LE(range.first, offset + 40);
  buffer.writeUInt16LE(range.count, offset + 42);
  buffer.writeUInt32LE(0, offset + 44);
  writeU64(buffer, version?.epoch ?? 0, offset + 48);
  writeU64(buffer, version?.seq ?? 0, offset + 56);
  putBlocks(buffer, offset + COPY_FIXED_BYTES, checksums, data);
}

function putBlocks(buffer: Buffer, offset: number, checksums: Uint32Array, data: Buffer): void {
  for (let i = 0; i < checksums.length; i += 1) buffer.writeUInt32LE(checksums[i] as number, offset + 4 * i);
  data.copy(buffer, offset + 4 * checksums.length);
}

/** The record at `offset` and where the next one begins. Its data is a part of `buffer`. Throws `FormatError`. */
export function decodeRecord(buffer: Buffer, offset: number, end: number): { record: JournalRecord; next: number } {
  if (offset + RECORD_HEADER_BYTES > end) throw new FormatError("a journal record ends too early");
  const length = buffer.readUInt32LE(offset);
  if (length < RECORD_HEADER_BYTES || offset + length > end) throw new FormatError("a journal record has a wrong length");
  const next = offset + length;
  const type = TYPES[buffer.readUInt8(offset + 4)];
  const flags = buffer.readUInt8(offset + 5);
  const group = readU64(buffer, offset + 8) as GroupId;
  if (type === "entry") return { record: decodeEntry(buffer, offset, next, group, flags), next };
  if (type === "copy") return { record: decodeCopy(buffer, offset, next, group, flags), next };
  const reader = new Reader(buffer, offset + RECORD_HEADER_BYTES, next);
  const record = readBody(reader, type, group);
  reader.end();
  return { record, next };
}

function decodeEntry(buffer: Buffer, offset: number, next: number, group: GroupId, flags: number): EntryRecord {
  const blocks = buffer.readUInt16LE(offset + 6);
  if (next - offset !== ENTRY_FIXED_BYTES + blocks * (4 + BLOCK_BYTES)) throw new FormatError("an entry record has a wrong length");
  const at = offset + ENTRY_FIXED_BYTES;
  return {
    type: "entry",
    group,
    entry: readEntry(buffer, offset + 16),
    checksums: flags & 1 ? getChecksums(buffer, at, blocks) : null,
    data: flags & 1 ? buffer.subarray(at + 4 * blocks, next) : null,
    skip: flags & 2 ? [buffer.readUInt32LE(offset + 120), buffer.readUInt32LE(offset + 124)] : null,
  };
}

function decodeCopy(buffer: Buffer, offset: number, next: number, group: GroupId, flags: number): CopyRecord {
  if (next - offset < COPY_FIXED_BYTES) throw new FormatError("a copy record ends too early");
  const first = buffer.readUInt16LE(offset + 40);
  const count = buffer.readUInt16LE(offset + 42);
  const dataBytes = flags & 1 ? count * BLOCK_BYTES : 0;
  if (next - offset !== COPY_FIXED_BYTES + 4 * count + dataBytes) throw new FormatError("a copy record has a wrong length");
  if (first + count > BLOCKS_PER_EXTENT) throw new FormatError("a copy's range is outside its extent");
  const at = offset + COPY_FIXED_BYTES;
  return {
    type: "copy",
    group,
    lost: (flags & 4) !== 0,
    range: {
      volume: readU64(buffer, offset + 16) as VolumeId,
      lineage: readU64(buffer, offset + 24) as VolumeId,
      layer: buffer.readUInt32LE(offset + 32),
      extent: buffer.readUInt32LE(offset + 36) as ExtentIndex,
      first,
      count,
    },
    version: flags & 2 ? { epoch: readU64(buffer, offset + 48) as Epoch, seq: readU64(buffer, offset + 56) } : null,
    checksums: getChecksums(buffer, at, count),
    data: buffer.subarray(at + 4 * count, next),
  };
}

function getChecksums(buffer: Buffer, offset: number, count: number): Uint32Array {
  const checksums = new Uint32Array(count);
  for (let i = 0; i < count; i += 1) checksums[i] = buffer.readUInt32LE(offset + 4 * i);
  return checksums;
}

type SmallRecord = Exclude<JournalRecord, EntryRecord | CopyRecord>;
function writeBody(writer: Writer, record: SmallRecord): void {
  switch (record.type) {
    case "config":
    case "accept-loss":
      writer.text(JSON.stringify(record.config));
      return;
    case "catch-up":
      writeId(writer, record.common);
      writeId(writer, record.base);
      return writeEntries(writer, record.entries);
    case "caught-up":
      writeId(writer, record.through);
      writeOperations(writer, record.operations);
      writer.list(record.purged, (w, volume) => w.u64(volume));
      return;
    case "mark":
      writer.list(record.ranges, writeRange);
      return;
    case "adopt":
      writeId(writer, record.common);
      return writeEntries(writer, record.entries);
    case "committed":
      writeId(writer, record.id);
      return writeId(writer, record.settled);
    case "forget":
      return;
    default:
      unreachable(record);
  }
}

function readBody(reader: Reader, type: (typeof TYPES)[number] | undefined, group: GroupId): JournalRecord {
  switch (type) {
    case "config":
    case "accept-loss":
      return { type, group, config: readConfig(reader) };
    case "catch-up":
      return { type, group, common: readId(reader), base: readId(reader), entries: readEntries(reader) };
    case "caught-up":
      return { type, group, through: readId(reader), operations: readOperations(reader), purged: reader.list(LIST_MAX, (r) => r.u64() as VolumeId) };
    case "mark":
      return { type, group, ranges: reader.list(LIST_MAX, readRange) };
    case "adopt":
      return { type, group, common: readId(reader), entries: readEntries(reader) };
    case "committed":
      return { type, group, id: readId(reader), settled: readId(reader) };
    case "forget":
      return { type, group };
    default:
      throw new FormatError("a journal record of an unknown type");
  }
}

export function writeOperations(writer: Writer, operations: readonly OperationResult[]): void {
  writer.list(operations, (w, { gateway, operation, result }) => w.u64(gateway).u64(operation).u8(result));
}
export function readOperations(reader: Reader): OperationResult[] {
  return reader.list(LIST_MAX, (r) => ({ gateway: r.u64() as Instance, operation: r.u64(), result: r.u8() }));
}
export function readConfig(reader: Reader) {
  const text = reader.text(CONFIG_BYTES_MAX);
  try {
    return parseValue(groupConfig, "of a journalled config", text);
  } catch (error) {
    throw new FormatError(error instanceof Error ? error.message : String(error));
  }
}
