import { connect, type DetailedPeerCertificate } from "node:tls";
import { fingerprintText, isSameFingerprint } from "../base/fingerprint.ts";

const ANSWER_WITHIN_MS = 3_000;

/**
 * The certificate authority (PEM) that a server shows, if it has this fingerprint: afterwards connections are proved by it.
 * Rejects with an Error that says what was found instead.
 */
export function authorityWithFingerprint(api: string, fingerprint: string): Promise<string> {
  const { hostname, port } = new URL(api);
  return new Promise((resolve, reject) => {
    // Nothing is sent over this connection, so that nobody need be trusted yet.
    const socket = connect({ host: hostname, port: Number(port || 443), rejectUnauthorized: false, timeout: ANSWER_WITHIN_MS }, () => {
      const top = topOf(socket.getPeerCertificate(true));
      socket.destroy();
      const found = fingerprintText(top.fingerprint256);
      if (isSameFingerprint(found, fingerprint)) resolve(pem(top.raw));
      else reject(new Error(`the cluster there has the fingerprint ${found}, not ${fingerprint}`));
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
