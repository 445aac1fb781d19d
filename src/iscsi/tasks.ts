import { Arrival } from "../base/arrival.ts";
import { SECTOR_BYTES } from "../base/geometry.ts";
import { assert } from "../base/assert.ts";
import type { DeviceServer } from "../scsi/device.ts";
import { TRANSFER_LBAS_MAX } from "../scsi/limits.ts";
import type { Nexus } from "../scsi/nexus.ts";
import { decodeLun } from "../scsi/report.ts";
import { check, GOOD, invalidField, PROTOCOL_SERVICE_ERROR, type ScsiResult } from "../scsi/sense.ts";
import type { BufferPool } from "./buffer-pool.ts";
import type { Counters } from "./counters.ts";
import type { Parameters } from "./keys.ts";
import {
  after,
  AT_BUFFER_OFFSET,
  AT_CDB,
  AT_DATA_NUMBER,
  AT_EXPECTED_BYTES,
  AT_LUN,
  AT_TASK_TAG,
  AT_TRANSFER_TAG,
  dataLengthOf,
  FINAL,
  HEADER_BYTES,
  isImmediate,
  NO_TAG,
  ProtocolError,
  REJECT_TASK_IN_PROGRESS,
  REJECT_TOO_MANY_IMMEDIATE,
} from "./pdu.ts";
import type { Replies } from "./replies.ts";
import { Task } from "./task.ts";

/** Commands outside the window; hosts send none or single ones. */
const IMMEDIATE_TASKS_MAX = 16;
const TRANSFER_BYTES_MAX = TRANSFER_LBAS_MAX * SECTOR_BYTES;
const NOTHING = Buffer.alloc(0);

export interface TasksContext {
  readonly device: DeviceServer;
  readonly nexus: Nexus;
  readonly counters: Counters;
  readonly replies: Replies;
  readonly parameters: Parameters;
  readonly buffers: BufferPool;
  /** How many bytes the tasks of this session may hold, those that the socket still holds included. */
  readonly shareBytes: () => number;
  readonly queuedBytes: () => number;
  /** R15: lower bound of when the bytes that are being handled came in. */
  readonly receivedMs: () => number;
  /** Replies have been written outside of the handling of received bytes: they must be sent soon. */
  readonly written: () => void;
  /** A promise of the volume was rejected, which is a bug. */
  readonly bug: (error: unknown) => void;
}

/** The commands of one session: gathers their data, runs them, answers, aborts. */
export class Tasks {
  readonly #context: TasksContext;
  readonly #byTag = new Map<number, Task>();
  /** Gathering or ready, but for their memory; first come, first served. Bounded by the window. */
  #waiting: Task[] = [];
  #heldBytes = 0;
  #immediate = 0;
  #transferTag = 0;
  /** Called when a task ends, for those who wait for aborted ones. */
  readonly #ended = new Set<() => void>();

  constructor(context: TasksContext) {
    this.#context = context;
  }

  get count(): number {
    return this.#byTag.size;
  }

  /** A SCSI Command PDU, in order (RFC 7143 11.3). */
  command(header: Buffer, data: Buffer): void {
    const { replies, parameters } = this.#context;
    const tag = header.readUInt32BE(AT_TASK_TAG);
    const immediate = isImmediate(header);
    if (tag === NO_TAG || this.#byTag.has(tag)) return replies.reject(REJECT_TASK_IN_PROGRESS, header);
    if (immediate && this.#immediate >= IMMEDIATE_TASKS_MAX) return replies.reject(REJECT_TOO_MANY_IMMEDIATE, header);
    const flags = header[1]!;
    const task = new Task(
      tag,
      decodeLun(header, AT_LUN),
      header.readUInt32BE(AT_LUN),
      header.readUInt32BE(AT_LUN + 4),
      header.readUInt32BE(AT_EXPECTED_BYTES),
      flags,
      immediate,
      header.subarray(AT_CDB, HEADER_BYTES),
    );
    const more = (flags & FINAL) === 0;
    if (!task.writes && (more || data.length > 0)) throw new ProtocolError("a command that does not write came with data");
    if (data.length > 0 && !parameters.immediateData) throw new ProtocolError("immediate data, which was not negotiated");
    if (more && parameters.initialR2T) throw new ProtocolError("unsolicited data, which was not negotiated");
    if (data.length > Math.min(task.expectedBytes, parameters.firstBurstBytes)) throw new ProtocolError("more immediate data than announced");
    task.arrival = new Arrival(this.#context.receivedMs());
    task.startedMs = this.#context.counters.started();
    this.#byTag.set(tag, task);
    if (immediate) this.#immediate++;
    else replies.numbers.begin();
    if (task.reads && task.writes) return this.#end(task, invalidField(0));
    if (task.writes && task.expectedBytes > TRANSFER_BYTES_MAX) return this.#end(task, invalidField(0));
    task.receivedBytes = data.length;
    if (data.length > 0) task.buffer = data;
    if (more) task.unsolicitedEnd = Math.min(task.expectedBytes, parameters.firstBurstBytes);
    if (task.unsolicitedEnd > 0) task.transferTag = NO_TAG;
    this.#admit(task);
  }

  /** Runs the task, or has its data fetched, if its memory fits into the share; else it waits its turn. */
  #admit(task: Task): void {
    if (this.#waiting.length === 0 && this.#fits(task)) return this.#start(task);
    // Waiting tasks must hold only themselves, not all that was received with them.
    task.cdb = Buffer.from(task.cdb);
    if (task.unsolicitedEnd > 0) this.#grow(task, task.unsolicitedEnd);
    this.#waiting.push(task);
  }

  #fits(task: Task): boolean {
    const held = this.#heldBytes + this.#context.queuedBytes();
    // One that is alone may be larger than the share, or it would never run.
    return held === 0 || held + heldBy(task) <= this.#context.shareBytes();
  }

  #start(task: Task): void {
    task.admitted = true;
    this.#heldBytes += heldBy(task);
    if (task.writes && task.receivedBytes < task.expectedBytes) {
      task.cdb = Buffer.from(task.cdb);
      this.#grow(task, task.expectedBytes);
      if (task.unsolicitedEnd === 0) this.#ask(task);
      return;
    }
    this.#run(task);
  }

  /** Starts what waits, as far as memory goes: after a task has ended, and when the socket has taken its queue. */
  pump(): void {
    while (this.#waiting.length > 0 && this.#fits(this.#waiting[0]!)) this.#start(this.#waiting.shift()!);
  }

  #ask(task: Task): void {
    const length = Math.min(task.expectedBytes - task.receivedBytes, this.#context.parameters.maxBurstBytes);
    this.#transferTag = after(this.#transferTag);
    if (this.#transferTag === NO_TAG) this.#transferTag = 0;
    task.transferTag = this.#transferTag;
    task.burstEnd = task.receivedBytes + length;
    task.nextDataNumber = 0;
    this.#context.replies.readyToTransfer(task, length);
    task.requests++;
  }

  /** Where the data of a Data-Out PDU goes; null when its task is no more. Throws when it is not what was agreed (RFC 7143 11.7). */
  place(header: Buffer): Buffer | null {
    const task = this.#gathering(header);
    if (task === null) return null;
    const length = dataLengthOf(header);
    const offset = header.readUInt32BE(AT_BUFFER_OFFSET);
    const end = task.transferTag === NO_TAG ? task.unsolicitedEnd : task.burstEnd;
    // A wrong DataSN says that something was lost; without recovery the command fails, once its data is in (RFC 7143 7.9).
    if (header.readUInt32BE(AT_DATA_NUMBER) !== task.nextDataNumber) task.damaged = true;
    if (offset !== task.receivedBytes) throw new ProtocolError("Data-Out out of order");
    if (offset + length > end) throw new ProtocolError("Data-Out beyond its burst");
    assert(task.buffer !== null && task.buffer.length >= end, "a task that gathers has a buffer for its burst");
    return task.buffer.subarray(offset, offset + length);
  }

  /** The Data-Out PDU is whole; `data` is what `place` returned for it. */
  data(header: Buffer, data: Buffer): void {
    const task = this.#gathering(header);
    if (task === null) return;
    const offset = task.receivedBytes;
    const buffer = task.buffer!;
    // The task may have got its full buffer while this PDU was still coming in.
    if (data.buffer !== buffer.buffer || data.byteOffset !== buffer.byteOffset + offset) data.copy(buffer, offset);
    task.receivedBytes = offset + data.length;
    task.nextDataNumber++;
    // The host has sent this just now, so it had not given up by then.
    task.arrival = new Arrival(this.#context.receivedMs());
    const end = task.transferTag === NO_TAG ? task.unsolicitedEnd : task.burstEnd;
    if ((header[1]! & FINAL) === 0) {
      if (task.receivedBytes === end) throw new ProtocolError("Data-Out without F at the end of its burst");
      return;
    }
    if (task.transferTag !== NO_TAG && task.receivedBytes !== end) throw new ProtocolError("Data-Out with F before the end of its burst");
    task.unsolicitedEnd = 0;
    task.transferTag = 0;
    task.burstEnd = 0;
    if (!task.admitted) return;
    if (task.receivedBytes < task.expectedBytes) this.#ask(task);
    else this.#run(task);
  }

  /** The task to which a Data-Out belongs; null for one that was aborted or refused, whose data is dropped. */
  #gathering(header: Buffer): Task | null {
    const task = this.#byTag.get(header.readUInt32BE(AT_TASK_TAG));
    if (task === undefined || task.state !== "gathering" || task.aborted) return null;
    if (task.unsolicitedEnd === 0 && task.burstEnd === 0) return null;
    return header.readUInt32BE(AT_TRANSFER_TAG) === task.transferTag ? task : null;
  }

  /** Makes the task's buffer `bytes` long, with what has come so far. */
  #grow(task: Task, bytes: number): void {
    if (task.buffer !== null && task.buffer.length >= bytes) return;
    const buffer = this.#context.buffers.take(bytes);
    task.buffer?.copy(buffer, 0, 0, task.receivedBytes);
    task.buffer = buffer;
    task.pooled = true;
  }

  #run(task: Task): void {
    task.state = "running";
    if (task.damaged) return this.#end(task, check(PROTOCOL_SERVICE_ERROR));
    const { device, nexus, bug } = this.#context;
    const answer = device.execute(nexus, task.lun, task.cdb, task.buffer ?? NOTHING, task.arrival);
    if (!(answer instanceof Promise)) return this.#end(task, answer);
    answer.then((result) => {
      this.#end(task, result);
      this.#context.written();
    }, bug);
  }

  #end(task: Task, result: ScsiResult): void {
    assert(task.state !== "ended", "a task ends once");
    this.#context.counters.ended(task.operation, task.receivedBytes + (result.data?.length ?? 0), task.startedMs, result.status === GOOD && !task.aborted);
    this.#remove(task);
    if (!task.aborted) this.#context.replies.result(task, result);
    if (this.#waiting.length > 0) this.pump();
  }

  #remove(task: Task): void {
    // Into the buffer of one that still gathered, bytes of a PDU may be coming yet.
    if (task.pooled && task.state === "running" && task.buffer !== null) this.#context.buffers.give(task.buffer);
    task.state = "ended";
    this.#byTag.delete(task.tag);
    if (task.admitted) this.#heldBytes -= heldBy(task);
    if (task.immediate) this.#immediate--;
    else this.#context.replies.numbers.end();
    task.buffer = null;
    for (const run of this.#ended) run();
  }

  has(tag: number): boolean {
    return this.#byTag.has(tag);
  }

  /**
   * Aborts the tasks that `concerns` picks: they get no answer. What runs in the volume cannot be recalled, so that the
   * promise resolves when the last of them has ended; then none of them changes anything any more.
   */
  abort(concerns: (task: Task) => boolean): Promise<void> {
    const running = new Set<Task>();
    for (const task of [...this.#byTag.values()]) {
      if (!concerns(task)) continue;
      task.aborted = true;
      // R15: what has not left yet must not take effect after its host has gone on elsewhere.
      task.arrival.cancel();
      if (task.state === "running") running.add(task);
      else this.#remove(task);
    }
    this.#waiting = this.#waiting.filter((task) => task.state !== "ended");
    this.pump();
    return this.#allEnded(running);
  }

  /** Resolves when every task that is here now has ended, in whatever way. */
  settled(): Promise<void> {
    return this.#allEnded(new Set(this.#byTag.values()));
  }

  #allEnded(running: ReadonlySet<Task>): Promise<void> {
    if (running.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const look = (): void => {
        for (const task of running) if (task.state !== "ended") return;
        this.#ended.delete(look);
        resolve();
      };
      this.#ended.add(look);
    });
  }
}

function heldBy(task: Task): number {
  return Math.min(task.expectedBytes, TRANSFER_BYTES_MAX);
}

