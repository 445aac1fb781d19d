import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

/*
 * A sealed secret is the text "sealed:1:" and base64 of
 *
 * offset | size | field
 * 0      | 12   | nonce, random
 * 12     | n    | AES-256-GCM of the UTF-8 text
 * 12 + n | 16   | tag, also over what the secret is about
 */
const PREFIX = "sealed:1:";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;

/** A key for one purpose (RFC 5869), so that no two purposes share one. */
export function derivedKey(clusterKey: Uint8Array, purpose: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", clusterKey, "virtustor", purpose, KEY_BYTES));
}

/** Seals secrets that lie in the cluster store: who reads the store, or a backup of it, does not have them without the cluster's key. */
export interface Sealer {
  /** `about` names what it is the secret of; under another name it does not open. */
  seal(secret: string, about: string): string;
  /** null: sealed with another key, about something else, or damaged. What was never sealed is given back as it is. */
  open(sealed: string, about: string): string | null;
}

export function realSealer(clusterKey: Uint8Array): Sealer {
  const key = derivedKey(clusterKey, "secrets in the cluster store");
  return {
    seal(secret, about) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(about));
      const sealed = Buffer.concat([nonce, cipher.update(secret, "utf8"), cipher.final(), cipher.getAuthTag()]);
      return PREFIX + sealed.toString("base64");
    },
    open(sealed, about) {
      if (!sealed.startsWith(PREFIX)) return sealed;
      const bytes = Buffer.from(sealed.slice(PREFIX.length), "base64");
      if (bytes.length < NONCE_BYTES + TAG_BYTES) return null;
      const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, NONCE_BYTES)).setAAD(Buffer.from(about));
      decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
      try {
        return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, bytes.length - TAG_BYTES)), decipher.final()]).toString("utf8");
      } catch {
        return null;
      }
    },
  };
}

/** What a secret of the store is about, so that no two agree by accident. */
export const SECRET_OF = {
  chap: (host: string) => `CHAP of the host ${host}`,
  mail: "the mail server's password",
  webhook: "the webhook's secret",
} as const;
