import { mkdirSync, writeFileSync } from "node:fs";
import { issueForServer, makeAuthority, type Certified } from "../src/platform/certificates.ts";
import { tlsFiles } from "../src/role/tls.ts";

/** An authority for this run of the tests, and a certificate of it for 127.0.0.1 to .9. */
export const authority: Certified = await makeAuthority("test", Date.now());
export const tls: Certified = await issueForServer(authority, { name: "test", addresses: Array.from({ length: 9 }, (_, n) => `127.0.0.${n + 1}`) });

/** What `fetch` needs to believe it. */
export const trusting = { tls: { ca: authority.certificate } };

/** A server's folder of certificates. Returns it. */
export function writeTls(directory: string): string {
  const files = tlsFiles(directory);
  mkdirSync(directory, { recursive: true });
  writeFileSync(files.authority, authority.certificate);
  writeFileSync(files.authorityKey, authority.key);
  writeFileSync(files.certificate, tls.certificate);
  writeFileSync(files.key, tls.key);
  return directory;
}
