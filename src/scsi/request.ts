import type { Arrival } from "../base/arrival.ts";
import type { Nexus } from "./nexus.ts";
import type { LogicalUnit, TargetPort } from "./unit.ts";
import type { ScsiResult } from "./sense.ts";

/** A command on its way through the device server. */
export interface Request {
  readonly nexus: Nexus;
  readonly lun: number;
  readonly unit: LogicalUnit;
  /** At least 16 bytes; valid only until the command's function returns or first awaits. */
  readonly cdb: Buffer;
  /** What the host has sent; may be shorter than the CDB asks for. Unchanged until the command ends. */
  readonly dataOut: Buffer;
  /** R15: of the command; all that it changes is stamped by it. */
  readonly arrival: Arrival;
  /** All target ports of the cluster. */
  readonly ports: () => readonly TargetPort[];
}

export type Answer = ScsiResult | Promise<ScsiResult>;
export type Run = (request: Request) => Answer;

/** A 64-bit field as a number; exact up to 2^53, and above that larger than any volume anyway. */
export function readUInt64(buffer: Buffer, at: number): number {
  return buffer.readUInt32BE(at) * 4294967296 + buffer.readUInt32BE(at + 4);
}

export function writeUInt64(buffer: Buffer, value: number, at: number): void {
  buffer.writeUInt32BE(Math.floor(value / 4294967296), at);
  buffer.writeUInt32BE(value % 4294967296, at + 4);
}
