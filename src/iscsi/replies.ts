import type { ScsiResult } from "../scsi/sense.ts";
import type { Parameters } from "./keys.ts";
import type { Numbers } from "./numbers.ts";
import type { Outbox } from "./outbox.ts";
import {
  AT_BUFFER_OFFSET,
  AT_DATA_NUMBER,
  AT_LUN,
  AT_RESIDUAL,
  AT_TASK_TAG,
  AT_TRANSFER_TAG,
  DATA_IN,
  FINAL,
  NO_TAG,
  NOP_IN,
  READY_TO_TRANSFER,
  REJECT,
  SCSI_RESPONSE,
} from "./pdu.ts";
import type { Task } from "./task.ts";

const OVERFLOW = 0x04;
const UNDERFLOW = 0x02;
const WITH_STATUS = 0x01;

/** Writes what the target says in full feature phase into the outbox. */
export class Replies {
  readonly outbox: Outbox;
  readonly numbers: Numbers;
  readonly #parameters: Parameters;

  constructor(outbox: Outbox, numbers: Numbers, parameters: Parameters) {
    this.outbox = outbox;
    this.numbers = numbers;
    this.#parameters = parameters;
  }

  /** Data-In PDUs and the status of a command, in one PDU where that is possible (RFC 7143 11.4, 11.7). */
  result(task: Task, result: ScsiResult): void {
    const data = task.reads ? result.data : null;
    const sent = data === null ? 0 : Math.min(data.length, task.expectedBytes);
    // Data that the CDB moves the other way than the initiator says has no room at all: all of it is overflow.
    const agreed = result.data !== null ? task.reads : task.writes || result.wantedBytes === 0;
    const residual = agreed ? result.wantedBytes - task.expectedBytes : result.wantedBytes;
    const flags = residual > 0 ? OVERFLOW : residual < 0 ? UNDERFLOW : 0;
    const status = result.sense === null && sent > 0;
    let pieces = 0;
    if (data !== null && sent > 0) pieces = this.#dataIn(task, data, sent, status ? flags | WITH_STATUS : 0, result.status, residual);
    if (!status) this.#response(task, result, flags, residual, pieces);
  }

  /** `last`: flags of the last PDU. Each burst ends with F; no PDU crosses a burst. Returns how many PDUs it were. */
  #dataIn(task: Task, data: Buffer, total: number, last: number, status: number, residual: number): number {
    const { outbox, numbers } = this;
    const pieceMax = this.#parameters.initiatorDataBytesMax;
    const burstMax = this.#parameters.maxBurstBytes;
    let number = 0;
    let burstEnd = burstMax;
    for (let offset = 0; offset < total; ) {
      const length = Math.min(pieceMax, burstEnd - offset, total - offset);
      const end = offset + length;
      const isLast = end === total;
      const at = outbox.open(DATA_IN, isLast ? FINAL | last : end === burstEnd ? FINAL : 0, length);
      const { buffer } = outbox;
      buffer.writeUInt32BE(task.tag, at + AT_TASK_TAG);
      buffer.writeUInt32BE(NO_TAG, at + AT_TRANSFER_TAG);
      buffer.writeUInt32BE(number++, at + AT_DATA_NUMBER);
      buffer.writeUInt32BE(offset, at + AT_BUFFER_OFFSET);
      if (isLast && (last & WITH_STATUS) !== 0) {
        buffer[at + 3] = status;
        buffer.writeUInt32BE(Math.abs(residual), at + AT_RESIDUAL);
        numbers.stamp(buffer, at, true);
      } else {
        numbers.stampCommands(buffer, at);
      }
      outbox.close(offset === 0 && length === data.length ? data : data.subarray(offset, end));
      if (end === burstEnd) burstEnd += burstMax;
      offset = end;
    }
    return number;
  }

  #response(task: Task, result: ScsiResult, flags: number, residual: number, dataPdus: number): void {
    let sense: Buffer | null = null;
    if (result.sense !== null) {
      sense = Buffer.allocUnsafe(2 + result.sense.length);
      sense.writeUInt16BE(result.sense.length, 0);
      result.sense.copy(sense, 2);
    }
    const at = this.outbox.open(SCSI_RESPONSE, FINAL | flags, sense?.length ?? 0);
    const { buffer } = this.outbox;
    buffer[at + 3] = result.status;
    buffer.writeUInt32BE(task.tag, at + AT_TASK_TAG);
    this.numbers.stamp(buffer, at, true);
    buffer.writeUInt32BE(dataPdus + task.requests, at + AT_DATA_NUMBER);
    if (residual !== 0) buffer.writeUInt32BE(Math.abs(residual), at + AT_RESIDUAL);
    this.outbox.close(sense);
  }

  /** R2T: asks for the task's next burst (RFC 7143 11.8). */
  readyToTransfer(task: Task, length: number): void {
    const at = this.outbox.open(READY_TO_TRANSFER, FINAL, 0);
    const { buffer } = this.outbox;
    buffer.writeUInt32BE(task.lunHigh, at + AT_LUN);
    buffer.writeUInt32BE(task.lunLow, at + AT_LUN + 4);
    buffer.writeUInt32BE(task.tag, at + AT_TASK_TAG);
    buffer.writeUInt32BE(task.transferTag, at + AT_TRANSFER_TAG);
    this.numbers.stamp(buffer, at, false);
    buffer.writeUInt32BE(task.requests, at + AT_DATA_NUMBER);
    buffer.writeUInt32BE(task.receivedBytes, at + AT_BUFFER_OFFSET);
    buffer.writeUInt32BE(length, at + 44);
    this.outbox.close(null);
  }

  /** Answers a NOP-Out with its own data, as much as the initiator takes (RFC 7143 11.19). */
  pong(taskTag: number, lun: Buffer, data: Buffer): void {
    const echo = data.subarray(0, this.#parameters.initiatorDataBytesMax);
    const at = this.outbox.open(NOP_IN, FINAL, echo.length);
    const { buffer } = this.outbox;
    lun.copy(buffer, at + AT_LUN);
    buffer.writeUInt32BE(taskTag, at + AT_TASK_TAG);
    buffer.writeUInt32BE(NO_TAG, at + AT_TRANSFER_TAG);
    this.numbers.stamp(buffer, at, true);
    this.outbox.close(echo);
  }

  /** Asks the initiator whether it is there. */
  ping(transferTag: number): void {
    const at = this.outbox.open(NOP_IN, FINAL, 0);
    const { buffer } = this.outbox;
    buffer.writeUInt32BE(NO_TAG, at + AT_TASK_TAG);
    buffer.writeUInt32BE(transferTag, at + AT_TRANSFER_TAG);
    this.numbers.stamp(buffer, at, false);
    this.outbox.close(null);
  }

  /** Says what was wrong with a PDU, and sends its header back (RFC 7143 11.17). */
  reject(reason: number, header: Buffer): void {
    const copy = Buffer.from(header);
    const at = this.outbox.open(REJECT, FINAL, copy.length);
    const { buffer } = this.outbox;
    buffer[at + 2] = reason;
    buffer.writeUInt32BE(NO_TAG, at + AT_TASK_TAG);
    this.numbers.stamp(buffer, at, true);
    this.outbox.close(copy);
  }

  /** A response that consists of its header: logout, task management. */
  plain(opcode: number, taskTag: number, response: number): void {
    const at = this.outbox.open(opcode, FINAL, 0);
    const { buffer } = this.outbox;
    buffer[at + 2] = response;
    buffer.writeUInt32BE(taskTag, at + AT_TASK_TAG);
    this.numbers.stamp(buffer, at, true);
    this.outbox.close(null);
  }
}
