import { assert } from "../base/assert.ts";
import { FormatError, readU64, writeU64, type Reader, type Writer } from "../base/bytes.ts";
import { BLOCKS_PER_EXTENT } from "../base/geometry.ts";
import type { Epoch, ExtentIndex, Instance, VolumeId } from "../base/ids.ts";

/** protocol: Entry id. Ordered lexicographically; seq never restarts. (0, 0) stands before the first entry. */
export interface EntryId {
  readonly epoch: Epoch;
  readonly seq: number;
}
export const NO_ENTRY: EntryId = { epoch: 0 as Epoch, seq: 0 };
export function compareIds(a: EntryId, b: EntryId): number {
  return a.epoch - b.epoch || a.seq - b.seq;
}
export function sameId(a: EntryId, b: EntryId): boolean {
  return a.epoch === b.epoch && a.seq === b.seq;
}
export function laterId(a: EntryId, b: EntryId): EntryId {
  return compareIds(a, b) >= 0 ? a : b;
}
export function showId(id: EntryId): string {
  return `(${id.epoch},${id.seq})`;
}

/** One extent of one volume's layer. `lineage` places it and is part of its blocks' checksums. */
export interface ExtentKey {
  readonly volume: VolumeId;
  readonly lineage: VolumeId;
  /** 0 until the volume has snapshots. */
  readonly layer: number;
  readonly extent: ExtentIndex;
}
/** `count` 4 KiB blocks of an extent from block `first`. */
export interface BlockRange extends ExtentKey {
  readonly first: number;
  readonly count: number;
}
export function sameExtent(a: ExtentKey, b: ExtentKey): boolean {
  return a.extent === b.extent && a.volume === b.volume && a.layer === b.layer;
}
export function overlaps(a: BlockRange, b: BlockRange): boolean {
  return sameExtent(a, b) && a.first < b.first + b.count && b.first < a.first + a.count;
}

/** `write` and `unmap` name a range; `no-op` ends a reconcile (R7e); `purge` drops a deleted volume (R21). */
export type EntryKind = "write" | "unmap" | "no-op" | "purge" | "snapshot";
const KINDS: readonly (EntryKind | undefined)[] = [undefined, "write", "unmap", "no-op", "purge", "snapshot"];

export interface EntryHeader extends BlockRange, EntryId {
  readonly previous: EntryId;
  readonly kind: EntryKind;
  /** R16: gateway instance and counter; 0 and 0 when no gateway asked for it. */
  readonly gateway: Instance;
  readonly operation: number;
  /** The gateway has no open operation below this: their recorded answers may be forgotten. */
  readonly oldestOpen: number;
  /** The recorded answer: 0 is success. */
  readonly result: number;
}

/*
 * Entry header, 104 bytes, in frames, journal records and checkpoints
 * offset | size | field
 *      0 |    8 | epoch
 *      8 |    8 | seq
 *     16 |    8 | previous epoch
 *     24 |    8 | previous seq
 *     32 |    1 | kind: 1 write, 2 unmap, 3 no-op, 4 purge, 5 snapshot (not yet used)
 *     33 |    1 | result
 *     34 |    2 | first block
 *     36 |    2 | block count
 *     38 |    2 | reserved, 0
 *     40 |    4 | layer
 *     44 |    4 | extent
 *     48 |    8 | volume
 *     56 |    8 | lineage
 *     64 |    8 | gateway instance
 *     72 |    8 | operation counter
 *     80 |    8 | oldest open operation
 *     88 |    8 | snapshot id, 0
 *     96 |    8 | reserved, 0
 */
export const ENTRY_HEADER_BYTES = 104;

export function writeEntry(buffer: Buffer, offset: number, entry: EntryHeader): void {
  assert(entry.seq > 0 && compareIds(entry.previous, entry) < 0, "an entry follows its previous one");
  writeU64(buffer, entry.epoch, offset);
  writeU64(buffer, entry.seq, offset + 8);
  writeU64(buffer, entry.previous.epoch, offset + 16);
  writeU64(buffer, entry.previous.seq, offset + 24);
  buffer.writeUInt8(KINDS.indexOf(entry.kind), offset + 32);
  buffer.writeUInt8(entry.result, offset + 33);
  buffer.writeUInt16LE(entry.first, offset + 34);
  buffer.writeUInt16LE(entry.count, offset + 36);
  buffer.writeUInt16LE(0, offset + 38);
  buffer.writeUInt32LE(entry.layer, offset + 40);
  buffer.writeUInt32LE(entry.extent, offset + 44);
  writeU64(buffer, entry.volume, offset + 48);
  writeU64(buffer, entry.lineage, offset + 56);
  writeU64(buffer, entry.gateway, offset + 64);
  writeU64(buffer, entry.operation, offset + 72);
  writeU64(buffer, entry.oldestOpen, offset + 80);
  buffer.fill(0, offset + 88, offset + ENTRY_HEADER_BYTES);
}

/** Throws `FormatError` for anything that `writeEntry` could not have written. */
export function readEntry(buffer: Buffer, offset: number): EntryHeader {
  const kind = KINDS[buffer.readUInt8(offset + 32)];
  if (kind === undefined) throw new FormatError("an entry of an unknown kind");
  const entry: EntryHeader = {
    epoch: readU64(buffer, offset) as Epoch,
    seq: readU64(buffer, offset + 8),
    previous: { epoch: readU64(buffer, offset + 16) as Epoch, seq: readU64(buffer, offset + 24) },
    kind,
    result: buffer.readUInt8(offset + 33),
    first: buffer.readUInt16LE(offset + 34),
    count: buffer.readUInt16LE(offset + 36),
    layer: buffer.readUInt32LE(offset + 40),
    extent: buffer.readUInt32LE(offset + 44) as ExtentIndex,
    volume: readU64(buffer, offset + 48) as VolumeId,
    lineage: readU64(buffer, offset + 56) as VolumeId,
    gateway: readU64(buffer, offset + 64) as Instance,
    operation: readU64(buffer, offset + 72),
    oldestOpen: readU64(buffer, offset + 80),
  };
  if (entry.first + entry.count > BLOCKS_PER_EXTENT) throw new FormatError("an entry's range is outside its extent");
  if (entry.seq === 0 || compareIds(entry.previous, entry) >= 0) throw new FormatError("an entry does not follow its previous one");
  return entry;
}

export function writeEntries(writer: Writer, entries: readonly EntryHeader[]): void {
  writer.list(entries, (w, entry) => {
    const { buffer, offset } = w.fixed(ENTRY_HEADER_BYTES);
    writeEntry(buffer, offset, entry);
  });
}
/** More headers than a tail holds: logs are cut at the commit point, which is saved every second. */
export const ENTRIES_MAX = 131072;
export function readEntries(reader: Reader): EntryHeader[] {
  return reader.list(ENTRIES_MAX, (r) => {
    const { buffer, offset } = r.fixed(ENTRY_HEADER_BYTES);
    return readEntry(buffer, offset);
  });
}
export function writeId(writer: Writer, id: EntryId): void {
  writer.u64(id.epoch).u64(id.seq);
}
export function readId(reader: Reader): EntryId {
  return { epoch: reader.u64() as Epoch, seq: reader.u64() };
}
export function writeExtentKey(writer: Writer, key: ExtentKey): void {
  writer.u64(key.volume).u64(key.lineage).u32(key.layer).u32(key.extent);
}
export function readExtentKey(reader: Reader): ExtentKey {
  return { volume: reader.u64() as VolumeId, lineage: reader.u64() as VolumeId, layer: reader.u32(), extent: reader.u32() as ExtentIndex };
}
export function writeRange(writer: Writer, range: BlockRange): void {
  writeExtentKey(writer, range);
  writer.u16(range.first).u16(range.count);
}
export function readRange(reader: Reader): BlockRange {
  const key = readExtentKey(reader);
  const first = reader.u16();
  const count = reader.u16();
  if (first + count > BLOCKS_PER_EXTENT) throw new FormatError("a range is outside its extent");
  return { ...key, first, count };
}
