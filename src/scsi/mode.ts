import { SECTOR_BYTES } from "../base/geometry.ts";
import { cut } from "./inquiry.ts";
import { writeUInt64, type Answer, type Request } from "./request.ts";
import { check, given, invalidField, SAVING_NOT_SUPPORTED } from "./sense.ts";

/** WP: this host may not write. */
const WRITE_PROTECT = 0x80;
/** DPOFUA: the bits DPO and FUA are understood. */
const DPO_AND_FUA = 0x10;

/** Mode pages by code; nothing in them can be changed, so that MODE SELECT does not exist here. */
const PAGES: ReadonlyMap<number, Buffer> = new Map([
  [0x08, caching()],
  [0x0a, control()],
  [0x1c, exceptions()],
]);

/** MODE SENSE (6) and (10): SPC-4 6.11, 6.12. */
export function modeSense(request: Request): Answer {
  const { cdb, unit } = request;
  const long = cdb[0] === 0x5a;
  const code = cdb[2]! & 0x3f;
  const kind = cdb[2]! >> 6;
  const subpage = cdb[3]!;
  if (kind === 3) return check(SAVING_NOT_SUPPORTED);
  if (subpage !== 0x00 && !(code === 0x3f && subpage === 0xff)) return invalidField(3);
  const pages = code === 0x3f ? [...PAGES.values()] : [PAGES.get(code)];
  const body: Buffer[] = [];
  for (const page of pages) {
    if (page === undefined) return invalidField(2);
    body.push(kind === 1 ? nothingChangeable(page) : page);
  }
  const descriptor = (cdb[1]! & 0x08) !== 0 ? Buffer.alloc(0) : blockDescriptor(unit.volume.sizeLbas, long && (cdb[1]! & 0x10) !== 0);
  const header = Buffer.alloc(long ? 8 : 4);
  const total = header.length + descriptor.length + body.reduce((sum, page) => sum + page.length, 0);
  const specific = DPO_AND_FUA | (unit.readOnly ? WRITE_PROTECT : 0);
  if (long) {
    header.writeUInt16BE(total - 2, 0);
    header[3] = specific;
    header[4] = descriptor.length === 16 ? 1 : 0;
    header.writeUInt16BE(descriptor.length, 6);
  } else {
    header[0] = total - 1;
    header[2] = specific;
    header[3] = descriptor.length;
  }
  return given(cut(Buffer.concat([header, descriptor, ...body]), long ? cdb.readUInt16BE(7) : cdb[4]!));
}

/** Short (8 bytes) or, when the host takes it (LLBAA), long (16 bytes): SBC-3 6.4.2. */
function blockDescriptor(sizeLbas: number, long: boolean): Buffer {
  const descriptor = Buffer.alloc(long ? 16 : 8);
  if (long) {
    writeUInt64(descriptor, sizeLbas, 0);
    descriptor.writeUInt32BE(SECTOR_BYTES, 12);
  } else {
    descriptor.writeUInt32BE(Math.min(sizeLbas, 0xffffffff), 0);
    descriptor.writeUInt32BE(SECTOR_BYTES, 4);
  }
  return descriptor;
}

/** The mask of changeable bits: the page's head and zeros. */
function nothingChangeable(page: Buffer): Buffer {
  const mask = Buffer.alloc(page.length);
  page.copy(mask, 0, 0, 2);
  return mask;
}

/** WCE 0: what is acknowledged is durable. */
function caching(): Buffer {
  const page = Buffer.alloc(20);
  page[0] = 0x08;
  page[1] = 18;
  return page;
}

/** Unrestricted reordering, commands of other nexuses survive an error (QERR 0), fixed format sense. */
function control(): Buffer {
  const page = Buffer.alloc(12);
  page[0] = 0x0a;
  page[1] = 10;
  page[3] = 0x10;
  page.writeUInt16BE(0xffff, 8); // busy timeout: without limit
  return page;
}

function exceptions(): Buffer {
  const page = Buffer.alloc(12);
  page[0] = 0x1c;
  page[1] = 10;
  page[2] = 0x08; // DEXCPT: no exceptions are reported
  return page;
}
