import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TlsIdentity } from "../platform/store/tls-socket.ts";

/** Where a server keeps its certificates, PEM texts all. */
export interface TlsFiles {
  /** The cluster's certificate authority. */
  readonly authority: string;
  readonly authorityKey: string;
  /** This server's, followed by the authority. */
  readonly certificate: string;
  readonly key: string;
}

export function tlsFiles(directory: string): TlsFiles {
  return { authority: join(directory, "ca.crt"), authorityKey: join(directory, "ca.key"), certificate: join(directory, "server.crt"), key: join(directory, "server.key") };
}

/** Throws an Error that names the file that cannot be read. */
export function readTls(directory: string): TlsIdentity {
  const files = tlsFiles(directory);
  return { authority: read(files.authority), certificate: read(files.certificate), key: read(files.key) };
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new Error(`the certificate file ${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
