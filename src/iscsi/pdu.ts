/*
 * Basic header segment (RFC 7143 11.2), big-endian
 * offset | size | field
 *      0 |    1 | opcode (0x3f), immediate (0x40)
 *      1 |    1 | flags; final is 0x80
 *      2 |    2 | by opcode
 *      4 |    1 | length of the additional headers in 4-byte words
 *      5 |    3 | length of the data segment in bytes, without padding
 *      8 |    8 | LUN, or by opcode
 *     16 |    4 | initiator task tag
 *     20 |    4 | target transfer tag, or expected data transfer length
 *     24 |    4 | CmdSN (from the initiator), StatSN (from the target)
 *     28 |    4 | ExpStatSN, ExpCmdSN
 *     32 |    4 | MaxCmdSN (from the target), else by opcode
 *     36 |   12 | by opcode
 */
export const HEADER_BYTES = 48;
export const DIGEST_BYTES = 4;
export const NO_TAG = 0xffffffff;

export const AT_FLAGS = 1;
export const AT_LUN = 8;
export const AT_TASK_TAG = 16;
export const AT_TRANSFER_TAG = 20;
export const AT_EXPECTED_BYTES = 20;
export const AT_COMMAND_NUMBER = 24;
export const AT_STATUS_NUMBER = 24;
export const AT_EXPECTED_STATUS_NUMBER = 28;
export const AT_EXPECTED_COMMAND_NUMBER = 28;
export const AT_COMMAND_NUMBER_MAX = 32;
export const AT_CDB = 32;
export const AT_DATA_NUMBER = 36;
export const AT_BUFFER_OFFSET = 40;
export const AT_RESIDUAL = 44;

export const IMMEDIATE = 0x40;
export const FINAL = 0x80;

// From the initiator.
export const NOP_OUT = 0x00;
export const SCSI_COMMAND = 0x01;
export const TASK_MANAGEMENT = 0x02;
export const LOGIN = 0x03;
export const TEXT = 0x04;
export const DATA_OUT = 0x05;
export const LOGOUT = 0x06;
export const SNACK = 0x10;

// From the target.
export const NOP_IN = 0x20;
export const SCSI_RESPONSE = 0x21;
export const TASK_MANAGEMENT_RESPONSE = 0x22;
export const LOGIN_RESPONSE = 0x23;
export const TEXT_RESPONSE = 0x24;
export const DATA_IN = 0x25;
export const LOGOUT_RESPONSE = 0x26;
export const READY_TO_TRANSFER = 0x31;
export const ASYNC_MESSAGE = 0x32;
export const REJECT = 0x3f;

// Reject reasons (RFC 7143 11.17.1).
export const REJECT_SNACK = 0x03;
export const REJECT_PROTOCOL_ERROR = 0x04;
export const REJECT_NOT_SUPPORTED = 0x05;
export const REJECT_TOO_MANY_IMMEDIATE = 0x06;
export const REJECT_TASK_IN_PROGRESS = 0x07;
export const REJECT_INVALID_FIELD = 0x09;

export function opcodeOf(header: Buffer): number {
  return header[0]! & 0x3f;
}

export function isImmediate(header: Buffer): boolean {
  return (header[0]! & IMMEDIATE) !== 0;
}

export function dataLengthOf(header: Buffer): number {
  return (header[5]! << 16) | (header[6]! << 8) | header[7]!;
}

/** `a` is before `b` in serial number arithmetic (RFC 1982, 32 bits). */
export function isBefore(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}

/** The next serial number. */
export function after(number: number): number {
  return (number + 1) >>> 0;
}

/** The peer has broken the protocol: its connection is closed with `message` as the logged reason. */
export class ProtocolError extends Error {
  override name = "ProtocolError";
}
