import { ProtocolError } from "./pdu.ts";

/** Far above what any initiator sends; bounds the work of one request. */
const PAIRS_MAX = 128;
/** RFC 7143 6.1. */
const KEY_BYTES_MAX = 63;
/** RFC 7143 6.1, for all but binary values; no binary value here is longer. */
const VALUE_BYTES_MAX = 8192;

/** `key=value` pairs, in the order in which they came. */
export type Pairs = readonly (readonly [key: string, value: string])[];

/** Text of login and text requests as pairs (RFC 7143 6.1). Throws `ProtocolError`. */
export function parsePairs(data: Buffer): Pairs {
  const pairs: [string, string][] = [];
  for (const part of data.toString("utf8").split("\0")) {
    if (part === "") continue;
    const equals = part.indexOf("=");
    if (equals < 1) throw new ProtocolError("text without key=value");
    if (equals > KEY_BYTES_MAX || part.length - equals > VALUE_BYTES_MAX) throw new ProtocolError("text key or value too long");
    pairs.push([part.slice(0, equals), part.slice(equals + 1)]);
    if (pairs.length > PAIRS_MAX) throw new ProtocolError(`more than ${PAIRS_MAX} text keys`);
  }
  return pairs;
}

export function formatPairs(pairs: Pairs): Buffer {
  return Buffer.from(pairs.map(([key, value]) => `${key}=${value}\0`).join(""), "utf8");
}

/** A numerical value, decimal or 0x hexadecimal; null when it is none. */
export function parseNumber(value: string): number | null {
  if (!/^(0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10})$/.test(value)) return null;
  return Number(value);
}

/** A binary value, 0x hexadecimal or 0b base64 (RFC 7143 6.1); null when it is none. */
export function parseBinary(value: string): Buffer | null {
  if (/^0[xX]([0-9a-fA-F]{2})+$/.test(value)) return Buffer.from(value.slice(2), "hex");
  if (/^0[bB][A-Za-z0-9+/]+={0,2}$/.test(value)) return Buffer.from(value.slice(2), "base64");
  return null;
}
