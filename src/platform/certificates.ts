import { createHash, X509Certificate } from "node:crypto";
import type { X509CertificateCreateParams } from "@peculiar/x509";
import { fingerprintText } from "../base/fingerprint.ts";

/** PEM texts. `certificate` may be followed by those that signed it. */
export interface Certified {
  readonly certificate: string;
  /** PKCS #8. */
  readonly key: string;
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const YEAR_MS = 365.25 * 24 * 3600 * 1000;
const VALID_YEARS = 20;
const SERIAL_BYTES = 16;

/** A cluster's certificate authority: self-signed, for 20 years, signs servers and nothing that signs. */
export async function makeAuthority(clusterName: string, nowMs: number): Promise<Certified> {
  const x509 = await library();
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: distinguished(`VirtuStor cluster ${clusterName}`),
    ...validity(nowMs + VALID_YEARS * YEAR_MS),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: certificate.toString("pem"), key: await exported(keys.privateKey) };
}

/**
 * A server's certificate, for both ends of a connection: its API and etcd's. Names its addresses, 127.0.0.1 and its name. Valid as
 * long as the authority is. The authority follows in the text, so that a client can learn it, and its fingerprint, from the server.
 */
export async function issueForServer(authority: Certified, server: { readonly name: string; readonly addresses: readonly string[] }): Promise<Certified> {
  const x509 = await library();
  const issuer = new x509.X509Certificate(authority.certificate);
  const signingKey = await crypto.subtle.importKey("pkcs8", x509.PemConverter.decodeFirst(authority.key), ALGORITHM, false, ["sign"]);
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.create({
    ...leaf(server.name, issuer.notAfter.getTime()),
    issuer: issuer.subject,
    signingKey,
    publicKey: keys.publicKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension(alternativeNames(server)),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: `${certificate.toString("pem")}\n${issuer.toString("pem")}\n`, key: await exported(keys.privateKey) };
}

/** Of the first certificate in `pem`, as people compare it. */
export function fingerprintOf(pem: string): string {
  return fingerprintText(createHash("sha256").update(new X509Certificate(pem).raw).digest("hex"));
}

/** Whether `certificate` was signed by `authority`, and for each of these addresses. */
export function isIssuedFor(certificate: string, authority: string, addresses: readonly string[]): boolean {
  try {
    const parsed = new X509Certificate(certificate);
    return parsed.verify(new X509Certificate(authority).publicKey) && addresses.every((address) => parsed.checkIP(address) !== undefined);
  } catch {
    return false;
  }
}

/**
 * From 1970 on: a server whose clock has lost its battery must still reach the others, by which it gets the time. The storage
 * protocol's own proofs do not depend on the time either.
 */
function validity(notAfterMs: number): Pick<X509CertificateCreateParams, "notBefore" | "notAfter"> {
  return { notBefore: new Date(0), notAfter: new Date(notAfterMs) };
}

function leaf(name: string, notAfterMs: number) {
  return { serialNumber: newSerial(), subject: distinguished(name), ...validity(notAfterMs), signingAlgorithm: ALGORITHM };
}

/** As an object, so that no character of a name means anything. X.520 allows 64 characters. */
function distinguished(name: string): { CN: string[] }[] {
  return [{ CN: [name.slice(0, 64)] }];
}

function alternativeNames({ name, addresses }: { readonly name: string; readonly addresses: readonly string[] }): { type: "ip" | "dns"; value: string }[] {
  const ips = [...new Set([...addresses, "127.0.0.1"])].map((value) => ({ type: "ip" as const, value }));
  return [...ips, { type: "dns", value: "localhost" }, ...(/^[a-z0-9.-]+$/i.test(name) ? [{ type: "dns" as const, value: name }] : [])];
}

function newKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]) as Promise<CryptoKeyPair>;
}

/** Positive, as RFC 5280 4.1.2.2 wants it. */
function newSerial(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(SERIAL_BYTES));
  bytes[0] = (bytes[0] ?? 0) & 0x7f | 0x40;
  return Buffer.from(bytes).toString("hex");
}

async function exported(key: CryptoKey): Promise<string> {
  const body = Buffer.from(await crypto.subtle.exportKey("pkcs8", key)).toString("base64");
  return `-----BEGIN PRIVATE KEY-----\n${(body.match(/.{1,64}/g) ?? []).join("\n")}\n-----END PRIVATE KEY-----\n`;
}

/** Loaded by whoever makes a certificate: it is large, and a storage process has no use for it. */
async function library(): Promise<typeof import("@peculiar/x509")> {
  allowMetadata();
  return await import("@peculiar/x509");
}

/** The package's own container wants three functions of the package reflect-metadata, and nothing of what they keep. */
function allowMetadata(): void {
  if ("getMetadata" in Reflect) return;
  const nothing = (): undefined => undefined;
  Object.assign(Reflect, { getMetadata: nothing, getOwnMetadata: nothing, defineMetadata: nothing });
}
