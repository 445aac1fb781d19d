import type { Crypto, Random } from "../platform/platform.ts";
import type { Access, Host } from "./access.ts";
import { Chap } from "./chap.ts";
import { declarations, defaultParameters, negotiate, type Parameters } from "./keys.ts";
import { AT_COMMAND_NUMBER, FINAL, ProtocolError } from "./pdu.ts";
import { parsePairs } from "./text.ts";

/*
 * Login (RFC 7143 6.3, 11.12)
 *
 *   (start) --> security --> operational --> full feature
 *      \            \____________________________^
 *       \______________________^
 *
 * The initiator proposes each move with T and NSG; this side agrees as soon as nothing is left to prove.
 */
type Stage = "start" | "security" | "operational";

/** Status class and detail (RFC 7143 11.13.5). */
export const LOGIN_SUCCESS = 0x0000;
const INITIATOR_ERROR = 0x0200;
const AUTHENTICATION_FAILURE = 0x0201;
const AUTHORIZATION_FAILURE = 0x0202;
const TARGET_NOT_FOUND = 0x0203;
const UNSUPPORTED_VERSION = 0x0205;
const TOO_MANY_CONNECTIONS = 0x0206;
const MISSING_PARAMETER = 0x0207;
const SESSION_DOES_NOT_EXIST = 0x020a;
const OUT_OF_RESOURCES = 0x0302;

const CONTINUE = 0x40;
/** Text of one login request, over all its PDUs: eight full ones, where initiators send one that is not half full. */
const TEXT_BYTES_MAX = 65536;
/** A login with CHAP both ways takes four. */
const REQUESTS_MAX = 32;
const NAME_BYTES_MAX = 223;
/** Of what an initiator sent so much is repeated in a log line: enough to recognize a name. */
const QUOTED_CHARACTERS_MAX = 223;

/** What a finished login has established. */
export interface LoginResult {
  readonly initiatorName: string;
  /** Null in a discovery session of an initiator that nobody has entered: it finds nothing. */
  readonly host: Host | null;
  readonly discovery: boolean;
  readonly parameters: Parameters;
  /** 12 hexadecimal digits. */
  readonly isid: string;
  readonly connectionId: number;
  /** CmdSN of the first command in full feature phase. */
  readonly commandNumber: number;
}

export interface LoginAnswer {
  /** Byte 1 of the response. */
  readonly flags: number;
  readonly status: number;
  readonly pairs: readonly (readonly [string, string])[];
  /** Why the login is refused, for the log; null unless `status` says so. */
  readonly refusal: string | null;
  readonly result: LoginResult | null;
}

export interface LoginContext {
  readonly access: Access;
  readonly random: Random;
  readonly crypto: Crypto;
  readonly groupTag: number;
  readonly sessionExists: (tsih: number) => boolean;
  readonly mayOpen: () => boolean;
}

class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The login of one connection: requests in, answers out; no I/O and no clock. */
export class Login {
  readonly #context: LoginContext;
  #stage: Stage = "start";
  #requests = 0;
  #text: Buffer[] = [];
  #textBytes = 0;
  #initiatorName = "";
  #host: Host | null = null;
  #discovery = false;
  #isid = "";
  #connectionId = 0;
  readonly #parameters = defaultParameters();
  readonly #answered = new Set<string>();
  #declared = false;
  #chapChosen = false;
  #chap: Chap | null = null;
  #authenticated = false;

  constructor(context: LoginContext) {
    this.#context = context;
  }

  /** The initiator's name once it is known, for log lines. */
  get initiatorName(): string {
    return this.#initiatorName;
  }

  /** Answers one login request. Throws `ProtocolError` when there is no answering. */
  receive(header: Buffer, data: Buffer): LoginAnswer {
    try {
      return this.#receive(header, data);
    } catch (error) {
      if (error instanceof Refusal) return refuse(header, error.status, error.message);
      if (error instanceof ProtocolError) return refuse(header, INITIATOR_ERROR, error.message);
      throw error;
    }
  }

  #receive(header: Buffer, data: Buffer): LoginAnswer {
    if (++this.#requests > REQUESTS_MAX) throw new ProtocolError(`login not finished after ${REQUESTS_MAX} requests`);
    if (header[3]! > 0) throw new Refusal(UNSUPPORTED_VERSION, `the initiator speaks iSCSI version ${header[3]} at least`);
    const flags = header[1]!;
    const transit = (flags & FINAL) !== 0;
    const more = (flags & CONTINUE) !== 0;
    const current = (flags >> 2) & 3;
    const next = flags & 3;
    if (transit && more) throw new ProtocolError("login request with both T and C");
    this.#enter(current);
    this.#textBytes += data.length;
    if (this.#textBytes > TEXT_BYTES_MAX) throw new ProtocolError(`login text of more than ${TEXT_BYTES_MAX} bytes`);
    this.#text.push(Buffer.from(data));
    if (more) return { flags: current << 2, status: LOGIN_SUCCESS, pairs: [], refusal: null, result: null };
    const pairs = parsePairs(Buffer.concat(this.#text));
    this.#text = [];
    this.#textBytes = 0;

    const answers: [string, string][] = [];
    if (this.#initiatorName === "") this.#identify(header, new Map(pairs), answers);
    if (this.#stage === "security") this.#authenticate(new Map(pairs), answers);
    for (const [key, value] of pairs) {
      if (key === "AuthMethod" || key.startsWith("CHAP_")) continue;
      const answer = negotiate(key, value, this.#parameters, this.#discovery);
      // A declaration has no answer, and some initiators repeat theirs in each stage.
      if (answer === null) continue;
      if (this.#answered.has(key)) throw new ProtocolError(`${key} negotiated twice`);
      this.#answered.add(key);
      answers.push([key, answer]);
    }
    if (this.#stage === "operational" && !this.#declared) {
      this.#declared = true;
      answers.push(...declarations().map(([key, value]): [string, string] => [key, value]));
    }
    if (!transit || (this.#stage === "security" && this.#mustProve())) {
      return { flags: current << 2, status: LOGIN_SUCCESS, pairs: answers, refusal: null, result: null };
    }
    if (next <= current || next === 2) throw new ProtocolError(`login stage ${next} after ${current}`);
    if (next === 1) this.#stage = "operational";
    const result = next === 3 ? this.#result(header) : null;
    return { flags: FINAL | (current << 2) | next, status: LOGIN_SUCCESS, pairs: answers, refusal: null, result };
  }

  #enter(current: number): void {
    const stage: Stage | null = current === 0 ? "security" : current === 1 ? "operational" : null;
    if (stage === null) throw new ProtocolError(`login stage ${current} does not exist`);
    if (this.#stage === "start") this.#stage = stage;
    if (this.#stage !== stage) throw new ProtocolError(`login request for stage ${stage} while in ${this.#stage}`);
  }

  /** Who logs in, and to what: everything that the first request must say. */
  #identify(header: Buffer, pairs: ReadonlyMap<string, string>, answers: [string, string][]): void {
    const { access, groupTag, sessionExists, mayOpen } = this.#context;
    const name = pairs.get("InitiatorName") ?? "";
    if (name === "" || name.length > NAME_BYTES_MAX) throw new Refusal(MISSING_PARAMETER, "no usable InitiatorName");
    this.#initiatorName = name;
    this.#isid = header.toString("hex", 8, 14);
    this.#connectionId = header.readUInt16BE(20);
    const type = pairs.get("SessionType") ?? "Normal";
    if (type !== "Normal" && type !== "Discovery") throw new Refusal(0x0209, `session type ${quoted(type)} is not supported`);
    this.#discovery = type === "Discovery";
    const tsih = header.readUInt16BE(14);
    if (tsih !== 0) {
      if (sessionExists(tsih)) throw new Refusal(TOO_MANY_CONNECTIONS, "a session has one connection here");
      throw new Refusal(SESSION_DOES_NOT_EXIST, `there is no session ${tsih}`);
    }
    this.#host = access.host(name);
    if (!this.#discovery) {
      const target = pairs.get("TargetName");
      if (target === undefined) throw new Refusal(MISSING_PARAMETER, "no TargetName");
      if (target.toLowerCase() !== access.targetName.toLowerCase()) {
        throw new Refusal(TARGET_NOT_FOUND, `there is no target ${quoted(target)}`);
      }
      if (this.#host === null) throw new Refusal(AUTHORIZATION_FAILURE, "no host has this initiator name");
      answers.push(["TargetPortalGroupTag", String(groupTag)]);
    }
    if (!mayOpen()) throw new Refusal(OUT_OF_RESOURCES, "the target takes no sessions now");
    if (this.#stage === "operational" && this.#mustProve()) {
      throw new Refusal(AUTHENTICATION_FAILURE, "the host must authenticate with CHAP, and the initiator does not offer it");
    }
  }

  #mustProve(): boolean {
    return this.#host !== null && this.#host.chap !== null && !this.#authenticated;
  }

  /** AuthMethod and the steps of CHAP (RFC 7143 12.1). */
  #authenticate(pairs: ReadonlyMap<string, string>, answers: [string, string][]): void {
    const offered = pairs.get("AuthMethod")?.split(",");
    if (offered !== undefined) {
      const method = this.#mustProve() ? "CHAP" : "None";
      if (!offered.includes(method)) {
        throw new Refusal(
          AUTHENTICATION_FAILURE,
          method === "CHAP"
            ? "the host must authenticate with CHAP, and the initiator does not offer it"
            : "the initiator insists on CHAP, and its host has no CHAP user",
        );
      }
      answers.push(["AuthMethod", method]);
      this.#chapChosen = method === "CHAP";
    }
    const algorithms = pairs.get("CHAP_A");
    if (algorithms !== undefined) this.#challenge(algorithms, answers);
    const response = pairs.get("CHAP_R");
    if (response !== undefined) this.#verify(pairs, response, answers);
  }

  #challenge(algorithms: string, answers: [string, string][]): void {
    if (!this.#chapChosen || this.#chap !== null) throw new ProtocolError("CHAP_A out of turn");
    this.#chap = Chap.begin(this.#context.random, this.#context.crypto, algorithms);
    if (this.#chap === null) throw new Refusal(AUTHENTICATION_FAILURE, `no CHAP algorithm in common (${quoted(algorithms)})`);
    answers.push(...this.#chap.challenge());
  }

  #verify(pairs: ReadonlyMap<string, string>, response: string, answers: [string, string][]): void {
    const credentials = this.#host?.chap ?? null;
    if (this.#chap === null || credentials === null || this.#authenticated) throw new ProtocolError("CHAP_R out of turn");
    if (!this.#chap.verify(credentials, pairs.get("CHAP_N") ?? "", response)) {
      throw new Refusal(AUTHENTICATION_FAILURE, "wrong CHAP user or secret");
    }
    this.#authenticated = true;
    const challenge = pairs.get("CHAP_C");
    if (challenge === undefined) return;
    const own = this.#host?.mutualChap ?? null;
    if (own === null) throw new Refusal(AUTHENTICATION_FAILURE, "the initiator asks for mutual CHAP, which the host does not have");
    const proof = this.#chap.prove(own, pairs.get("CHAP_I") ?? "", challenge);
    if (proof === null) throw new Refusal(AUTHENTICATION_FAILURE, "the initiator's CHAP challenge is malformed or our own");
    answers.push(...proof);
  }

  #result(header: Buffer): LoginResult {
    const parameters = this.#parameters;
    parameters.firstBurstBytes = Math.min(parameters.firstBurstBytes, parameters.maxBurstBytes);
    return {
      initiatorName: this.#initiatorName,
      host: this.#host,
      discovery: this.#discovery,
      parameters,
      isid: this.#isid,
      connectionId: this.#connectionId,
      commandNumber: header.readUInt32BE(AT_COMMAND_NUMBER),
    };
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, QUOTED_CHARACTERS_MAX));
}

function refuse(header: Buffer, status: number, refusal: string): LoginAnswer {
  return { flags: header[1]! & 0x0c, status, pairs: [], refusal, result: null };
}
