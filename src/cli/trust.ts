import { connect, type DetailedPeerCertificate } from "node:tls";
import { fingerprintText, isSameFingerprint } from "../base/fingerprint.ts";

const ANSWER_WITHIN_MS = 3_000;

/** The certificate authority (PEM) that a server shows, if it has this fingerprint: afterwards connections are proved by it. */
export async function authorityWithFingerprint(api: string, fingerprint: string): Promise<string> {
  const shown = await authorityShown(api);
  if (isSameFingerprint(shown.fingerprint, fingerprint)) return shown.authority;
  throw new Error(`the cluster there has the fingerprint ${shown.fingerprint}, not ${fingerprint}`);
}

/** What a server shows, whoever it is: to be compared before anything is sent to it. */
export function authorityShown(api: string): Promise<{ readonly authority: string; readonly fingerprint: string }> {
  const { hostname, port } = new URL(api);
  return new Promise((resolve, reject) => {
    // Nothing is sent over this connection, so that nobody need be trusted yet.
    const socket = connect({ host: hostname, port: Number(port || 443), rejectUnauthorized: false, timeout: ANSWER_WITHIN_MS }, () => {
      const top = topOf(socket.getPeerCertificate(true));
      socket.destroy();
      resolve({ authority: pem(top.raw), fingerprint: fingerprintText(top.fingerprint256) });
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
