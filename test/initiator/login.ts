import { createHash } from "node:crypto";
import { AT_COMMAND_NUMBER, AT_EXPECTED_STATUS_NUMBER, AT_FLAGS, AT_LUN, AT_TASK_TAG, FINAL, HEADER_BYTES, IMMEDIATE, LOGIN, LOGIN_RESPONSE } from "../../src/iscsi/pdu.ts";
import { formatPairs, parsePairs } from "../../src/iscsi/text.ts";
import { ConnectionLost } from "./connection.ts";

export interface LoginOptions {
  readonly initiatorName: string;
  readonly target: string;
  readonly chap?: { readonly user: string; readonly secret: string };
  /** Wanted keys of RFC 7143 13; the target may decide otherwise. */
  readonly immediateData?: boolean;
  readonly initialR2T?: boolean;
  readonly maxBurstBytes?: number;
  readonly firstBurstBytes?: number;
}

/** What both sides have agreed on. */
export interface Negotiated {
  readonly immediateData: boolean;
  readonly initialR2T: boolean;
  readonly maxBurstBytes: number;
  readonly firstBurstBytes: number;
  /** The longest data segment that the target takes. */
  readonly targetDataBytesMax: number;
}

/** The target does not let this initiator in; `status` is class and detail (RFC 7143 11.13.5). */
export class LoginRefused extends Error {
  override name = "LoginRefused";
  readonly status: number;
  constructor(status: number) {
    super(`login refused with status 0x${status.toString(16).padStart(4, "0")}`);
    this.status = status;
  }
}

export const AUTHENTICATION_FAILURE = 0x0201;
export const AUTHORIZATION_FAILURE = 0x0202;
export const TARGET_NOT_FOUND = 0x0203;

/** The longest data segment that this initiator takes. */
const DATA_BYTES_MAX = 262144;
const SECURITY = 0;
const OPERATIONAL = 1;
const FULL_FEATURE = 3;
const MD5 = "5";

/** Sends one request and gives the response to it. */
export type Exchange = (header: Buffer, data: Buffer) => Promise<{ readonly header: Buffer; readonly data: Buffer }>;

type Pairs = [string, string][];

/** Logs in over `exchange` (RFC 7143 6.3): security stage first, then operational. Rejects with `LoginRefused`. */
export async function login(exchange: Exchange, options: LoginOptions): Promise<{ negotiated: Negotiated; lastResponse: Buffer }> {
  // ISID of the random form (RFC 7143 11.12.5): each connection is a session of its own.
  const isid = Buffer.concat([Buffer.from([0x80]), Buffer.from(crypto.getRandomValues(new Uint8Array(5)))]);
  let lastResponse: Buffer = Buffer.alloc(HEADER_BYTES);
  let expectedStatusNumber = 0;
  const step = async (stage: number, next: number | null, pairs: Pairs): Promise<Map<string, string>> => {
    const header = Buffer.alloc(HEADER_BYTES);
    header[0] = LOGIN | IMMEDIATE;
    header[AT_FLAGS] = (stage << 2) | (next === null ? 0 : FINAL | next);
    isid.copy(header, AT_LUN);
    header.writeUInt32BE(1, AT_TASK_TAG);
    header.writeUInt32BE(1, AT_COMMAND_NUMBER);
    header.writeUInt32BE(expectedStatusNumber, AT_EXPECTED_STATUS_NUMBER);
    const answer = await exchange(header, formatPairs(pairs));
    if ((answer.header[0]! & 0x3f) !== LOGIN_RESPONSE) throw new ConnectionLost("the target answers a login with something else");
    lastResponse = answer.header;
    const status = answer.header.readUInt16BE(36);
    if (status !== 0) throw new LoginRefused(status);
    expectedStatusNumber = (answer.header.readUInt32BE(AT_COMMAND_NUMBER) + 1) >>> 0;
    return new Map(parsePairs(answer.data));
  };

  const who: Pairs = [["InitiatorName", options.initiatorName], ["SessionType", "Normal"], ["TargetName", options.target]];
  if (options.chap === undefined) {
    await step(SECURITY, OPERATIONAL, [...who, ["AuthMethod", "None"]]);
  } else {
    await step(SECURITY, null, [...who, ["AuthMethod", "CHAP,None"]]);
    const challenge = await step(SECURITY, null, [["CHAP_A", MD5]]);
    await step(SECURITY, OPERATIONAL, [["CHAP_N", options.chap.user], ["CHAP_R", chapResponse(challenge, options.chap.secret)]]);
  }
  const yes = (value: boolean | undefined, byDefault: boolean): string => ((value ?? byDefault) ? "Yes" : "No");
  const answers = await step(OPERATIONAL, FULL_FEATURE, [
    ["HeaderDigest", "None"],
    ["DataDigest", "None"],
    ["InitialR2T", yes(options.initialR2T, false)],
    ["ImmediateData", yes(options.immediateData, true)],
    ["MaxBurstLength", String(options.maxBurstBytes ?? 1048576)],
    ["FirstBurstLength", String(options.firstBurstBytes ?? 65536)],
    ["MaxRecvDataSegmentLength", String(DATA_BYTES_MAX)],
    ["ErrorRecoveryLevel", "0"],
  ]);
  const number = (key: string, byDefault: number): number => Number(answers.get(key) ?? byDefault);
  const negotiated = {
    immediateData: answers.get("ImmediateData") !== "No",
    initialR2T: answers.get("InitialR2T") !== "No",
    maxBurstBytes: number("MaxBurstLength", 262144),
    firstBurstBytes: number("FirstBurstLength", 65536),
    targetDataBytesMax: number("MaxRecvDataSegmentLength", 8192),
  };
  return { negotiated, lastResponse };
}

/** RFC 1994: MD5 over identifier, secret and challenge. */
function chapResponse(challenge: ReadonlyMap<string, string>, secret: string): string {
  const identifier = Number(challenge.get("CHAP_I") ?? Number.NaN);
  const given = challenge.get("CHAP_C") ?? "";
  if (!Number.isInteger(identifier) || !given.startsWith("0x")) throw new ConnectionLost("the target sent no CHAP challenge that can be answered");
  const hash = createHash("md5").update(Buffer.from([identifier])).update(secret, "utf8").update(Buffer.from(given.slice(2), "hex"));
  return `0x${hash.digest("hex")}`;
}
