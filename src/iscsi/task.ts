import { Arrival } from "../base/arrival.ts";

/**
 * A SCSI command on this session.
 *
 *   gathering --> running --> ended
 *       \____________________^  (aborted, or the session ends)
 */
export type TaskState = "gathering" | "running" | "ended";

export class Task {
  /** Initiator task tag. */
  readonly tag: number;
  readonly lun: number | null;
  readonly lunHigh: number;
  readonly lunLow: number;
  /** Expected data transfer length: what the initiator has room for, or will send. */
  readonly expectedBytes: number;
  readonly reads: boolean;
  readonly writes: boolean;
  /** Sent as immediate: outside the command window. */
  readonly immediate: boolean;

  /** First byte of the CDB. */
  readonly operation: number;
  /** 16 bytes; of its own for a task that waits, a view of what was received else. */
  cdb: Buffer;
  state: TaskState = "gathering";
  /** Ends without an answer to the initiator. */
  aborted = false;
  /** Its memory is counted in the session's share. */
  admitted = false;

  // Data from the host.
  buffer: Buffer | null = null;
  /** The buffer is from the pool. */
  pooled = false;
  /** All below this offset is there; data comes in order. */
  receivedBytes = 0;
  /** Data comes without R2T up to here; 0 once that is over. */
  unsolicitedEnd = 0;
  /** The burst that was asked for last ends here. */
  burstEnd = 0;
  /** Of the burst under way; NO_TAG while data comes unsolicited. */
  transferTag = 0;
  /** DataSN of the next Data-Out of this burst. */
  nextDataNumber = 0;
  /** R15: of the command, and once its data is here, of the last of that. */
  arrival = new Arrival(-Infinity);
  /** When the command came, in the clock of the counters; what it waits for data or memory counts. */
  startedMs = 0;
  /** The data cannot be trusted. */
  damaged = false;
  /** R2Ts sent. */
  requests = 0;

  constructor(
    tag: number,
    lun: number | null,
    lunHigh: number,
    lunLow: number,
    expectedBytes: number,
    flags: number,
    immediate: boolean,
    cdb: Buffer,
  ) {
    this.tag = tag;
    this.lun = lun;
    this.lunHigh = lunHigh;
    this.lunLow = lunLow;
    this.expectedBytes = expectedBytes;
    this.reads = (flags & 0x40) !== 0;
    this.writes = (flags & 0x20) !== 0;
    this.immediate = immediate;
    this.cdb = cdb;
    this.operation = cdb[0]!;
  }
}
