import { expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { isSameFingerprint } from "../../src/base/fingerprint.ts";
import { fingerprintOf, isIssuedFor, issueForServer, makeAuthority } from "../../src/platform/certificates.ts";

const NOW_MS = Date.UTC(2026, 10, 22);
const authority = await makeAuthority("demo", NOW_MS);

test("an authority signs itself, lasts 20 years, and serves a clock that has fallen back to 1970", () => {
  const parsed = new X509Certificate(authority.certificate);
  expect(parsed.ca).toBe(true);
  expect(parsed.verify(parsed.publicKey)).toBe(true);
  expect(new Date(parsed.validTo).getUTCFullYear()).toBe(2046);
  expect(Date.parse(parsed.validFrom)).toBe(0);
});

test("a server's certificate is for its addresses, this machine and its name, signs nothing, and brings its authority along", async () => {
  const { certificate, key } = await issueForServer(authority, { name: "server-1", addresses: ["10.0.0.1", "10.1.0.1"] });
  const parsed = new X509Certificate(certificate);
  expect(parsed.ca).toBe(false);
  expect(parsed.subjectAltName).toBe("IP Address:10.0.0.1, IP Address:10.1.0.1, IP Address:127.0.0.1, DNS:localhost, DNS:server-1");
  // Server and client authentication.
  expect(parsed.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
  expect(isIssuedFor(certificate, authority.certificate, ["10.0.0.1", "127.0.0.1"])).toBe(true);
  expect(isIssuedFor(certificate, authority.certificate, ["10.0.0.2"])).toBe(false);
  expect(isIssuedFor(certificate, (await makeAuthority("demo", NOW_MS)).certificate, ["10.0.0.1"])).toBe(false);
  expect(certificate.split("BEGIN CERTIFICATE")).toHaveLength(3);
  expect(key).toStartWith("-----BEGIN PRIVATE KEY-----\n");
});

test("a name that means something in a certificate, or is long, means nothing", async () => {
  const { certificate } = await issueForServer(authority, { name: `a,O=x+CN=${"y".repeat(100)}`, addresses: [] });
  expect(new X509Certificate(certificate).subject?.split("\n")).toHaveLength(1);
});

test("a fingerprint is one of the authority, and is compared as people type it", async () => {
  const fingerprint = fingerprintOf(authority.certificate);
  expect(fingerprint).toMatch(/^([0-9A-F]{4}-){7}[0-9A-F]{4}$/);
  expect(isSameFingerprint(fingerprint, ` ${fingerprint.toLowerCase().replaceAll("-", " ")}`)).toBe(true);
  expect(isSameFingerprint(fingerprint, new X509Certificate(authority.certificate).fingerprint256)).toBe(true);
  expect(isSameFingerprint(fingerprint, fingerprintOf((await makeAuthority("demo", NOW_MS)).certificate))).toBe(false);
  for (const nothing of ["", "-", fingerprint.slice(0, 20)]) expect(isSameFingerprint(nothing, nothing)).toBe(false);
});
