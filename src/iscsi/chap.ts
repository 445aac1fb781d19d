import type { Crypto, Random } from "../platform/platform.ts";
import type { Credentials } from "./access.ts";
import { parseBinary } from "./text.ts";

/** RFC 7143 12.1.3 and IANA's registry: MD5, which every initiator has, and SHA-256. */
const MD5 = "5";
const SHA256 = "7";
const CHALLENGE_BYTES = 16;
/** RFC 7143 12.1.3: binary values are at most this long. */
const CHALLENGE_BYTES_MAX = 1024;

/** One CHAP exchange as the side that challenges first (RFC 7143 12.1.3, RFC 1994). */
export class Chap {
  readonly #crypto: Crypto;
  readonly #algorithm: string;
  readonly #identifier: number;
  readonly #challenge: Buffer;

  private constructor(random: Random, crypto: Crypto, algorithm: string) {
    this.#crypto = crypto;
    this.#algorithm = algorithm;
    this.#identifier = random.bytes(1)[0]!;
    this.#challenge = Buffer.from(random.bytes(CHALLENGE_BYTES));
  }

  /** `offered` is the value of CHAP_A: algorithms by preference. Null when none is known here. */
  static begin(random: Random, crypto: Crypto, offered: string): Chap | null {
    const chosen = offered.split(",").find((algorithm) => algorithm === MD5 || algorithm === SHA256);
    return chosen === undefined ? null : new Chap(random, crypto, chosen);
  }

  challenge(): [string, string][] {
    return [
      ["CHAP_A", this.#algorithm],
      ["CHAP_I", String(this.#identifier)],
      ["CHAP_C", `0x${this.#challenge.toString("hex")}`],
    ];
  }

  /** Whether CHAP_N and CHAP_R prove that the initiator knows the secret. */
  verify(credentials: Credentials, name: string, response: string): boolean {
    const given = parseBinary(response);
    if (given === null) return false;
    const expected = this.#response(this.#identifier, credentials.secret, this.#challenge);
    const right = given.length === expected.length && this.#crypto.equal(given, expected);
    return right && name === credentials.user;
  }

  /** Answers the initiator's own challenge (CHAP_I, CHAP_C). Null when it is malformed, or a reflection of ours. */
  prove(credentials: Credentials, identifier: string, challenge: string): [string, string][] | null {
    const given = parseBinary(challenge);
    if (given === null || given.length > CHALLENGE_BYTES_MAX || given.equals(this.#challenge)) return null;
    if (!/^[0-9]{1,3}$/.test(identifier) || Number(identifier) > 255) return null;
    const response = this.#response(Number(identifier), credentials.secret, given);
    return [
      ["CHAP_N", credentials.user],
      ["CHAP_R", `0x${Buffer.from(response).toString("hex")}`],
    ];
  }

  #response(identifier: number, secret: string, challenge: Buffer): Uint8Array {
    const input = Buffer.concat([Buffer.from([identifier]), Buffer.from(secret, "utf8"), challenge]);
    return this.#algorithm === MD5 ? this.#crypto.md5(input) : this.#crypto.sha256(input);
  }
}
