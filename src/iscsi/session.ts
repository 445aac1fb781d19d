import type { DeviceServer } from "../scsi/device.ts";
import { Nexus } from "../scsi/nexus.ts";
import { decodeLun } from "../scsi/report.ts";
import { COMMANDS_CLEARED, DEVICE_RESET_OCCURRED, REPORTED_LUNS_CHANGED, type Sense } from "../scsi/sense.ts";
import type { TargetPort } from "../scsi/unit.ts";
import type { Access } from "./access.ts";
import type { BufferPool } from "./buffer-pool.ts";
import type { Counters } from "./counters.ts";
import type { LoginResult } from "./login.ts";
import { Numbers } from "./numbers.ts";
import type { Outbox } from "./outbox.ts";
import {
  AT_COMMAND_NUMBER,
  AT_LUN,
  AT_TASK_TAG,
  AT_TRANSFER_TAG,
  DATA_OUT,
  isImmediate,
  LOGIN,
  LOGOUT,
  LOGOUT_RESPONSE,
  NO_TAG,
  NOP_OUT,
  opcodeOf,
  ProtocolError,
  REJECT_INVALID_FIELD,
  REJECT_NOT_SUPPORTED,
  REJECT_SNACK,
  REJECT_TOO_MANY_IMMEDIATE,
  SCSI_COMMAND,
  SNACK,
  TASK_MANAGEMENT,
  TASK_MANAGEMENT_RESPONSE,
  TEXT,
} from "./pdu.ts";
import { Replies } from "./replies.ts";
import { Tasks } from "./tasks.ts";
import { TextExchange } from "./text-exchange.ts";

/** Task management functions that wait for commands to end; hosts send one at a time. */
const FUNCTIONS_MAX = 16;

// Task management functions and responses (RFC 7143 11.5.1, 11.6.1).
const ABORT_TASK = 1;
const ABORT_TASK_SET = 2;
const CLEAR_TASK_SET = 4;
const LUN_RESET = 5;
const WARM_RESET = 6;
const COLD_RESET = 7;
const TASK_REASSIGN = 8;
const FUNCTION_COMPLETE = 0;
const NO_SUCH_TASK = 1;
const NO_SUCH_LUN = 2;
const REASSIGN_NOT_SUPPORTED = 4;
const FUNCTION_NOT_SUPPORTED = 5;

export interface SessionContext {
  readonly access: Access;
  readonly device: DeviceServer;
  readonly counters: Counters;
  readonly port: TargetPort;
  readonly outbox: Outbox;
  readonly buffers: BufferPool;
  readonly shareBytes: () => number;
  readonly queuedBytes: () => number;
  /** R15: lower bound of when the bytes that are being handled came in. */
  readonly receivedMs: () => number;
  readonly written: () => void;
  readonly bug: (error: unknown) => void;
  /** All sessions of this target, this one included, for functions that concern every host. */
  readonly peers: () => Iterable<Session>;
  /** Sends what is written, then closes the connection. */
  readonly finish: (reason: string) => void;
}

/** A session in full feature phase (RFC 7143 4.3.2) with its one connection. */
export class Session {
  readonly login: LoginResult;
  readonly tsih: number;
  readonly tasks: Tasks;
  readonly replies: Replies;
  readonly #context: SessionContext;
  readonly #nexus: Nexus;
  readonly #text: TextExchange;
  #functions = 0;
  /** A NOP-In waits for its answer. */
  pinged = false;
  #pings = 0;

  constructor(login: LoginResult, tsih: number, firstStatus: number, context: SessionContext) {
    this.login = login;
    this.tsih = tsih;
    this.#context = context;
    const { access, device, counters, port, outbox, buffers, shareBytes, queuedBytes, receivedMs, written, bug } = context;
    const { parameters, discovery, host } = login;
    const numbers = new Numbers(firstStatus, login.commandNumber);
    this.replies = new Replies(outbox, numbers, parameters);
    this.#nexus = new Nexus(port, discovery || host === null ? new Map() : access.luns(host.name));
    const { replies } = this;
    this.tasks = new Tasks({ device, counters, nexus: this.#nexus, replies, parameters, buffers, shareBytes, queuedBytes, receivedMs, written, bug });
    this.#text = new TextExchange({ access, outbox, numbers, parameters, discovery, known: host !== null });
  }

  /** Where the data segment of this PDU goes; null: anywhere. */
  place(header: Buffer): Buffer | null {
    return opcodeOf(header) === DATA_OUT ? this.tasks.place(header) : null;
  }

  pdu(header: Buffer, data: Buffer): void {
    const opcode = opcodeOf(header);
    if (opcode === DATA_OUT) return this.tasks.data(header, data);
    if (opcode === SNACK) return this.replies.reject(REJECT_SNACK, header);
    if (!this.#inOrder(header)) return;
    if (this.login.discovery && opcode !== TEXT && opcode !== LOGOUT && opcode !== NOP_OUT) {
      throw new ProtocolError(`PDU with opcode ${opcode} in a discovery session`);
    }
    switch (opcode) {
      case SCSI_COMMAND:
        return this.tasks.command(header, data);
      case NOP_OUT:
        return this.#nop(header, data);
      case TEXT:
        return this.#text.request(header, data);
      case TASK_MANAGEMENT:
        return this.#manage(header);
      case LOGOUT:
        return this.#logout(header);
      case LOGIN:
        throw new ProtocolError("login request in full feature phase");
      default:
        this.replies.reject(REJECT_NOT_SUPPORTED, header);
        this.#context.finish(`unknown opcode ${opcode}`);
    }
  }

  /** Checks and advances CmdSN. False: the PDU is ignored, as RFC 7143 4.2.2.1 says for numbers outside of the window. */
  #inOrder(header: Buffer): boolean {
    if (isImmediate(header)) return true;
    const { numbers } = this.replies;
    const verdict = numbers.judge(header.readUInt32BE(AT_COMMAND_NUMBER));
    if (verdict === "gap") throw new ProtocolError("CmdSN leaves a gap, which nothing can fill on a single connection");
    if (verdict === "next") numbers.advance();
    return verdict === "next";
  }

  #nop(header: Buffer, data: Buffer): void {
    const tag = header.readUInt32BE(AT_TASK_TAG);
    if (header.readUInt32BE(AT_TRANSFER_TAG) !== NO_TAG) this.pinged = false;
    if (tag !== NO_TAG) this.replies.pong(tag, header.subarray(AT_LUN, AT_LUN + 8), data);
  }

  /** Sends a NOP-In that the initiator must answer. */
  ping(): void {
    this.pinged = true;
    this.#pings = (this.#pings + 1) & 0xffff;
    this.replies.ping(this.#pings);
  }

  #logout(header: Buffer): void {
    const reason = header[1]! & 0x7f;
    const tag = header.readUInt32BE(AT_TASK_TAG);
    if (reason === 1 && header.readUInt16BE(20) !== this.login.connectionId) return this.replies.plain(LOGOUT_RESPONSE, tag, 1);
    if (reason > 1) return this.replies.plain(LOGOUT_RESPONSE, tag, 2);
    void this.tasks.abort(() => true);
    this.replies.plain(LOGOUT_RESPONSE, tag, 0);
    this.#context.finish("logged out");
  }

  /** Task management (RFC 7143 11.5): the answer comes when the commands concerned change nothing any more. */
  #manage(header: Buffer): void {
    const action = header[1]! & 0x7f;
    const tag = header.readUInt32BE(AT_TASK_TAG);
    const answer = (response: number): void => this.replies.plain(TASK_MANAGEMENT_RESPONSE, tag, response);
    if (action < ABORT_TASK || action > TASK_REASSIGN) return this.replies.reject(REJECT_INVALID_FIELD, header);
    if (action === TASK_REASSIGN) return answer(REASSIGN_NOT_SUPPORTED);
    if (this.#functions >= FUNCTIONS_MAX) return this.replies.reject(REJECT_TOO_MANY_IMMEDIATE, header);
    const complete = (ended: Promise<unknown>): void => {
      this.#functions++;
      void ended.then(() => {
        this.#functions--;
        answer(FUNCTION_COMPLETE);
        this.#context.written();
      });
    };
    if (action === WARM_RESET) return complete(this.#reset([...this.#nexus.units.values()].map((unit) => unit.naa), DEVICE_RESET_OCCURRED));
    if (action === COLD_RESET) return answer(FUNCTION_NOT_SUPPORTED);
    if (action === ABORT_TASK) {
      const concerned = header.readUInt32BE(20);
      if (!this.tasks.has(concerned)) return answer(NO_SUCH_TASK);
      return complete(this.tasks.abort((task) => task.tag === concerned));
    }
    const lun = decodeLun(header, AT_LUN);
    const unit = lun === null ? undefined : this.#nexus.units.get(lun);
    if (unit === undefined) return answer(NO_SUCH_LUN);
    if (action === ABORT_TASK_SET) return complete(this.tasks.abort((task) => task.lun === lun));
    if (action === CLEAR_TASK_SET) return complete(this.#reset([unit.naa], COMMANDS_CLEARED));
    if (action === LUN_RESET) return complete(this.#reset([unit.naa], DEVICE_RESET_OCCURRED));
    return answer(FUNCTION_NOT_SUPPORTED);
  }

  /** Ends all commands of all hosts on these units, and tells every host why. */
  #reset(units: readonly string[], sense: Sense): Promise<unknown> {
    const ended: Promise<void>[] = [];
    for (const session of this.#context.peers()) ended.push(session.clear(units, sense, session === this));
    return Promise.all(ended);
  }

  /** Aborts this session's commands on these units, by NAA. The host that asked for a clearing is not told of it again. */
  clear(units: readonly string[], sense: Sense, asked: boolean): Promise<void> {
    const luns = new Set<number>();
    for (const [lun, unit] of this.#nexus.units) {
      if (!units.includes(unit.naa)) continue;
      luns.add(lun);
      if (!asked || sense !== COMMANDS_CLEARED) this.#nexus.attend(lun, sense);
    }
    return this.tasks.abort((task) => task.lun !== null && luns.has(task.lun));
  }

  /** Takes the host's current LUNs. False: the host is no more, and the session must end. */
  refresh(): boolean {
    const { access } = this.#context;
    const { discovery, initiatorName, host: before } = this.login;
    if (discovery) return true;
    const host = access.host(initiatorName);
    if (host === null || host.name !== before?.name) return false;
    if (this.#nexus.remap(access.luns(host.name))) this.#nexus.attendAll(REPORTED_LUNS_CHANGED);
    return true;
  }
}
