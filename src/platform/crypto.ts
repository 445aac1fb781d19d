import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { Crypto } from "./platform.ts";

export function realCrypto(): Crypto {
  return {
    hmac(key, parts) {
      const hmac = createHmac("sha256", key);
      for (const part of parts) hmac.update(part);
      return new Uint8Array(hmac.digest());
    },
    // A length is no secret in any protocol here, and the constant-time comparison wants equal ones.
    equal: (a, b) => a.byteLength === b.byteLength && timingSafeEqual(a, b),
    md5: (data) => new Uint8Array(createHash("md5").update(data).digest()),
    sha256: (data) => new Uint8Array(createHash("sha256").update(data).digest()),
  };
}
