import { parseNumber, type Pairs } from "./text.ts";

/** What a session has come to (RFC 7143 13); the defaults hold for keys that the initiator does not name. */
export interface Parameters {
  initialR2T: boolean;
  immediateData: boolean;
  headerDigest: boolean;
  dataDigest: boolean;
  maxBurstBytes: number;
  firstBurstBytes: number;
  /** The longest data segment that the initiator takes. */
  initiatorDataBytesMax: number;
}

export function defaultParameters(): Parameters {
  return {
    initialR2T: true,
    immediateData: true,
    headerDigest: false,
    dataDigest: false,
    maxBurstBytes: 262144,
    firstBurstBytes: 65536,
    initiatorDataBytesMax: 8192,
  };
}

/** The longest data segment that this target takes in full feature phase: large writes in few PDUs, 256 KiB of buffer. */
export const TARGET_DATA_BYTES_MAX = 262144;
/** One R2T for a MiB: fewer round trips. */
const MAX_BURST_BYTES = 1048576;
/** Up to here writes come without being asked for: 128 commands may hold 32 MiB so. */
const FIRST_BURST_BYTES = 262144;

type Negotiate = (value: string, parameters: Parameters) => string;

const REJECT = "Reject";
const OVER = "Irrelevant";

/** Smaller of both, within the bounds of RFC 7143 13. */
function smaller(ours: number, least: number, most: number, set: (parameters: Parameters, result: number) => void): Negotiate {
  return (value, parameters) => {
    const theirs = parseNumber(value);
    if (theirs === null || theirs < least || theirs > most) return REJECT;
    const result = Math.min(ours, theirs);
    set(parameters, result);
    return String(result);
  };
}

function boolean(combine: (theirs: boolean) => boolean, set: (parameters: Parameters, result: boolean) => void): Negotiate {
  return (value, parameters) => {
    if (value !== "Yes" && value !== "No") return REJECT;
    const result = combine(value === "Yes");
    set(parameters, result);
    return result ? "Yes" : "No";
  };
}

/** The first of the initiator's list that is known here: its order is its preference (RFC 7143 6.2.1). */
function choice(known: readonly string[], set: (parameters: Parameters, result: string) => void): Negotiate {
  return (value, parameters) => {
    const chosen = value.split(",").find((offer) => known.includes(offer));
    if (chosen === undefined) return REJECT;
    set(parameters, chosen);
    return chosen;
  };
}

function ignore(): void {}

const DIGESTS = ["None", "CRC32C"];

/** Keys of the operational stage: how each is answered. Declarations that need no answer are in `DECLARED`. */
const NEGOTIATED: ReadonlyMap<string, Negotiate> = new Map([
  ["HeaderDigest", choice(DIGESTS, (p, chosen) => (p.headerDigest = chosen === "CRC32C"))],
  ["DataDigest", choice(DIGESTS, (p, chosen) => (p.dataDigest = chosen === "CRC32C"))],
  ["MaxConnections", smaller(1, 1, 65535, ignore)],
  ["InitialR2T", boolean((theirs) => theirs, (p, result) => (p.initialR2T = result))],
  ["ImmediateData", boolean((theirs) => theirs, (p, result) => (p.immediateData = result))],
  ["MaxBurstLength", smaller(MAX_BURST_BYTES, 512, 0xffffff, (p, result) => (p.maxBurstBytes = result))],
  ["FirstBurstLength", smaller(FIRST_BURST_BYTES, 512, 0xffffff, (p, result) => (p.firstBurstBytes = result))],
  ["MaxOutstandingR2T", smaller(1, 1, 65535, ignore)],
  // Larger of both, and this target asks for no wait.
  ["DefaultTime2Wait", smaller(3600, 0, 3600, ignore)],
  ["DefaultTime2Retain", smaller(0, 0, 3600, ignore)],
  ["DataPDUInOrder", boolean(() => true, ignore)],
  ["DataSequenceInOrder", boolean(() => true, ignore)],
  ["ErrorRecoveryLevel", smaller(0, 0, 2, ignore)],
  ["TaskReporting", choice(["RFC3720"], ignore)],
  ["iSCSIProtocolLevel", smaller(1, 0, 31, ignore)],
  // Obsolete; "No" is allowed, "NotUnderstood" is not (RFC 7143 13.25).
  ["IFMarker", () => "No"],
  ["OFMarker", () => "No"],
  ["IFMarkInt", () => REJECT],
  ["OFMarkInt", () => REJECT],
]);

const DECLARED: ReadonlyMap<string, (value: string, parameters: Parameters) => boolean> = new Map([
  [
    "MaxRecvDataSegmentLength",
    (value: string, parameters: Parameters): boolean => {
      const bytes = parseNumber(value);
      if (bytes === null || bytes < 512 || bytes > 0xffffff) return false;
      parameters.initiatorDataBytesMax = bytes;
      return true;
    },
  ],
  // Read by the login itself, or for people alone.
  ["InitiatorName", () => true],
  ["InitiatorAlias", () => true],
  ["TargetName", () => true],
  ["SessionType", () => true],
]);

/** Without these a discovery session is complete (RFC 7143 13). */
const NORMAL_SESSIONS_ONLY = new Set([
  "MaxConnections",
  "InitialR2T",
  "ImmediateData",
  "MaxBurstLength",
  "FirstBurstLength",
  "MaxOutstandingR2T",
  "DataPDUInOrder",
  "DataSequenceInOrder",
]);

/**
 * Answers one operational key and notes its result in `parameters`. Null: nothing is to be answered.
 * "Reject" as answer means that the value is none that the key can have.
 */
export function negotiate(key: string, value: string, parameters: Parameters, discovery: boolean): string | null {
  const declared = DECLARED.get(key);
  if (declared !== undefined) return declared(value, parameters) ? null : REJECT;
  const rule = NEGOTIATED.get(key);
  if (rule === undefined) return "NotUnderstood";
  if (discovery && NORMAL_SESSIONS_ONLY.has(key)) return OVER;
  return rule(value, parameters);
}

/** What this target declares once, in its first answer in the operational stage. */
export function declarations(): Pairs {
  return [["MaxRecvDataSegmentLength", String(TARGET_DATA_BYTES_MAX)]];
}
