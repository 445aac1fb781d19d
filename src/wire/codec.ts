import { FormatError, Reader, Writer } from "../base/bytes.ts";
import { BLOCK_BYTES, BLOCKS_PER_CHUNK, BLOCKS_PER_EXTENT, EXTENT_BYTES, SECTOR_BYTES, SECTORS_PER_BLOCK, SECTORS_PER_EXTENT } from "../base/geometry.ts";
import type { Epoch, GroupId, Instance, VolumeId } from "../base/ids.ts";
import { groupConfig, parseValue, type GroupConfig } from "../cluster/schema.ts";
import * as e from "./entry.ts";
import { COMMAND_RESULTS, COMPARE_SECTORS_MAX, type Blocks, type CommandResult, type Credits, type Message, type Modifying } from "./messages.ts";

/** Data of the largest message: a copy of a whole extent would be this long; writes are shorter. */
export const DATA_BYTES_MAX = EXTENT_BYTES;
/** Header fields of the largest message: a tail with ENTRIES_MAX headers. */
export const HEAD_BYTES_MAX = 16 * 1024 * 1024;
/** Of a reason to park something: a sentence. */
const WHY_BYTES_MAX = 1024;
const CONFIG_BYTES_MAX = 64 * 1024;
const GROUPS_MAX = 65536;
const RANGES_MAX = 1 << 20;
const EXTENTS_MAX = 4096;
const OPERATIONS_MAX = 1 << 20;
const NO_DATA = Buffer.alloc(0);

/** Type numbers on the wire; README.md has the table. Numbers 1 to 9 are the hello's. */
export const MESSAGE_TYPES: Record<Message["type"], number> = {
  fence: 10, tail: 11, mark: 12, adopt: 13, settled: 14, fetch: 15, fetched: 16,
  replicate: 20, replicated: 21, gap: 22, "catch-up": 23, manifest: 24, differs: 25, copy: 26, "caught-up": 27, "stale-epoch": 28,
  beacon: 30, "beacon-ok": 31,
  inspect: 35, inspected: 36, park: 37,
  read: 40, "read-done": 41, write: 42, unmap: 43, done: 44, clock: 45, "compare-and-write": 46,
};
const TYPE_NAMES = new Map(Object.entries(MESSAGE_TYPES).map(([name, number]) => [number, name as Message["type"]]));

/** The message's own fields; its data, if any, travels behind them. */
export function encodeHead(message: Message): Buffer {
  const w = new Writer(192);
  writeHead(w, message);
  return w.finish();
}

/** As `encodeHead`, into memory that is used again and again. */
export function writeHead(w: Writer, message: Message): void {
  switch (message.type) {
    case "fence":
      w.text(JSON.stringify(message.config)).list(message.dead, (x, dead) => x.text(dead.id).u64(dead.instance));
      break;
    case "stale-epoch":
      w.text(JSON.stringify(message.config));
      break;
    case "tail":
      w.u8(message.damaged ? 1 : 0).u8(message.incomplete ? 1 : 0);
      for (const id of [message.completeThrough, message.committed, message.base, message.last]) e.writeId(w, id);
      e.writeEntries(w, message.entries);
      e.writeEntries(w, message.diverged);
      w.list(message.reconciling, e.writeRange);
      break;
    case "mark":
      w.list(message.ranges, e.writeRange);
      e.writeId(w, message.common);
      w.list(message.adopted, e.writeId);
      break;
    case "adopt":
      e.writeId(w, message.common);
      e.writeEntries(w, message.entries);
      break;
    case "settled":
      break;
    case "read":
      e.writeRange(w, message.range);
      break;
    case "fetch":
      e.writeRange(w, message.range);
      w.u8(message.content ? 1 : 0);
      break;
    case "fetched":
      w.u8(message.content ? 1 : 0).list(message.badBlocks, (x, block) => x.u16(block));
      writeBlocks(w, message);
      break;
    case "inspect":
      writeInterval(w, { after: message.from, through: message.through });
      break;
    case "inspected":
      w.list(message.extents, (x, extent) => {
        writeExtent(x, extent);
        x.u8(extent.known ? 1 : 0);
      });
      break;
    case "park":
      e.writeRange(w, message.range);
      w.text(message.why);
      break;
    case "copy":
      w.u16(message.allocates).u8(message.lost ? 1 : 0);
      writeBlocks(w, message);
      w.u16(message.clean.first).u16(message.clean.count);
      break;
    case "replicate": {
      const { buffer, offset } = w.fixed(e.ENTRY_HEADER_BYTES);
      e.writeEntry(buffer, offset, message.entry);
      e.writeId(w, message.committed);
      w.u16(message.allocates);
      writeChecksums(w, message.checksums ?? new Uint32Array(0));
      break;
    }
    case "replicated":
      e.writeId(w, message.through);
      writeCredits(w, message.credits);
      break;
    case "gap":
      e.writeId(w, message.through);
      break;
    case "catch-up":
      e.writeId(w, message.common);
      e.writeId(w, message.base);
      e.writeEntries(w, message.entries);
      w.u8(message.dirty ? 1 : 0).list(message.dirty ?? [], e.writeRange);
      break;
    case "manifest":
      writeInterval(w, message);
      w.list(message.extents, writeExtent);
      break;
    case "differs":
      w.list(message.extents, (x, { key, held }) => {
        e.writeExtentKey(x, key);
        x.u8(held ? 1 : 0).bytes(held ? new Uint8Array(held.buffer, held.byteOffset, held.byteLength) : NO_DATA);
      });
      break;
    case "caught-up":
      e.writeId(w, message.through);
      w.list(message.operations, (x, o) => x.u64(o.gateway).u64(o.operation).u8(o.result));
      w.list(message.purged, (x, volume) => x.u64(volume));
      break;
    case "beacon":
      w.u64(message.number).list(message.groups, (x, g) => e.writeId(x.u32(g.group).u64(g.epoch), g.committed));
      break;
    case "beacon-ok":
      writeCredits(w.u64(message.number), message.credits);
      w.list(message.groups, (x, g) => x.u32(g.group).u64(g.epoch));
      break;
    case "write":
    case "compare-and-write":
      e.writeExtentKey(w, message.key);
      w.u16(message.firstSector).u16(message.sectorCount);
      writeModifying(w, message);
      writeChecksums(w, message.checksums);
      break;
    case "unmap":
      e.writeRange(w, message.range);
      writeModifying(w, message);
      break;
    case "read-done":
      w.u8(COMMAND_RESULTS.indexOf(message.result)).f64(message.clock);
      writeChecksums(w, message.checksums);
      break;
    case "done":
      w.u8(COMMAND_RESULTS.indexOf(message.result)).f64(message.clock);
      if (message.result === "miscompare") w.u32(message.offset ?? 0);
      break;
    case "clock":
      w.f64(message.clock);
      break;
  }
}

export function messageData(message: Message): Buffer {
  switch (message.type) {
    case "fetched":
    case "copy":
    case "read-done":
    case "write":
    case "compare-and-write":
      return message.data;
    case "replicate":
      return message.data ?? NO_DATA;
    default:
      return NO_DATA;
  }
}

/** Throws `FormatError` for anything that is not a whole, well-formed message. */
export function decodeMessage(type: number, common: { group: GroupId; epoch: Epoch; tag: number }, head: Buffer, data: Buffer): Message {
  const name = TYPE_NAMES.get(type);
  if (name === undefined) throw new FormatError(`a message of unknown type ${type}`);
  const r = new Reader(head);
  const message = decodeFields(name, common, r, data);
  r.end();
  if (messageData(message).length !== data.length) throw new FormatError(`data behind a ${name} message that has none`);
  return message;
}

function decodeFields(type: Message["type"], common: { group: GroupId; epoch: Epoch; tag: number }, r: Reader, data: Buffer): Message {
  switch (type) {
    case "fence": {
      const config = readConfig(r);
      return { ...common, type, config, dead: r.list(1024, (x) => ({ id: x.text(64), instance: x.u64() as Instance })) };
    }
    case "stale-epoch":
      return { ...common, type, config: readConfig(r) };
    case "tail": {
      const damaged = r.u8() !== 0;
      const incomplete = r.u8() !== 0;
      const [completeThrough, committed, base, last] = [e.readId(r), e.readId(r), e.readId(r), e.readId(r)];
      const entries = e.readEntries(r);
      const diverged = e.readEntries(r);
      return { ...common, type, damaged, incomplete, completeThrough, committed, base, last, entries, diverged, reconciling: r.list(RANGES_MAX, e.readRange) };
    }
    case "mark":
      return { ...common, type, ranges: r.list(RANGES_MAX, e.readRange), common: e.readId(r), adopted: r.list(e.ENTRIES_MAX, e.readId) };
    case "adopt":
      return { ...common, type, common: e.readId(r), entries: e.readEntries(r) };
    case "settled":
      return { ...common, type };
    case "read":
      return { ...common, type, range: someBlocks(e.readRange(r)) };
    case "fetch":
      return { ...common, type, range: someBlocks(e.readRange(r)), content: r.u8() !== 0 };
    case "fetched": {
      const content = r.u8() !== 0;
      const badBlocks = r.list(BLOCKS_PER_EXTENT, (x) => x.u16());
      if (content ? badBlocks.length > 0 : data.length > 0) throw new FormatError("bad blocks with content, or content where there is none");
      return { ...common, type, content, badBlocks, ...readBlocks(r, data, content) };
    }
    case "inspect": {
      const { after, through } = readInterval(r);
      return { ...common, type, from: after, through };
    }
    case "inspected":
      return { ...common, type, extents: r.list(EXTENTS_MAX, (x) => ({ ...readExtent(x), known: x.u8() !== 0 })) };
    case "park":
      return { ...common, type, range: someBlocks(e.readRange(r)), why: r.text(WHY_BYTES_MAX) };
    case "copy": {
      const allocates = r.u16();
      const lost = r.u8() !== 0;
      const blocks = readBlocks(r, data, !lost);
      if (lost && (data.length > 0 || !blocks.version)) throw new FormatError("lost blocks with content, or of no extent");
      const clean = { first: r.u16(), count: r.u16() };
      if (clean.first % BLOCKS_PER_CHUNK !== 0 || clean.count % BLOCKS_PER_CHUNK !== 0 || clean.first + clean.count > BLOCKS_PER_EXTENT) throw new FormatError("a copy that cleans no whole chunks");
      return { ...common, type, allocates, lost, ...blocks, clean };
    }
    case "replicate": {
      const { buffer, offset } = r.fixed(e.ENTRY_HEADER_BYTES);
      const entry = e.readEntry(buffer, offset);
      const committed = e.readId(r);
      const allocates = r.u16();
      const checksums = readChecksums(r);
      if (entry.kind !== "write") {
        if (checksums.length !== 0) throw new FormatError("checksums on an entry without data");
        return { ...common, type, entry, committed, allocates, checksums: null, data: null };
      }
      if (checksums.length !== entry.count || data.length !== entry.count * BLOCK_BYTES || entry.count === 0) throw new FormatError("a write entry whose data does not fit its range");
      return { ...common, type, entry, committed, allocates, checksums, data };
    }
    case "replicated":
      return { ...common, type, through: e.readId(r), credits: readCredits(r) };
    case "gap":
      return { ...common, type, through: e.readId(r) };
    case "catch-up": {
      const [shared, base] = [e.readId(r), e.readId(r)];
      const entries = e.readEntries(r);
      const delta = r.u8() !== 0;
      const ranges = r.list(RANGES_MAX, e.readRange);
      return { ...common, type, common: shared, base, entries, dirty: delta ? ranges : null };
    }
    case "manifest": {
      const interval = readInterval(r);
      return { ...common, type, ...interval, extents: r.list(EXTENTS_MAX, readExtent) };
    }
    case "differs":
      return { ...common, type, extents: r.list(EXTENTS_MAX, (x) => ({ key: e.readExtentKey(x), held: readDigests(x) })) };
    case "caught-up": {
      const through = e.readId(r);
      const operations = r.list(OPERATIONS_MAX, (x) => ({ gateway: x.u64() as Instance, operation: x.u64(), result: x.u8() }));
      return { ...common, type, through, operations, purged: r.list(RANGES_MAX, (x) => x.u64() as VolumeId) };
    }
    case "beacon":
      return { ...common, type, number: r.u64(), groups: r.list(GROUPS_MAX, (x) => ({ group: x.u32() as GroupId, epoch: x.u64() as Epoch, committed: e.readId(x) })) };
    case "beacon-ok":
      return { ...common, type, number: r.u64(), credits: readCredits(r), groups: r.list(GROUPS_MAX, (x) => ({ group: x.u32() as GroupId, epoch: x.u64() as Epoch })) };
    case "compare-and-write":
    case "write": {
      const key = e.readExtentKey(r);
      const [firstSector, sectorCount] = [r.u16(), r.u16()];
      const modifying = readModifying(r);
      const checksums = readChecksums(r);
      const blocks = Math.ceil((firstSector + sectorCount) / SECTORS_PER_BLOCK) - Math.floor(firstSector / SECTORS_PER_BLOCK);
      const halves = type === "write" ? 1 : 2;
      const fits = data.length === halves * sectorCount * SECTOR_BYTES && checksums.length === halves * blocks;
      if (sectorCount === 0 || firstSector + sectorCount > SECTORS_PER_EXTENT || !fits) throw new FormatError(`a ${type} whose data does not fit its range`);
      if (halves === 2 && sectorCount > COMPARE_SECTORS_MAX) throw new FormatError("a compare-and-write of too many sectors");
      return { ...common, type, key, firstSector, sectorCount, ...modifying, checksums, data };
    }
    case "unmap": {
      const range = someBlocks(e.readRange(r));
      return { ...common, type, range, ...readModifying(r) };
    }
    case "read-done":
      return { ...common, type, result: readResult(r), clock: r.f64(), checksums: readChecksums(r), data };
    case "done": {
      const [result, clock] = [readResult(r), r.f64()];
      return result === "miscompare" ? { ...common, type, result, clock, offset: r.u32() } : { ...common, type, result, clock };
    }
    case "clock":
      return { ...common, type, clock: r.f64() };
  }
}

function writeCredits(w: Writer, { limit, settled }: Credits): void {
  w.u64(limit).u64(settled);
}
function readCredits(r: Reader): Credits {
  return { limit: r.u64(), settled: r.u64() };
}
function readConfig(r: Reader): GroupConfig {
  const text = r.text(CONFIG_BYTES_MAX);
  try {
    return parseValue(groupConfig, "pg", text);
  } catch {
    throw new FormatError("a config that is not valid");
  }
}
function readResult(r: Reader): CommandResult {
  const result = COMMAND_RESULTS[r.u8()];
  if (result === undefined) throw new FormatError("an unknown command result");
  return result;
}
function someBlocks(range: e.BlockRange): e.BlockRange {
  if (range.count === 0) throw new FormatError("a range without blocks");
  return range;
}
function writeModifying(w: Writer, m: Modifying): void {
  w.u64(m.gateway).u64(m.operation).u64(m.oldestOpen).u64(m.stampInstance).f64(m.stampMs);
}
function readModifying(r: Reader): Modifying {
  return { gateway: r.u64() as Instance, operation: r.u64(), oldestOpen: r.u64(), stampInstance: r.u64() as Instance, stampMs: r.f64() };
}
interface Interval {
  readonly after: e.ExtentKey | null;
  readonly through: e.ExtentKey | null;
}
function writeInterval(w: Writer, { after, through }: Interval): void {
  for (const end of [after, through]) {
    w.u8(end ? 1 : 0);
    if (end) e.writeExtentKey(w, end);
  }
}
function readInterval(r: Reader): Interval {
  const after = r.u8() ? e.readExtentKey(r) : null;
  return { after, through: r.u8() ? e.readExtentKey(r) : null };
}
interface ExtentDigest {
  readonly key: e.ExtentKey;
  readonly version: e.EntryId;
  readonly digest: bigint;
}
function writeExtent(w: Writer, { key, version, digest }: ExtentDigest): void {
  e.writeExtentKey(w, key);
  e.writeId(w, version);
  w.u32(Number(digest & 0xffffffffn)).u32(Number(digest >> 32n));
}
function readExtent(r: Reader): ExtentDigest {
  return { key: e.readExtentKey(r), version: e.readId(r), digest: BigInt(r.u32()) | (BigInt(r.u32()) << 32n) };
}
function writeBlocks(w: Writer, blocks: Blocks): void {
  e.writeRange(w, blocks.range);
  w.u8(blocks.version ? 1 : 0);
  e.writeId(w, blocks.version ?? e.NO_ENTRY);
  writeChecksums(w, blocks.checksums);
}
/** `content` false: the checksums stand alone. */
function readBlocks(r: Reader, data: Buffer, content = true): Blocks {
  const range = e.readRange(r);
  const exists = r.u8() !== 0;
  const version = e.readId(r);
  const checksums = readChecksums(r);
  if (checksums.length !== range.count && checksums.length !== 0) throw new FormatError("not one checksum for each block");
  if (data.length !== 0 && data.length !== range.count * BLOCK_BYTES) throw new FormatError("data that does not fit its range");
  if (data.length !== 0 && checksums.length === 0) throw new FormatError("data without checksums");
  if (!content && checksums.length === 0) throw new FormatError("neither content nor checksums");
  if (content && data.length === 0 && checksums.some((sum) => sum !== 0)) throw new FormatError("checksums without data");
  return { range, version: exists ? version : null, checksums, data };
}
function readDigests(r: Reader): BigUint64Array | null {
  const known = r.u8() !== 0;
  const raw = r.bytes(BLOCKS_PER_EXTENT * 8);
  if (raw.length !== 0 && (!known || raw.length !== BLOCKS_PER_EXTENT * 8)) throw new FormatError("not one digest for each block");
  const digests = new BigUint64Array(raw.length / 8);
  new Uint8Array(digests.buffer).set(raw);
  return known ? digests : null;
}
export function writeChecksums(w: Writer, checksums: Uint32Array): void {
  w.bytes(new Uint8Array(checksums.buffer, checksums.byteOffset, checksums.byteLength));
}
export function readChecksums(r: Reader): Uint32Array {
  const raw = r.bytes(BLOCKS_PER_EXTENT * 4);
  if (raw.length % 4 !== 0) throw new FormatError("checksums cut in the middle");
  const checksums = new Uint32Array(raw.length / 4);
  new Uint8Array(checksums.buffer).set(raw);
  return checksums;
}
