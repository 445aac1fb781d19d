import { stretched } from "../platform/stretch.ts";
import type { Crypto } from "../platform/platform.ts";

/**
 * Both ends show that they know the join code, without saying it, before anything is trusted or given. The connection is TLS with a
 * certificate that nobody knows yet; the proofs hold the fingerprint of its authority as each end sees it, so that somebody between
 * them, who shows another one, fits neither. The joiner's comes first, and a wrong one costs a try.
 *
 *     key   = argon2id(code, salt)
 *     proof = HMAC-SHA-256(key, side, joiner's nonce, cluster's nonce, fingerprint, joiner's word)
 *
 * Whoever has made a joiner prove itself to him can try codes against that proof: 2^40 at some 50 ms of a core each, within the hour.
 */
export interface Proven {
  readonly joinerNonce: Uint8Array;
  readonly clusterNonce: Uint8Array;
  readonly fingerprint: string;
  /** What the joiner says of itself, as it was sent. */
  readonly word: string;
}

export type Side = "joiner" | "cluster";

export const NONCE_BYTES = 32;

export function keyOf(code: string, salt: string): Promise<Uint8Array> {
  return stretched(code, Buffer.from(salt, "hex"));
}

/** 32 bytes, hexadecimal. */
export function proofOf(crypto: Crypto, key: Uint8Array, side: Side, { joinerNonce, clusterNonce, fingerprint, word }: Proven): string {
  // Every part but the last has a fixed length once the fingerprint's is fixed, so that no two lists of parts look alike.
  return Buffer.from(crypto.hmac(key, [`virtustor join 1 ${side} `, joinerNonce, clusterNonce, fingerprint, "\0", word])).toString("hex");
}

export function isProof(crypto: Crypto, key: Uint8Array, side: Side, proven: Proven, given: string): boolean {
  return crypto.equal(Buffer.from(proofOf(crypto, key, side, proven), "hex"), Buffer.from(given, "hex"));
}
