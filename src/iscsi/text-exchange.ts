import type { Access } from "./access.ts";
import { negotiate, type Parameters } from "./keys.ts";
import type { Numbers } from "./numbers.ts";
import type { Outbox } from "./outbox.ts";
import { AT_TASK_TAG, AT_TRANSFER_TAG, FINAL, NO_TAG, ProtocolError, TEXT_RESPONSE } from "./pdu.ts";
import { formatPairs, parsePairs, type Pairs } from "./text.ts";

const CONTINUE = 0x40;
/** Text requests carry one key; this is what one PDU holds before login. */
const REQUEST_BYTES_MAX = 8192;
/** Any but NO_TAG: there is one exchange at a time. */
const MORE_TAG = 1;

export interface TextContext {
  readonly access: Access;
  readonly outbox: Outbox;
  readonly numbers: Numbers;
  readonly parameters: Parameters;
  readonly discovery: boolean;
  /** This initiator may see the target. */
  readonly known: boolean;
}

/** Text requests in full feature phase: SendTargets, in as many PDUs as it takes (RFC 7143 11.10, Appendix C). */
export class TextExchange {
  readonly #context: TextContext;
  #request: Buffer[] = [];
  #requestBytes = 0;
  /** What is still to be sent of the answer under way. */
  #answer: Buffer | null = null;

  constructor(context: TextContext) {
    this.#context = context;
  }

  request(header: Buffer, data: Buffer): void {
    const tag = header.readUInt32BE(AT_TASK_TAG);
    if (header.readUInt32BE(AT_TRANSFER_TAG) !== NO_TAG && this.#answer !== null) return this.#send(tag);
    this.#answer = null;
    this.#requestBytes += data.length;
    if (this.#requestBytes > REQUEST_BYTES_MAX) throw new ProtocolError(`text request of more than ${REQUEST_BYTES_MAX} bytes`);
    this.#request.push(Buffer.from(data));
    if ((header[1]! & CONTINUE) !== 0) {
      this.#respond(tag, 0, MORE_TAG, null);
      return;
    }
    const pairs = parsePairs(Buffer.concat(this.#request));
    this.#request = [];
    this.#requestBytes = 0;
    this.#answer = formatPairs(pairs.flatMap(([key, value]) => this.#answerTo(key, value)));
    this.#send(tag);
  }

  #answerTo(key: string, value: string): Pairs {
    const { parameters, discovery } = this.#context;
    if (key === "SendTargets") return this.#targets(value);
    // The only other key that may be sent here is what the initiator can take (RFC 7143 13.12).
    if (key === "MaxRecvDataSegmentLength") {
      const answer = negotiate(key, value, parameters, discovery);
      return answer === null ? [] : [[key, answer]];
    }
    return [[key, negotiate(key, "", { ...parameters }, discovery) === "NotUnderstood" ? "NotUnderstood" : "Reject"]];
  }

  #targets(value: string): Pairs {
    const { access, discovery, known } = this.#context;
    const { targetName } = access;
    const all = value === "All" && discovery;
    // In a normal session an empty value means the target of the session.
    const named = value.toLowerCase() === targetName.toLowerCase() || (value === "" && !discovery);
    if (value === "All" && !discovery) return [["SendTargets", "Reject"]];
    if (!known || !(all || named)) return [];
    return [
      ["TargetName", targetName],
      ...access.portals().map(({ address, port, groupTag }): [string, string] => {
        const host = address.includes(":") ? `[${address}]` : address;
        return ["TargetAddress", `${host}:${port},${groupTag}`];
      }),
    ];
  }

  #send(tag: number): void {
    const answer = this.#answer!;
    const piece = answer.subarray(0, this.#context.parameters.initiatorDataBytesMax);
    const rest = answer.subarray(piece.length);
    this.#answer = rest.length > 0 ? rest : null;
    if (this.#answer === null) this.#respond(tag, FINAL, NO_TAG, piece);
    else this.#respond(tag, CONTINUE, MORE_TAG, piece);
  }

  #respond(tag: number, flags: number, transferTag: number, data: Buffer | null): void {
    const { outbox, numbers } = this.#context;
    const at = outbox.open(TEXT_RESPONSE, flags, data?.length ?? 0);
    outbox.buffer.writeUInt32BE(tag, at + AT_TASK_TAG);
    outbox.buffer.writeUInt32BE(transferTag, at + AT_TRANSFER_TAG);
    numbers.stamp(outbox.buffer, at, true);
    outbox.close(data);
  }
}
