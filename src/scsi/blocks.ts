import { SECTOR_BYTES } from "../base/geometry.ts";
import { COMPARE_LBAS_MAX, PIECE_LBAS, TRANSFER_LBAS_MAX } from "./limits.ts";
import { readUInt64, type Answer, type Request } from "./request.ts";
import {
  check,
  DONE,
  given,
  invalidField,
  INVALID_FIELD_IN_CDB,
  LBA_OUT_OF_RANGE,
  MISCOMPARE,
  taken,
  volumeFailure,
  WRITE_PROTECTED,
  type ScsiResult,
} from "./sense.ts";

/** Starting LBA of a block command, by the CDB's length (opcode group, SPC-4 4.2.5.1). */
export function lbaOf(cdb: Buffer): number {
  switch (cdb[0]! >> 5) {
    case 0:
      return ((cdb[1]! & 0x1f) << 16) | cdb.readUInt16BE(2);
    case 4:
      return readUInt64(cdb, 2);
    default:
      return cdb.readUInt32BE(2);
  }
}

/** Number of blocks of a block command. In the 6-byte CDBs 0 means 256. */
export function countOf(cdb: Buffer): number {
  switch (cdb[0]! >> 5) {
    case 0:
      return cdb[4]! || 256;
    case 4:
      return cdb.readUInt32BE(10);
    case 5:
      return cdb.readUInt32BE(6);
    default:
      return cdb.readUInt16BE(7);
  }
}

/** Null when the range lies on the unit and is short enough for one transfer. */
export function refuseRange(request: Request, lba: number, count: number, countMax: number): ScsiResult | null {
  const size = request.unit.volume.sizeLbas;
  if (lba > size || lba + count > size) return check(LBA_OUT_OF_RANGE);
  if (count > countMax) return check(INVALID_FIELD_IN_CDB);
  return null;
}

/** RDPROTECT, WRPROTECT, VRPROTECT: there is no protection information (SBC-3 4.22), so that only 0 is valid. */
function refuseProtection(cdb: Buffer): ScsiResult | null {
  return cdb[0]! >> 5 !== 0 && (cdb[1]! & 0xe0) !== 0 ? invalidField(1) : null;
}

/** READ (6), (10), (12), (16): SBC-3 5.7 to 5.10. DPO and FUA are accepted: every read is coherent with all copies. */
export function read(request: Request): Answer {
  const lba = lbaOf(request.cdb);
  const count = countOf(request.cdb);
  const refusal = refuseProtection(request.cdb) ?? refuseRange(request, lba, count, TRANSFER_LBAS_MAX);
  if (refusal !== null) return refusal;
  if (count === 0) return DONE;
  return request.unit.volume
    .read(lba, count)
    .then((outcome) => (outcome.ok ? given(outcome.value) : volumeFailure(outcome.error, false)));
}

/** WRITE (6), (10), (12), (16): SBC-3 5.32 to 5.36. Done is durable, so that FUA asks for nothing more. */
export function write(request: Request): Answer {
  const lba = lbaOf(request.cdb);
  const count = countOf(request.cdb);
  const refusal = refuseProtection(request.cdb) ?? refuseWrite(request, lba, count);
  if (refusal !== null) return refusal;
  const wanted = count * SECTOR_BYTES;
  const data = blocksToWrite(request.dataOut, wanted);
  if (data.length === 0) return taken(wanted);
  return request.unit.volume
    .write(lba, data, request.arrival)
    .then((outcome) => (outcome.ok ? taken(wanted) : volumeFailure(outcome.error, true)));
}

function refuseWrite(request: Request, lba: number, count: number): ScsiResult | null {
  if (request.unit.readOnly) return check(WRITE_PROTECTED);
  return refuseRange(request, lba, count, TRANSFER_LBAS_MAX);
}

/** The whole blocks that the host has really sent of the `wanted` bytes; what lies beyond stays as it is. */
function blocksToWrite(dataOut: Buffer, wanted: number): Buffer {
  const bytes = Math.min(dataOut.length, wanted);
  const whole = bytes - (bytes % SECTOR_BYTES);
  return whole === dataOut.length ? dataOut : dataOut.subarray(0, whole);
}

/**
 * COMPARE AND WRITE (SBC-3 5.2), VMware's lock: one step across all portals. The host sends what it expects, then what it wants
 * written. A miscompare tells the offset of its first byte.
 */
export function compareAndWrite(request: Request): Answer {
  const { cdb, dataOut, unit } = request;
  const lba = readUInt64(cdb, 2);
  const count = cdb[13]!;
  const refusal = refuseProtection(cdb) ?? (unit.readOnly ? check(WRITE_PROTECTED) : refuseRange(request, lba, count, Infinity));
  if (refusal !== null) return refusal;
  if (count > COMPARE_LBAS_MAX) return invalidField(13);
  const bytes = count * SECTOR_BYTES;
  // Half of it would be something else than the host asked for: nothing is done. 256 blocks look like none, but for their data.
  if (dataOut.length !== 2 * bytes) return invalidField(13);
  if (count === 0) return DONE;
  return unit.volume.compareAndWrite(lba, dataOut.subarray(0, bytes), dataOut.subarray(bytes), request.arrival).then((outcome) => {
    if (!outcome.ok) return volumeFailure(outcome.error, true);
    return outcome.value === null ? taken(2 * bytes) : check(MISCOMPARE, outcome.value);
  });
}

/** VERIFY (10), (12), (16): SBC-3 5.29 to 5.31. */
export function verify(request: Request): Answer {
  const { cdb } = request;
  const lba = lbaOf(cdb);
  const count = countOf(cdb);
  const compare = (cdb[1]! >> 1) & 3;
  if (compare === 2) return invalidField(1);
  const refusal = refuseProtection(cdb) ?? refuseRange(request, lba, count, TRANSFER_LBAS_MAX);
  if (refusal !== null) return refusal;
  if (count === 0) return DONE;
  return compareBlocks(request, lba, count, compare);
}

/** WRITE AND VERIFY (10), (12), (16): SBC-3 5.37 to 5.39. */
export function writeAndVerify(request: Request): Answer {
  const { cdb } = request;
  const lba = lbaOf(cdb);
  const count = countOf(cdb);
  const compare = (cdb[1]! >> 1) & 3;
  if (compare > 1) return invalidField(1);
  const refusal = refuseProtection(cdb) ?? refuseWrite(request, lba, count);
  if (refusal !== null) return refusal;
  const wanted = count * SECTOR_BYTES;
  const data = blocksToWrite(request.dataOut, wanted);
  if (data.length === 0) return taken(wanted);
  return request.unit.volume.write(lba, data, request.arrival).then(async (outcome) => {
    if (!outcome.ok) return volumeFailure(outcome.error, true);
    const verified = await compareBlocks(request, lba, data.length / SECTOR_BYTES, compare);
    return verified.status === 0 ? taken(wanted) : verified;
  });
}

/**
 * Reads the range in pieces. `compare` is BYTCHK: 0 only that it can be read, 1 against the host's data, 3 every block
 * against the one block that the host sent. A miscompare tells the offset of its first byte (SBC-3 5.29).
 */
async function compareBlocks(request: Request, lba: number, count: number, compare: number): Promise<ScsiResult> {
  const wanted = compare === 0 ? 0 : compare === 1 ? count * SECTOR_BYTES : SECTOR_BYTES;
  const expected = request.dataOut;
  if (expected.length < wanted) return invalidField(1);
  for (let done = 0; done < count; done += PIECE_LBAS) {
    const piece = Math.min(PIECE_LBAS, count - done);
    const outcome = await request.unit.volume.read(lba + done, piece);
    if (!outcome.ok) return volumeFailure(outcome.error, false);
    if (compare === 0) continue;
    for (let at = 0; at < piece * SECTOR_BYTES; at += SECTOR_BYTES) {
      const from = compare === 1 ? done * SECTOR_BYTES + at : 0;
      if (outcome.value.compare(expected, from, from + SECTOR_BYTES, at, at + SECTOR_BYTES) === 0) continue;
      let byte = 0;
      while (outcome.value[at + byte] === expected[from + byte]) byte++;
      return check(MISCOMPARE, done * SECTOR_BYTES + at + byte);
    }
  }
  return taken(wanted);
}

/** PRE-FETCH (10), (16): SBC-3 5.5, 5.6. Nothing is cached here, so that only the range is checked. */
export function prefetch(request: Request): Answer {
  return synchronizeCache(request);
}

/** SYNCHRONIZE CACHE (10), (16): SBC-3 5.25. There is no volatile cache; only the range is checked. */
export function synchronizeCache(request: Request): Answer {
  const lba = lbaOf(request.cdb);
  const size = request.unit.volume.sizeLbas;
  return lba > size || lba + countOf(request.cdb) > size ? check(LBA_OUT_OF_RANGE) : DONE;
}
