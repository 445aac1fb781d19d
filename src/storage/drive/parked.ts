import type { GroupId } from "../../base/ids.ts";
import { Writer } from "../../base/bytes.ts";
import { hash64 } from "../../platform/checksum.ts";
import type { Platform } from "../../platform/platform.ts";
import { writeId, writeRange, type BlockRange, type EntryId } from "../../wire/entry.ts";
import { PARKED } from "./layout.ts";

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

/** Durable when it resolves. `name` is new. */
export async function writeParked(platform: Platform, drive: string, name: string, parked: Parked): Promise<void> {
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
}
