import type { GroupId } from "../../base/ids.ts";
import { FormatError, Reader, Writer } from "../../base/bytes.ts";
import { hash64 } from "../../platform/checksum.ts";
import { BLOCK_BYTES, BLOCKS_PER_EXTENT } from "../../base/geometry.ts";
import { FileError, type Platform } from "../../platform/platform.ts";
import { readId, readRange, writeId, writeRange, type BlockRange, type EntryId } from "../../wire/entry.ts";
import { PARKED } from "./layout.ts";

/** A sentence. */
const WHY_BYTES_MAX = 4096;
/** Entries that touched one range. */
const IDS_MAX = 1_000_000;

export interface Parked {
  readonly group: GroupId;
  readonly range: BlockRange;
  readonly why: string;
  readonly ids: readonly EntryId[];
  readonly parkedAtMs: number;
  /** One for each block as the drive knew it, 0 = never written. */
  readonly checksums: Uint32Array;
  /** The blocks, unverified; empty when none was ever written. */
  readonly data: Buffer;
}

/*
 * File parked/<name>
 * size | field
 *    8 | magic "VSPARKED"
 *    4 | format version, 1
 *    8 | group
 *    8 | wall-clock time, milliseconds since 1970
 *   28 | range: volume 8, lineage 8, layer 4, extent 4, first 2, count 2
 *    - | why: text (bytes 4, UTF-8)
 *    - | entry ids: list (count 4; epoch 8, seq 8)
 *    - | checksums: list (count 4; 4 each)
 *    - | data (bytes 4, then they)
 *    8 | xxHash3 of everything before
 */
export function encodeParked(parked: Parked): Buffer {
  const writer = new Writer(parked.data.length + 8192);
  for (const byte of Buffer.from("VSPARKED", "latin1")) writer.u8(byte);
  writer.u32(1).u64(parked.group).u64(Math.floor(parked.parkedAtMs));
  writeRange(writer, parked.range);
  writer.text(parked.why);
  writer.list(parked.ids, writeId);
  writer.list(parked.checksums, (w, checksum) => w.u32(checksum));
  writer.bytes(parked.data);
  const bytes = writer.finish();
  const total = Buffer.alloc(8);
  total.writeBigUInt64LE(hash64(bytes));
  return Buffer.concat([bytes, total]);
}

/** Throws FormatError when it is not what was written. */
export function decodeParked(bytes: Buffer): Parked {
  const end = bytes.length - 8;
  if (end < 12 || hash64(bytes.subarray(0, end)) !== bytes.readBigUInt64LE(end)) throw new FormatError("parked content does not match its checksum");
  const reader = new Reader(bytes, 0, end);
  if (bytes.toString("latin1", 0, 8) !== "VSPARKED") throw new FormatError("a file among the parked content is none");
  for (let i = 0; i < 8; i += 1) reader.u8();
  if (reader.u32() !== 1) throw new FormatError("parked content of an unknown version");
  const [group, parkedAtMs] = [reader.u64() as GroupId, reader.u64()];
  const range = readRange(reader);
  const why = reader.text(WHY_BYTES_MAX);
  const ids = reader.list(IDS_MAX, readId);
  const checksums = Uint32Array.from(reader.list(BLOCKS_PER_EXTENT, (r) => r.u32()));
  return { group, range, why, ids, parkedAtMs, checksums, data: reader.bytes(BLOCKS_PER_EXTENT * BLOCK_BYTES) };
}

/** Null when there is none of that name, or it is not intact. */
export async function readParked(platform: Platform, drive: string, name: string): Promise<Parked | null> {
  try {
    const file = await platform.files.open(`${drive}/${PARKED}/${name}`, {});
    try {
      const bytes = Buffer.alloc(await file.size());
      await file.read(bytes, 0, bytes.length, 0);
      return decodeParked(bytes);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof FileError || error instanceof FormatError || error instanceof RangeError) return null;
    throw error;
  }
}

/** Durable when it resolves, with the size of the file. `name` is new. */
export async function writeParked(platform: Platform, drive: string, name: string, parked: Parked): Promise<number> {
  const path = `${drive}/${PARKED}/${name}`;
  const bytes = encodeParked(parked);
  const file = await platform.files.open(`${path}.new`, { write: true, create: true });
  try {
    await file.truncate(0);
    await file.write(bytes, 0, bytes.length, 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await platform.files.rename(`${path}.new`, path);
  await platform.files.syncDirectory(`${drive}/${PARKED}`);
  return bytes.length;
}
