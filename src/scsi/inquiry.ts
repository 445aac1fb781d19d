import {
  COMPARE_LBAS_MAX,
  TRANSFER_LBAS_MAX,
  TRANSFER_LBAS_OPTIMAL,
  UNMAP_DESCRIPTORS_MAX,
  UNMAP_GRANULARITY_LBAS,
  UNMAP_LBAS_MAX,
  WRITE_SAME_LBAS_MAX,
} from "./limits.ts";
import { writeUInt64, type Answer, type Request } from "./request.ts";
import { given, invalidField } from "./sense.ts";
import { PRODUCT, REVISION, VENDOR, type LogicalUnit } from "./unit.ts";

/** SAM-5, iSCSI, SPC-4, SBC-3, without a version claimed (SPC-4 table 164). */
const VERSION_DESCRIPTORS = [0x00a0, 0x0960, 0x0460, 0x04c0];
const STANDARD_BYTES = 96;

/** First byte for a LUN that has no unit: qualifier 3, device type 1Fh (SPC-4 6.6.2). */
const NO_UNIT = 0x7f;

/** INQUIRY (SPC-4 6.6). `unit` is null for a LUN that is not mapped: INQUIRY answers there, too. */
export function inquiry(cdb: Buffer, unit: LogicalUnit | null, groupTag: number): Answer {
  const vital = (cdb[1]! & 0x01) !== 0;
  const code = cdb[2]!;
  const allocation = cdb.readUInt16BE(3);
  if ((cdb[1]! & 0x02) !== 0) return invalidField(1);
  if (!vital) return code === 0 ? given(cut(standard(unit), allocation)) : invalidField(2);
  if (unit === null) return code === 0 ? given(cut(Buffer.from([NO_UNIT, 0, 0, 1, 0]), allocation)) : invalidField(2);
  const make = VITAL_PAGES.get(code);
  if (make === undefined) return invalidField(2);
  const body = make(unit, groupTag);
  const page = Buffer.alloc(4 + body.length);
  page[1] = code;
  page.writeUInt16BE(body.length, 2);
  body.copy(page, 4);
  return given(cut(page, allocation));
}

export function runInquiry(request: Request): Answer {
  return inquiry(request.cdb, request.unit, request.nexus.port.groupTag);
}

/** The host gets what it has room for; what is cut off is no residual (SPC-4 4.2.5.6). */
export function cut(data: Buffer, allocationBytes: number): Buffer {
  return data.length <= allocationBytes ? data : data.subarray(0, allocationBytes);
}

function standard(unit: LogicalUnit | null): Buffer {
  const data = Buffer.alloc(STANDARD_BYTES);
  data[0] = unit === null ? NO_UNIT : 0;
  data[2] = 0x06; // SPC-4
  data[3] = 0x12; // HISUP, response data format 2
  data[4] = STANDARD_BYTES - 5;
  data[5] = 0x10; // TPGS: implicit ALUA
  data[6] = 0x10; // MULTIP
  data[7] = 0x02; // CMDQUE
  data.write(VENDOR.padEnd(8), 8, "latin1");
  data.write(PRODUCT.padEnd(16), 16, "latin1");
  data.write(REVISION.padEnd(4), 32, "latin1");
  VERSION_DESCRIPTORS.forEach((descriptor, i) => data.writeUInt16BE(descriptor, 58 + 2 * i));
  return data;
}

type MakePage = (unit: LogicalUnit, groupTag: number) => Buffer;

/** Vital product data pages, in ascending order of code, as the page 00h must list them. */
const VITAL_PAGES: ReadonlyMap<number, MakePage> = new Map<number, MakePage>([
  [0x00, () => Buffer.from([...VITAL_PAGES.keys()])],
  [0x80, (unit) => Buffer.from(unit.serial, "latin1")],
  [0x83, identification],
  [0x86, extended],
  [0xb0, blockLimits],
  [0xb1, characteristics],
  [0xb2, provisioning],
]);

/** 83h: NAA and vendor identifiers of the unit, then the port and its group (SPC-4 7.8.5). */
function identification(unit: LogicalUnit, groupTag: number): Buffer {
  const port = Buffer.alloc(4);
  port.writeUInt16BE(groupTag, 2);
  return Buffer.concat([
    designator(0x01, 0x03, Buffer.from(unit.naa, "hex")),
    designator(0x02, 0x01, Buffer.from(VENDOR.padEnd(8) + unit.serial, "latin1")),
    designator(0x51, 0x94, port),
    designator(0x51, 0x95, port),
  ]);
}

/** `head` is protocol and code set, `type` is PIV, association and designator type. For ports the protocol is iSCSI (5). */
function designator(head: number, type: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([head, type, 0, value.length]), value]);
}

/** 86h: no protection, simple, ordered and head-of-queue tasks (SPC-4 7.8.7). */
function extended(): Buffer {
  const body = Buffer.alloc(60);
  body[1] = 0x07; // HEADSUP, ORDSUP, SIMPSUP
  body[3] = 0x01; // LUICLR: unit attentions are cleared for each nexus by itself
  return body;
}

/** B0h (SBC-3 6.6.4); offsets here are without the page's four bytes of header. */
function blockLimits(): Buffer {
  const body = Buffer.alloc(60);
  body[0] = 0x01; // WSNZ
  body[1] = COMPARE_LBAS_MAX;
  body.writeUInt16BE(UNMAP_GRANULARITY_LBAS, 2);
  body.writeUInt32BE(TRANSFER_LBAS_MAX, 4);
  body.writeUInt32BE(TRANSFER_LBAS_OPTIMAL, 8);
  body.writeUInt32BE(UNMAP_LBAS_MAX, 16);
  body.writeUInt32BE(UNMAP_DESCRIPTORS_MAX, 20);
  body.writeUInt32BE(UNMAP_GRANULARITY_LBAS, 24);
  body.writeUInt32BE(0x80000000, 28); // UGAVALID, alignment 0
  writeUInt64(body, WRITE_SAME_LBAS_MAX, 32);
  return body;
}

/** B1h: a medium that does not rotate, so that hosts do not sort for seeks (SBC-3 6.6.5). */
function characteristics(): Buffer {
  const body = Buffer.alloc(60);
  body.writeUInt16BE(1, 0);
  return body;
}

/** B2h: UNMAP and WRITE SAME unmap; unmapped blocks read as zeros; thin (SBC-3 6.6.7). */
function provisioning(): Buffer {
  return Buffer.from([0, 0xe4, 0x02, 0]);
}
