import * as pdu from "../../src/iscsi/pdu.ts";
import { ConnectionLost, PduConnection } from "./connection.ts";
import { login, type LoginOptions, type Negotiated } from "./login.ts";
import type { Portal } from "./url.ts";

export interface InitiatorOptions extends Omit<LoginOptions, "target"> {
  /** Commands under way at once; the target's window may allow fewer. Default 32. */
  readonly queueDepth?: number;
  /** A command not answered for so long costs the connection, as it would cost a host the path. Default 30 s. */
  readonly commandTimeoutMs?: number;
}

/** How a command ended that the target has answered. `data` is what was read. */
export interface CommandResult {
  readonly status: number;
  readonly sense: Sense | null;
  readonly data: Buffer;
  /** Bytes that the target did not move, though expected. */
  readonly residualBytes: number;
}
export interface Sense {
  readonly key: number;
  readonly asc: number;
  readonly ascq: number;
}

export const GOOD = 0x00;
export const CHECK_CONDITION = 0x02;
export const BUSY = 0x08;
export const TASK_SET_FULL = 0x28;
export const TASK_ABORTED = 0x40;
export const UNIT_ATTENTION = 0x06;

/** The target has answered with another status than GOOD. */
export class ScsiError extends Error {
  override name = "ScsiError";
  readonly status: number;
  readonly sense: Sense | null;
  constructor(what: string, { status, sense }: CommandResult) {
    super(`${what}: ${sense === null ? `status 0x${status.toString(16)}` : `sense ${sense.key.toString(16)}/${sense.asc.toString(16)}/${sense.ascq.toString(16)}`}`);
    this.status = status;
    this.sense = sense;
  }
}

interface Task {
  readonly cdb: Buffer;
  readonly out: Buffer | null;
  readonly into: Buffer | null;
  receivedBytes: number;
  deadlineMs: number;
  readonly resolve: (result: CommandResult) => void;
  readonly reject: (error: Error) => void;
}

const COMMAND_TIMEOUT_MS = 30_000;
const LOGIN_WITHIN_MS = 10_000;
const QUEUE_DEPTH = 32;
const LOOK_EVERY_MS = 100;
const READ = 0x40;
const WRITE = 0x20;
const SIMPLE = 0x01;
const SECTOR_BYTES = 512;
const NOTHING = Buffer.alloc(0);

/** One session with one portal, for one LUN. It ends with its connection; every command under way is then rejected with `ConnectionLost`. */
export class Initiator {
  readonly portal: Portal;
  readonly #options: InitiatorOptions;
  #connection!: PduConnection;
  #negotiated!: Negotiated;
  /** The response that login or logout waits for. */
  #answer: ((answer: { header: Buffer; data: Buffer }) => void) | null = null;
  #refuse: ((error: Error) => void) | null = null;

  readonly #tasks = new Map<number, Task>();
  readonly #waiting: Task[] = [];
  #tag = 1;
  #commandNumber = 1;
  #commandNumberMax = 1;
  #expectedStatusNumber = 0;
  #lost: ConnectionLost | null = null;
  #timer: Timer | null = null;
  readonly #header = Buffer.alloc(pdu.HEADER_BYTES);
  /** Resolves with the reason when the connection is gone. */
  readonly closed: Promise<string>;
  #tellClosed!: (reason: string) => void;

  private constructor(portal: Portal, options: InitiatorOptions) {
    this.portal = portal;
    this.#options = options;
    this.closed = new Promise((resolve) => (this.#tellClosed = resolve));
  }

  /** Connects and logs in. Rejects with `ConnectionLost` or `LoginRefused`. */
  static async connect(portal: Portal, options: InitiatorOptions): Promise<Initiator> {
    const self = new Initiator(portal, options);
    self.#connection = await PduConnection.open(portal, {
      place: (header) => self.#place(header),
      pdu: (header, data) => self.#receive(header, data),
      closed: (reason) => self.#closed(reason),
    });
    const tooLate = setTimeout(() => self.#connection.destroy("login not answered in time"), LOGIN_WITHIN_MS);
    try {
      const { negotiated, lastResponse } = await login((header, data) => self.#exchange(header, data), { ...options, target: portal.target });
      self.#negotiated = negotiated;
      self.#commandNumberMax = lastResponse.readUInt32BE(pdu.AT_COMMAND_NUMBER_MAX);
      self.#expectedStatusNumber = pdu.after(lastResponse.readUInt32BE(pdu.AT_STATUS_NUMBER));
    } catch (error) {
      self.#connection.destroy("login failed");
      throw error;
    } finally {
      clearTimeout(tooLate);
    }
    self.#timer = setInterval(() => self.#look(), LOOK_EVERY_MS);
    return self;
  }

  get isClosed(): boolean {
    return this.#lost !== null;
  }
  get negotiated(): Negotiated {
    return this.#negotiated;
  }
  /** For tests that say what no initiator should. */
  get connection(): PduConnection {
    return this.#connection;
  }

  /** Reads `sectors` of 512 bytes from `lba`. Rejects with `ScsiError` or `ConnectionLost`. */
  async read(lba: number, sectors: number): Promise<Buffer> {
    const result = await this.command(blockCommand(0x28, 0x88, lba, sectors), { readBytes: sectors * SECTOR_BYTES });
    return assertGood(`read of ${sectors} sectors at ${lba}`, result).data;
  }

  /** Writes whole sectors at `lba`; `data` must stay as it is until then. Rejects with `ScsiError` or `ConnectionLost`. */
  async write(lba: number, data: Buffer): Promise<void> {
    const sectors = data.length / SECTOR_BYTES;
    assertGood(`write of ${sectors} sectors at ${lba}`, await this.command(blockCommand(0x2a, 0x8a, lba, sectors), { data }));
  }

  /** SYNCHRONIZE CACHE of everything. */
  async flush(): Promise<void> {
    assertGood("flush", await this.command(blockCommand(0x35, 0x91, 0, 0)));
  }

  /** READ CAPACITY (16). */
  async capacity(): Promise<{ readonly sectors: number; readonly sectorBytes: number }> {
    const cdb = Buffer.alloc(16);
    cdb[0] = 0x9e;
    cdb[1] = 0x10;
    cdb.writeUInt32BE(32, 10);
    const { data } = assertGood("read capacity", await this.command(cdb, { readBytes: 32 }));
    return { sectors: Number(data.readBigUInt64BE(0)) + 1, sectorBytes: data.readUInt32BE(8) };
  }

  /**
   * Any command, waiting for its turn in the queue. What is read goes to `into`, or to `readBytes` of new memory. `cdb` and the
   * buffers must stay as they are until then. Rejects with `ConnectionLost` alone.
   */
  command(cdb: Buffer, transfer: { readonly readBytes?: number; readonly into?: Buffer; readonly data?: Buffer } = {}): Promise<CommandResult> {
    if (this.#lost !== null) return Promise.reject(this.#lost);
    return new Promise((resolve, reject) => {
      const into = transfer.into ?? (transfer.readBytes === undefined ? null : Buffer.alloc(transfer.readBytes));
      this.#waiting.push({ cdb, out: transfer.data ?? null, into, receivedBytes: 0, deadlineMs: Number.POSITIVE_INFINITY, resolve, reject });
      this.#start();
    });
  }

  /** Says goodbye and closes; what is under way is lost. */
  async logout(): Promise<void> {
    if (this.#lost !== null) return;
    const header = this.#begin(pdu.LOGOUT | pdu.IMMEDIATE, pdu.FINAL);
    header.writeUInt32BE(this.#nextTag(), pdu.AT_TASK_TAG);
    const tooLate = setTimeout(() => this.destroy("logout not answered in time"), LOGIN_WITHIN_MS);
    await this.#exchange(header, NOTHING).catch(() => undefined);
    clearTimeout(tooLate);
    this.destroy("logged out");
  }

  /** Drops the connection without a word. */
  destroy(reason = "dropped by the initiator"): void {
    this.#connection.destroy(reason);
  }

  #exchange(header: Buffer, data: Buffer): Promise<{ header: Buffer; data: Buffer }> {
    if (this.#lost !== null) return Promise.reject(this.#lost);
    return new Promise((resolve, reject) => {
      this.#answer = resolve;
      this.#refuse = reject;
      this.#connection.send(header, data);
    });
  }

  #begin(opcode: number, flags: number): Buffer {
    const header = this.#header.fill(0);
    header[0] = opcode;
    header[pdu.AT_FLAGS] = flags;
    header.writeUInt32BE(this.#commandNumber, pdu.AT_COMMAND_NUMBER);
    header.writeUInt32BE(this.#expectedStatusNumber, pdu.AT_EXPECTED_STATUS_NUMBER);
    return header;
  }

  #nextTag(): number {
    const tag = this.#tag;
    this.#tag = this.#tag >= 0x7fffffff ? 1 : this.#tag + 1;
    return tag;
  }

  #start(): void {
    const depth = this.#options.queueDepth ?? QUEUE_DEPTH;
    while (this.#waiting.length > 0 && this.#tasks.size < depth && !pdu.isBefore(this.#commandNumberMax, this.#commandNumber)) {
      const task = this.#waiting.shift();
      if (task !== undefined) this.#send(task);
    }
  }

  #send(task: Task): void {
    const { immediateData, initialR2T, firstBurstBytes, targetDataBytesMax } = this.#negotiated;
    const tag = this.#nextTag();
    this.#tasks.set(tag, task);
    task.deadlineMs = performance.now() + (this.#options.commandTimeoutMs ?? COMMAND_TIMEOUT_MS);
    const length = task.out?.length ?? 0;
    const immediate = immediateData ? Math.min(length, firstBurstBytes, targetDataBytesMax) : 0;
    const unsolicited = initialR2T ? immediate : Math.min(length, firstBurstBytes);
    const direction = (task.out === null ? 0 : WRITE) | (task.into === null ? 0 : READ);
    const header = this.#begin(pdu.SCSI_COMMAND, direction | SIMPLE | (unsolicited > immediate ? 0 : pdu.FINAL));
    header[pdu.AT_LUN + 1] = this.portal.lun;
    header.writeUInt32BE(tag, pdu.AT_TASK_TAG);
    header.writeUInt32BE(task.out?.length ?? task.into?.length ?? 0, pdu.AT_EXPECTED_BYTES);
    task.cdb.copy(header, pdu.AT_CDB);
    this.#commandNumber = pdu.after(this.#commandNumber);
    this.#connection.send(header, task.out?.subarray(0, immediate));
    if (task.out !== null && unsolicited > immediate) this.#sendData(tag, pdu.NO_TAG, task.out, immediate, unsolicited);
  }

  /** Data-Out PDUs for [from, to), the last with F (RFC 7143 11.7). */
  #sendData(tag: number, transferTag: number, data: Buffer, from: number, to: number): void {
    let number = 0;
    for (let at = from; at < to; number++) {
      const end = Math.min(at + this.#negotiated.targetDataBytesMax, to);
      const header = this.#begin(pdu.DATA_OUT, end === to ? pdu.FINAL : 0);
      header.writeUInt32BE(0, pdu.AT_COMMAND_NUMBER);
      header[pdu.AT_LUN + 1] = this.portal.lun;
      header.writeUInt32BE(tag, pdu.AT_TASK_TAG);
      header.writeUInt32BE(transferTag, pdu.AT_TRANSFER_TAG);
      header.writeUInt32BE(number, pdu.AT_DATA_NUMBER);
      header.writeUInt32BE(at, pdu.AT_BUFFER_OFFSET);
      this.#connection.send(header, data.subarray(at, end));
      at = end;
    }
  }

  /** Data that is read goes straight to where it belongs. */
  #place(header: Buffer): Buffer | null {
    if (pdu.opcodeOf(header) !== pdu.DATA_IN) return null;
    const into = this.#tasks.get(header.readUInt32BE(pdu.AT_TASK_TAG))?.into;
    const at = header.readUInt32BE(pdu.AT_BUFFER_OFFSET);
    // More than was asked for goes nowhere; `#receive` then ends the connection.
    return into === undefined || into === null || at + pdu.dataLengthOf(header) > into.length ? null : into.subarray(at);
  }

  #receive(header: Buffer, data: Buffer): void {
    const opcode = pdu.opcodeOf(header);
    if (opcode === pdu.LOGIN_RESPONSE || opcode === pdu.LOGOUT_RESPONSE) {
      this.#answer?.({ header: Buffer.from(header), data });
      this.#answer = null;
      return;
    }
    const max = header.readUInt32BE(pdu.AT_COMMAND_NUMBER_MAX);
    if (pdu.isBefore(this.#commandNumberMax, max)) this.#commandNumberMax = max;
    const tag = header.readUInt32BE(pdu.AT_TASK_TAG);
    const hasStatus = opcode !== pdu.READY_TO_TRANSFER && (opcode !== pdu.DATA_IN || (header[pdu.AT_FLAGS]! & 1) !== 0) && (opcode !== pdu.NOP_IN || tag !== pdu.NO_TAG);
    if (hasStatus) this.#expectedStatusNumber = pdu.after(header.readUInt32BE(pdu.AT_STATUS_NUMBER));
    const task = this.#tasks.get(tag);
    switch (opcode) {
      case pdu.NOP_IN:
        this.#pong(header, data);
        break;
      case pdu.READY_TO_TRANSFER: {
        if (task?.out == null) return this.destroy(`R2T for the task ${tag}, which has no data to send`);
        const from = header.readUInt32BE(pdu.AT_BUFFER_OFFSET);
        this.#sendData(tag, header.readUInt32BE(pdu.AT_TRANSFER_TAG), task.out, from, from + header.readUInt32BE(44));
        break;
      }
      case pdu.DATA_IN:
        if (task?.into == null || header.readUInt32BE(pdu.AT_BUFFER_OFFSET) + data.length > task.into.length) return this.destroy(`unwanted data for the task ${tag}`);
        task.receivedBytes += data.length;
        if (hasStatus) this.#end(tag, task, header, NOTHING);
        break;
      case pdu.SCSI_RESPONSE:
        if (task === undefined) return this.destroy(`a response for the unknown task ${tag}`);
        if (header[2] !== 0) return this.destroy(`task ${tag} failed at the target with response ${header[2]}`);
        this.#end(tag, task, header, data);
        break;
      default:
        // Reject, a request to log out, or something new: a host would start over too.
        return this.destroy(`the target sent opcode 0x${opcode.toString(16)}, code ${header[2]}`);
    }
    this.#start();
  }

  #end(tag: number, task: Task, header: Buffer, data: Buffer): void {
    this.#tasks.delete(tag);
    const status = header[3]!;
    const underflow = (header[pdu.AT_FLAGS]! & 0x02) !== 0;
    const sense = status === CHECK_CONDITION && data.length >= 16 ? { key: data[4]! & 0x0f, asc: data[14]!, ascq: data[15]! } : null;
    task.resolve({ status, sense, data: task.into?.subarray(0, task.receivedBytes) ?? NOTHING, residualBytes: underflow ? header.readUInt32BE(pdu.AT_RESIDUAL) : 0 });
  }

  /** A NOP-In with a transfer tag asks for an answer (RFC 7143 11.18). */
  #pong(ping: Buffer, data: Buffer): void {
    const transferTag = ping.readUInt32BE(pdu.AT_TRANSFER_TAG);
    if (transferTag === pdu.NO_TAG) return;
    const lun = Buffer.from(ping.subarray(pdu.AT_LUN, pdu.AT_LUN + 8));
    const header = this.#begin(pdu.NOP_OUT | pdu.IMMEDIATE, pdu.FINAL);
    lun.copy(header, pdu.AT_LUN);
    header.writeUInt32BE(pdu.NO_TAG, pdu.AT_TASK_TAG);
    header.writeUInt32BE(transferTag, pdu.AT_TRANSFER_TAG);
    this.#connection.send(header, data);
  }

  /** All time-outs are equal and the map keeps the order of sending: the first is the oldest. */
  #look(): void {
    const [oldest] = this.#tasks.values();
    if (oldest !== undefined && oldest.deadlineMs < performance.now()) this.destroy("a command was not answered in time");
  }

  #closed(reason: string): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    const lost = new ConnectionLost(`${this.portal.address}:${this.portal.port}: ${reason}`);
    this.#lost = lost;
    const tasks = [...this.#tasks.values(), ...this.#waiting.splice(0)];
    this.#tasks.clear();
    this.#refuse?.(lost);
    for (const task of tasks) task.reject(lost);
    this.#tellClosed(reason);
  }
}

/** The 10-byte form where it can say it, else the 16-byte one (SBC-3). */
function blockCommand(short: number, long: number, lba: number, sectors: number): Buffer {
  if (lba + sectors <= 0xffffffff && sectors <= 0xffff) {
    const cdb = Buffer.alloc(10);
    cdb[0] = short;
    cdb.writeUInt32BE(lba, 2);
    cdb.writeUInt16BE(sectors, 7);
    return cdb;
  }
  const cdb = Buffer.alloc(16);
  cdb[0] = long;
  cdb.writeBigUInt64BE(BigInt(lba), 2);
  cdb.writeUInt32BE(sectors, 10);
  return cdb;
}

function assertGood(what: string, result: CommandResult): CommandResult {
  if (result.status !== GOOD) throw new ScsiError(what, result);
  return result;
}
