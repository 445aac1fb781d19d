import { SECTOR_BYTES } from "../base/geometry.ts";
import { cut } from "./inquiry.ts";
import type { Nexus } from "./nexus.ts";
import { readUInt64, writeUInt64, type Answer, type Request } from "./request.ts";
import { check, descriptorSense, fixedSense, given, invalidField, LBA_OUT_OF_RANGE, NO_SENSE, REPORTED_LUNS_CHANGED, type Sense } from "./sense.ts";

/** Physical block = 2^3 logical blocks (4 KiB). */
const PHYSICAL_EXPONENT = 3;

/** READ CAPACITY (10): SBC-3 5.15. */
export function readCapacity10(request: Request): Answer {
  // PMI and the LBA are obsolete, but an LBA without PMI was always an error.
  if ((request.cdb[8]! & 0x01) === 0 && request.cdb.readUInt32BE(2) !== 0) return invalidField(2);
  if (request.cdb.readUInt32BE(2) >= request.unit.volume.sizeLbas) return check(LBA_OUT_OF_RANGE);
  const data = Buffer.alloc(8);
  data.writeUInt32BE(Math.min(request.unit.volume.sizeLbas - 1, 0xffffffff), 0);
  data.writeUInt32BE(SECTOR_BYTES, 4);
  return given(data);
}

/** READ CAPACITY (16): SBC-3 5.16. */
export function readCapacity16(request: Request): Answer {
  const data = Buffer.alloc(32);
  writeUInt64(data, request.unit.volume.sizeLbas - 1, 0);
  data.writeUInt32BE(SECTOR_BYTES, 8);
  data[13] = PHYSICAL_EXPONENT;
  data[14] = 0xc0; // LBPME, LBPRZ
  return given(cut(data, request.cdb.readUInt32BE(10)));
}

/**
 * GET LBA STATUS (SBC-3 5.4): one descriptor up to the end that says "mapped or unknown", which is always true. The volume
 * does not tell more; hosts that ask (qemu) then read instead.
 */
export function getLbaStatus(request: Request): Answer {
  const lba = readUInt64(request.cdb, 2);
  const size = request.unit.volume.sizeLbas;
  if (lba >= size) return check(LBA_OUT_OF_RANGE);
  const data = Buffer.alloc(24);
  data.writeUInt32BE(20, 0);
  writeUInt64(data, lba, 8);
  data.writeUInt32BE(Math.min(size - lba, 0xffffffff), 16);
  return given(cut(data, request.cdb.readUInt32BE(10)));
}

/** A LUN as eight bytes: peripheral addressing below 256, flat above (SAM-5 4.7.7). */
export function encodeLun(lun: number): number {
  return lun < 256 ? lun : 0x4000 | lun;
}

/** The LUN in the eight bytes at `at`, or null when it is none that this target can have. */
export function decodeLun(buffer: Buffer, at: number): number | null {
  if (buffer.readUInt32BE(at + 4) !== 0 || buffer.readUInt16BE(at + 2) !== 0) return null;
  const first = buffer.readUInt16BE(at);
  const method = first >> 14;
  if (method > 1 || (method === 0 && first > 0xff)) return null;
  return first & 0x3fff;
}

/** REPORT LUNS (SPC-4 6.33). Answers on every LUN. Who reads the list need not be told any more that it changed (SAM-5 5.14). */
export function reportLuns(cdb: Buffer, nexus: Nexus): Answer {
  const allocation = cdb.readUInt32BE(6);
  if (cdb[2]! > 2) return invalidField(2);
  if (allocation < 16) return invalidField(6);
  // Selection 1 asks for well known units alone, and there are none.
  const luns = cdb[2] === 1 ? [] : [...nexus.units.keys()].sort((a, b) => a - b);
  const data = Buffer.alloc(8 + 8 * luns.length);
  data.writeUInt32BE(8 * luns.length, 0);
  luns.forEach((lun, i) => data.writeUInt16BE(encodeLun(lun), 8 + 8 * i));
  if (cdb[2] !== 1) nexus.dismiss(REPORTED_LUNS_CHANGED);
  return given(cut(data, allocation));
}

/** REQUEST SENSE (SPC-4 6.39). A unit attention given here is thereby reported. */
export function requestSense(cdb: Buffer, sense: Sense | null): Answer {
  const data = (cdb[1]! & 0x01) !== 0 ? descriptorSense(sense ?? NO_SENSE) : fixedSense(sense ?? NO_SENSE);
  return given(cut(data, cdb[4]!));
}

/**
 * REPORT TARGET PORT GROUPS (SPC-4 6.37). Every server serves every unit alike, so all groups are active/optimized; a group
 * is one server and holds one SCSI target port, both numbered by the portal group tag.
 */
export function reportTargetPortGroups(request: Request): Answer {
  const format = request.cdb[1]! >> 5;
  if (format > 1) return invalidField(1);
  const tags = [...new Set(request.ports().map((port) => port.groupTag))].sort((a, b) => a - b);
  const head = format === 1 ? 8 : 4;
  const data = Buffer.alloc(head + 12 * tags.length);
  data.writeUInt32BE(data.length - 4, 0);
  if (format === 1) data[4] = 0x10; // extended header; no implicit transition time
  tags.forEach((tag, i) => {
    const at = head + 12 * i;
    data[at] = 0x00; // active/optimized
    data[at + 1] = 0x01; // only active/optimized is ever reported
    data.writeUInt16BE(tag, at + 2);
    data[at + 7] = 1;
    data.writeUInt16BE(tag, at + 10);
  });
  return given(cut(data, request.cdb.readUInt32BE(6)));
}
