import { connect, type Socket } from "node:net";
import { parsePairs } from "../../src/iscsi/text.ts";
import { INITIATOR } from "./fixture.ts";
import { TARGET } from "./memory-access.ts";

export interface Pdu {
  readonly opcode: number;
  readonly header: Buffer;
  readonly data: Buffer;
}

export interface LoginOptions {
  readonly initiator?: string;
  readonly target?: string;
  readonly discovery?: boolean;
  readonly isid?: string;
  readonly keys?: readonly (readonly [string, string])[];
}

/** An initiator that says exactly what a test wants said. It knows no digests. */
export class RawInitiator {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  readonly #pdus: Pdu[] = [];
  #wake: (() => void) | null = null;
  closed = false;
  commandNumber = 1;
  #tag = 0x100;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("error", () => {});
    socket.on("close", () => {
      this.closed = true;
      this.#wake?.();
    });
  }

  static connect(port: number): Promise<RawInitiator> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => resolve(new RawInitiator(socket)));
      socket.once("error", reject);
    });
  }

  /** Connected and logged in, in the operational stage alone. */
  static async loggedIn(port: number, options: LoginOptions = {}): Promise<RawInitiator> {
    const initiator = await RawInitiator.connect(port);
    const answer = await initiator.login(options);
    if (answer.status !== 0) throw new Error(`login refused with ${answer.status.toString(16)}`);
    return initiator;
  }

  #take(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    for (;;) {
      const bytes = this.#received;
      if (bytes.length < 48) break;
      const length = bytes.readUIntBE(5, 3);
      const whole = 48 + ((length + 3) & ~3);
      if (bytes.length < whole) break;
      this.#pdus.push({ opcode: bytes[0]! & 0x3f, header: bytes.subarray(0, 48), data: bytes.subarray(48, 48 + length) });
      this.#received = bytes.subarray(whole);
    }
    this.#wake?.();
  }

  send(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** The next PDU; rejects when the target closes instead. */
  async next(): Promise<Pdu> {
    while (this.#pdus.length === 0) {
      if (this.closed) throw new Error("the target has closed the connection");
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.#pdus.shift()!;
  }

  /** Waits until the target has closed; PDUs that came before are thrown away. */
  async closing(): Promise<void> {
    while (!this.closed) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  static header(opcode: number, flags: number, dataBytes = 0): Buffer {
    const header = Buffer.alloc(48);
    header[0] = opcode;
    header[1] = flags;
    header.writeUIntBE(dataBytes, 5, 3);
    header.writeUInt32BE(0xffffffff, 20);
    return header;
  }

  loginRequest(flags: number, isid: string, text: Buffer): Buffer {
    const header = RawInitiator.header(0x43, flags, text.length);
    header.write(isid, 8, "hex");
    header.writeUInt16BE(0, 14);
    header.writeUInt32BE(7, 16);
    header.writeUInt32BE(1, 20);
    header.writeUInt16BE(0, 20);
    header.writeUInt32BE(this.commandNumber, 24);
    return Buffer.concat([header, text, Buffer.alloc((4 - (text.length & 3)) & 3)]);
  }

  async login(options: LoginOptions = {}, flags = 0x87): Promise<{ status: number; pairs: Map<string, string>; pdu: Pdu }> {
    const names: [string, string][] = [
      ["InitiatorName", options.initiator ?? INITIATOR],
      ["SessionType", options.discovery === true ? "Discovery" : "Normal"],
    ];
    if (options.discovery !== true) names.push(["TargetName", options.target ?? TARGET]);
    return this.exchange(options.isid ?? "800000000001", flags, [...names, ...(options.keys ?? [])]);
  }

  async exchange(isid: string, flags: number, pairs: readonly (readonly [string, string])[]): Promise<{ status: number; pairs: Map<string, string>; pdu: Pdu }> {
    this.send(this.loginRequest(flags, isid, Buffer.from(pairs.map(([key, value]) => `${key}=${value}\0`).join(""))));
    const pdu = await this.next();
    return { status: pdu.header.readUInt16BE(36), pairs: new Map(parsePairs(pdu.data)), pdu };
  }

  /** Sends a SCSI command; returns its task tag. */
  command(cdb: string, options: { flags?: number; expected?: number; data?: Buffer; lun?: number; immediate?: boolean } = {}): number {
    const data = options.data ?? Buffer.alloc(0);
    const header = RawInitiator.header(0x01 | (options.immediate === true ? 0x40 : 0), options.flags ?? 0x80, data.length);
    const tag = this.#tag++;
    header[9] = options.lun ?? 0;
    header.writeUInt32BE(tag, 16);
    header.writeUInt32BE(options.expected ?? 0, 20);
    header.writeUInt32BE(this.commandNumber, 24);
    if (options.immediate !== true) this.commandNumber++;
    Buffer.from(cdb.replaceAll(" ", ""), "hex").copy(header, 32);
    this.send(Buffer.concat([header, data, Buffer.alloc((4 - (data.length & 3)) & 3)]));
    return tag;
  }

  dataOut(tag: number, transferTag: number, number: number, offset: number, data: Buffer, final: boolean): void {
    const header = RawInitiator.header(0x05, final ? 0x80 : 0, data.length);
    header.writeUInt32BE(tag, 16);
    header.writeUInt32BE(transferTag, 20);
    header.writeUInt32BE(number, 36);
    header.writeUInt32BE(offset, 40);
    this.send(Buffer.concat([header, data, Buffer.alloc((4 - (data.length & 3)) & 3)]));
  }

  /** Task management, immediate; returns the response code once it has come. */
  async manage(action: number, reference = 0xffffffff, lun = 0): Promise<number> {
    const header = RawInitiator.header(0x42, 0x80 | action);
    header[9] = lun;
    header.writeUInt32BE(this.#tag++, 16);
    header.writeUInt32BE(reference, 20);
    header.writeUInt32BE(this.commandNumber, 24);
    this.send(header);
    const pdu = await this.next();
    if (pdu.opcode !== 0x22) throw new Error(`opcode ${pdu.opcode} instead of a task management response`);
    return pdu.header[2]!;
  }

  /** Runs a command without data; its status, and key/asc/ascq if there is sense. */
  async status(cdb: string, lun = 0): Promise<string> {
    this.command(cdb, { lun });
    const pdu = await this.next();
    const sense = pdu.data.length > 0 ? ` ${pdu.data[4]!.toString(16)}/${pdu.data[14]!.toString(16)}/${pdu.data[15]!.toString(16)}` : "";
    return `${pdu.header[3]}${sense}`;
  }
}
