import type { Crypto } from "../platform/platform.ts";

/** Whether an Authorization header bears the token (RFC 6750 2.1). The time it takes does not tell how much of it was right. */
export function tokenCheck(crypto: Crypto, token: string): (header: string | undefined) => boolean {
  const encoder = new TextEncoder();
  const wanted = crypto.sha256(encoder.encode(token));
  return (header) => {
    const given = /^bearer +([\x21-\x7e]+) *$/i.exec(header ?? "")?.[1];
    // Digests have one length, so that the length of the token does not show either.
    return given !== undefined && crypto.equal(crypto.sha256(encoder.encode(given)), wanted);
  };
}
