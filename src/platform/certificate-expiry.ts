import { X509Certificate } from "node:crypto";

/** Until when a certificate (PEM) is valid, milliseconds since 1970; null when it is none. */
export function certificateExpiry(pem: string): number | null {
  try {
    const until = Date.parse(new X509Certificate(pem).validTo);
    return Number.isNaN(until) ? null : until;
  } catch {
    return null;
  }
}
