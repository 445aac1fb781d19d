import { connect, type DetailedPeerCertificate } from "node:tls";
import { fingerprintText } from "../base/fingerprint.ts";

/** The certificate authority that a server shows, not believed yet. */
export interface ShownAuthority {
  /** PEM. */
  readonly authority: string;
  readonly fingerprint: string;
}

/**
 * Asks a server for the authority of its certificate, and nothing else: nothing is sent, so nobody need be trusted. Rejects with an
 * Error that says what came instead. Whoever takes the authority for the one he knows proves later connections by it.
 */
export function shownAuthority(host: string, port: number, withinMs: number): Promise<ShownAuthority> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, rejectUnauthorized: false, timeout: withinMs }, () => {
      const top = topOf(socket.getPeerCertificate(true));
      socket.destroy();
      if (top.raw === undefined) reject(new Error("it shows no certificate"));
      else resolve({ authority: pem(top.raw), fingerprint: fingerprintText(top.fingerprint256) });
    });
    socket.once("timeout", () => socket.destroy(new Error("no answer in time")));
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("the connection was closed without an answer")));
  });
}

function topOf(certificate: DetailedPeerCertificate): DetailedPeerCertificate {
  let top = certificate;
  // The last one is its own issuer.
  while (top.issuerCertificate && top.issuerCertificate.fingerprint256 !== top.fingerprint256) top = top.issuerCertificate;
  return top;
}

function pem(der: Buffer): string {
  return `-----BEGIN CERTIFICATE-----\n${(der.toString("base64").match(/.{1,64}/g) ?? []).join("\n")}\n-----END CERTIFICATE-----\n`;
}
