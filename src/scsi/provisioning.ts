import { SECTOR_BYTES } from "../base/geometry.ts";
import { countOf, lbaOf, refuseRange } from "./blocks.ts";
import { PIECE_LBAS, UNMAP_DESCRIPTORS_MAX, UNMAP_LBAS_MAX, WRITE_SAME_LBAS_MAX } from "./limits.ts";
import { readUInt64, type Answer, type Request } from "./request.ts";
import {
  check,
  invalidField,
  invalidParameter,
  LBA_OUT_OF_RANGE,
  PARAMETER_LIST_LENGTH_ERROR,
  taken,
  volumeFailure,
  WRITE_PROTECTED,
  type ScsiResult,
} from "./sense.ts";

/*
 * UNMAP parameter list (SBC-3 5.28.2)
 * offset | size | field
 *      0 |    2 | data length after this field
 *      2 |    2 | length of the block descriptors
 *      4 |    4 | reserved
 *      8 | 16 n | descriptors: LBA (8), number of blocks (4), reserved (4)
 */
const UNMAP_HEADER_BYTES = 8;
const UNMAP_DESCRIPTOR_BYTES = 16;

/** UNMAP (SBC-3 5.28). Everything is checked before anything is unmapped. */
export function unmap(request: Request): Answer {
  const { cdb, dataOut, unit } = request;
  if (unit.readOnly) return check(WRITE_PROTECTED);
  if ((cdb[1]! & 0x01) !== 0) return invalidField(1);
  const listBytes = cdb.readUInt16BE(7);
  if (listBytes === 0) return taken(0);
  if (listBytes < UNMAP_HEADER_BYTES || dataOut.length < listBytes) return check(PARAMETER_LIST_LENGTH_ERROR);
  const described = Math.min(dataOut.readUInt16BE(2), listBytes - UNMAP_HEADER_BYTES);
  const count = Math.floor(described / UNMAP_DESCRIPTOR_BYTES);
  if (count > UNMAP_DESCRIPTORS_MAX) return invalidParameter(2);
  const ranges: { lba: number; count: number }[] = [];
  let total = 0;
  for (let i = 0; i < count; i++) {
    const at = UNMAP_HEADER_BYTES + i * UNMAP_DESCRIPTOR_BYTES;
    const lba = readUInt64(dataOut, at);
    const blocks = dataOut.readUInt32BE(at + 8);
    if (lba > unit.volume.sizeLbas || lba + blocks > unit.volume.sizeLbas) return check(LBA_OUT_OF_RANGE);
    total += blocks;
    if (total > UNMAP_LBAS_MAX) return invalidParameter(at + 8);
    if (blocks > 0) ranges.push({ lba, count: blocks });
  }
  if (ranges.length === 0) return taken(listBytes);
  return unmapRanges(request, ranges, listBytes);
}

async function unmapRanges(
  request: Request,
  ranges: readonly { lba: number; count: number }[],
  wanted: number,
): Promise<ScsiResult> {
  for (const range of ranges) {
    const outcome = await request.unit.volume.unmap(range.lba, range.count, request.arrival);
    if (!outcome.ok) return volumeFailure(outcome.error, true);
  }
  return taken(wanted);
}

/** WRITE SAME (10), (16): SBC-3 5.42, 5.43. Zeros are unmapped, since unmapped blocks read as zeros (LBPRZ). */
export function writeSame(request: Request): Answer {
  const { cdb, dataOut, unit } = request;
  if (unit.readOnly) return check(WRITE_PROTECTED);
  const lba = lbaOf(cdb);
  const count = countOf(cdb);
  const flags = cdb[1]!;
  // NDOB (no data-out buffer: zeros) exists in the 16-byte form alone; in the 10-byte form the bit is reserved.
  const withoutData = cdb[0] === 0x93 && (flags & 0x01) !== 0;
  // WRPROTECT; ANCHOR, which B2 does not offer; PBDATA and LBDATA, obsolete.
  if ((flags & 0xf6) !== 0) return invalidField(1);
  // 0 blocks would mean all to the end, which nothing bounds: the Block Limits page says WSNZ.
  if (count === 0 || count > WRITE_SAME_LBAS_MAX) return invalidField(cdb[0] === 0x93 ? 10 : 7);
  const refusal = refuseRange(request, lba, count, WRITE_SAME_LBAS_MAX);
  if (refusal !== null) return refusal;
  if (!withoutData && dataOut.length !== SECTOR_BYTES) return invalidField(0);
  const wanted = withoutData ? 0 : SECTOR_BYTES;
  if (withoutData || isZero(dataOut)) {
    return unit.volume.unmap(lba, count, request.arrival).then((outcome) => (outcome.ok ? taken(wanted) : volumeFailure(outcome.error, true)));
  }
  // With UNMAP and a pattern the device server writes the pattern (SBC-3 5.42: unmapped blocks would not read as it).
  return writePattern(request, lba, count);
}

async function writePattern(request: Request, lba: number, count: number): Promise<ScsiResult> {
  const pattern = Buffer.alloc(Math.min(count, PIECE_LBAS) * SECTOR_BYTES, request.dataOut);
  for (let done = 0; done < count; done += PIECE_LBAS) {
    const piece = Math.min(PIECE_LBAS, count - done);
    const outcome = await request.unit.volume.write(lba + done, pattern.subarray(0, piece * SECTOR_BYTES), request.arrival);
    if (!outcome.ok) return volumeFailure(outcome.error, true);
  }
  return taken(SECTOR_BYTES);
}

function isZero(data: Buffer): boolean {
  for (let at = 0; at < data.length; at++) if (data[at] !== 0) return false;
  return true;
}
