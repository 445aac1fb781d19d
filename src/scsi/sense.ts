import { unreachable } from "../base/assert.ts";
import type { VolumeError } from "../volume/volume.ts";

/** SCSI status codes (SAM-5 5.3.1). */
export const GOOD = 0x00;
export const CHECK_CONDITION = 0x02;
export const CONDITION_MET = 0x04;
export const BUSY = 0x08;
export const RESERVATION_CONFLICT = 0x18;
export const TASK_SET_FULL = 0x28;

/**
 * What a command comes to. `wantedBytes` is what the command would transfer by its CDB, from which the transport computes
 * residuals; for data to the host it is the data's length.
 */
export interface ScsiResult {
  readonly status: number;
  readonly sense: Buffer | null;
  /** For the host; belongs to the transport. */
  readonly data: Buffer | null;
  readonly wantedBytes: number;
}

/** Key, additional sense code and qualifier (SPC-4 4.5.6). */
export interface Sense {
  readonly key: number;
  readonly asc: number;
  readonly ascq: number;
}
function define(key: number, asc: number, ascq: number): Sense {
  return { key, asc, ascq };
}

export const NO_SENSE = define(0x0, 0x00, 0x00);
export const ACCESS_STATE_TRANSITION = define(0x2, 0x04, 0x0a);
export const UNRECOVERED_READ_ERROR = define(0x3, 0x11, 0x00);
export const WRITE_ERROR = define(0x3, 0x0c, 0x00);
export const PARAMETER_LIST_LENGTH_ERROR = define(0x5, 0x1a, 0x00);
export const INVALID_OPERATION_CODE = define(0x5, 0x20, 0x00);
export const LBA_OUT_OF_RANGE = define(0x5, 0x21, 0x00);
export const INVALID_FIELD_IN_CDB = define(0x5, 0x24, 0x00);
export const LUN_NOT_SUPPORTED = define(0x5, 0x25, 0x00);
export const INVALID_FIELD_IN_PARAMETERS = define(0x5, 0x26, 0x00);
export const SAVING_NOT_SUPPORTED = define(0x5, 0x39, 0x00);
export const POWER_ON_OCCURRED = define(0x6, 0x29, 0x00);
export const DEVICE_RESET_OCCURRED = define(0x6, 0x29, 0x03);
export const CAPACITY_CHANGED = define(0x6, 0x2a, 0x09);
export const COMMANDS_CLEARED = define(0x6, 0x2f, 0x00);
export const REPORTED_LUNS_CHANGED = define(0x6, 0x3f, 0x0e);
export const WRITE_PROTECTED = define(0x7, 0x27, 0x00);
export const SPACE_ALLOCATION_FAILED = define(0x7, 0x27, 0x07);
export const PROTOCOL_SERVICE_ERROR = define(0xb, 0x47, 0x05);
export const MISCOMPARE = define(0xe, 0x1d, 0x00);

const FIXED_BYTES = 18;

/** Fixed format sense data (SPC-4 4.5.3). `information` is a byte offset or LBA, valid up to 32 bits. */
export function fixedSense(sense: Sense, information: number | null = null): Buffer {
  const data = Buffer.alloc(FIXED_BYTES);
  data[0] = 0x70;
  data[2] = sense.key;
  if (information !== null && information <= 0xffffffff) {
    data[0] = 0xf0;
    data.writeUInt32BE(information, 3);
  }
  data[7] = FIXED_BYTES - 8;
  data[12] = sense.asc;
  data[13] = sense.ascq;
  return data;
}

/** Descriptor format sense data without descriptors (SPC-4 4.5.2). */
export function descriptorSense(sense: Sense): Buffer {
  return Buffer.from([0x72, sense.key, sense.asc, sense.ascq, 0, 0, 0, 0]);
}

export const DONE: ScsiResult = { status: GOOD, sense: null, data: null, wantedBytes: 0 };

/** A good end that took `wantedBytes` of data from the host. */
export function taken(wantedBytes: number): ScsiResult {
  return { status: GOOD, sense: null, data: null, wantedBytes };
}

/** A good end with data for the host. */
export function given(data: Buffer): ScsiResult {
  return { status: GOOD, sense: null, data, wantedBytes: data.length };
}

export function check(sense: Sense, information: number | null = null): ScsiResult {
  return { status: CHECK_CONDITION, sense: fixedSense(sense, information), data: null, wantedBytes: 0 };
}

/** INVALID FIELD IN CDB, pointing at the CDB's byte (SPC-4 4.5.2.4.2). */
export function invalidField(byte: number): ScsiResult {
  return pointing(INVALID_FIELD_IN_CDB, 0xc0, byte);
}

/** INVALID FIELD IN PARAMETER LIST, pointing at the list's byte. */
export function invalidParameter(byte: number): ScsiResult {
  return pointing(INVALID_FIELD_IN_PARAMETERS, 0x80, byte);
}

function pointing(sense: Sense, flags: number, byte: number): ScsiResult {
  const data = fixedSense(sense);
  data[15] = flags;
  data.writeUInt16BE(byte, 16);
  return { status: CHECK_CONDITION, sense: data, data: null, wantedBytes: 0 };
}

/** The one translation of storage errors for hosts. */
export function volumeFailure(error: VolumeError, writing: boolean): ScsiResult {
  switch (error) {
    case "unavailable":
      // BUSY and no sense: every host retries it, and none counts it against the path.
      return { status: BUSY, sense: null, data: null, wantedBytes: 0 };
    case "no-space":
      return check(SPACE_ALLOCATION_FAILED);
    case "read-only":
      return check(WRITE_PROTECTED);
    case "not-ready":
      return check(ACCESS_STATE_TRANSITION);
    case "medium-error":
      return check(writing ? WRITE_ERROR : UNRECOVERED_READ_ERROR);
    case "deleted":
      return check(LUN_NOT_SUPPORTED);
    default:
      return unreachable(error);
  }
}
