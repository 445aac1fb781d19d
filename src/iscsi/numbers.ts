import { assert } from "../base/assert.ts";
import { after, AT_COMMAND_NUMBER_MAX, AT_EXPECTED_COMMAND_NUMBER, AT_STATUS_NUMBER, isBefore } from "./pdu.ts";

/** Commands that one session may have here at a time: enough for any host's queue, and the base of every bound of memory. */
export const COMMANDS_MAX = 128;

/** The sequence numbers of a session with its one connection (RFC 7143 4.2.2). */
export class Numbers {
  /** StatSN of the next status. */
  status: number;
  #expected: number;
  /** Numbered commands that have come and not ended. */
  #open = 0;

  constructor(firstStatus: number, firstCommand: number) {
    this.status = firstStatus;
    this.#expected = firstCommand;
  }

  /** MaxCmdSN: the window is what is free of `COMMANDS_MAX`, so that a host cannot send more than is bounded. */
  get #last(): number {
    return (this.#expected + COMMANDS_MAX - this.#open - 1) >>> 0;
  }

  /** Where a command's number stands: "gap" cannot happen on one connection unless the initiator breaks the order. */
  judge(number: number): "next" | "outside" | "gap" {
    if (isBefore(number, this.#expected) || isBefore(this.#last, number)) return "outside";
    return number === this.#expected ? "next" : "gap";
  }

  advance(): void {
    this.#expected = after(this.#expected);
  }

  /** A numbered task begins or ends: it takes its place in the window with it. */
  begin(): void {
    this.#open++;
    assert(this.#open <= COMMANDS_MAX, "the command window bounds the tasks of a session");
  }

  end(): void {
    this.#open--;
    assert(this.#open >= 0, "a task ends once");
  }

  /** Writes StatSN, ExpCmdSN and MaxCmdSN. `consumes`: the PDU carries a status, which the initiator acknowledges. */
  stamp(buffer: Buffer, at: number, consumes: boolean): void {
    buffer.writeUInt32BE(this.status, at + AT_STATUS_NUMBER);
    this.stampCommands(buffer, at);
    if (consumes) this.status = after(this.status);
  }

  /** Writes ExpCmdSN and MaxCmdSN alone: for data without a status. */
  stampCommands(buffer: Buffer, at: number): void {
    buffer.writeUInt32BE(this.#expected, at + AT_EXPECTED_COMMAND_NUMBER);
    buffer.writeUInt32BE(this.#last, at + AT_COMMAND_NUMBER_MAX);
  }
}
