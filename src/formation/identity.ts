import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { DriveId } from "../base/ids.ts";
import { isIssuedFor, issueForServer, makeAuthority, type Certified } from "../platform/certificates.ts";
import type { Clock, Random } from "../platform/platform.ts";
import type { ServerConfig } from "../role/config.ts";
import { tlsFiles } from "../role/tls.ts";
import { writeDurably } from "./durable.ts";

/** What tells a cluster, and a server of it, from every other: ids, keys, certificates. Each is made once and then left alone. */
const CLUSTER_KEY_BYTES = 32;
const TOKEN_BYTES = 24;

/** 32 hexadecimal digits. */
export function newClusterId(random: Random): string {
  return Buffer.from(random.bytes(16)).toString("hex");
}
export function newDriveId(random: Random): DriveId {
  return Buffer.from(random.bytes(8)).toString("hex") as DriveId;
}
/** The one target name of a cluster (RFC 3721 1.1: a date on which, and a name that, its giver owned). */
export function targetNameOf(clusterId: string): string {
  return `iqn.2026-11.io.virtustor:${clusterId.slice(0, 12)}`;
}

/** The key that all servers of a cluster share, for the hello of the storage protocol; made when it is not there. */
export function ensureClusterKey(file: string, random: Random): void {
  if (!existsSync(file)) writeDurably(file, random.bytes(CLUSTER_KEY_BYTES));
}
/** The API's bearer token; made when it is not there. Returns it. */
export function ensureToken(file: string, random: Random): string {
  if (!existsSync(file)) writeDurably(file, `${Buffer.from(random.bytes(TOKEN_BYTES)).toString("hex")}\n`);
  return readFileSync(file, "utf8").trim();
}
export function writeServerConfig(file: string, config: ServerConfig): void {
  writeDurably(file, `${JSON.stringify(config, null, 2)}\n`);
}

/** The cluster's certificate authority in `directory`; made when it is not there. */
export async function ensureAuthority(directory: string, clusterName: string, clock: Clock): Promise<Certified> {
  const files = tlsFiles(directory);
  // The certificate is written last: with it the authority is whole.
  if (!existsSync(files.authority)) saveAuthority(directory, await makeAuthority(clusterName, clock.wallMs()));
  return { certificate: readFileSync(files.authority, "utf8"), key: readFileSync(files.authorityKey, "utf8") };
}
/** Every server has the authority's key, as it has the cluster's: any of them lets the next one in. */
export function saveAuthority(directory: string, authority: Certified): void {
  const files = tlsFiles(directory);
  writeDurably(files.authorityKey, authority.key);
  writeDurably(files.authority, authority.certificate);
}
/** A server's own certificate and key in `directory`, made again when they are not for this authority and these addresses. */
export async function ensureServerCertificate(directory: string, authority: Certified, server: { readonly name: string; readonly addresses: readonly string[] }): Promise<void> {
  const files = tlsFiles(directory);
  if (existsSync(files.key) && existsSync(files.certificate) && isIssuedFor(readFileSync(files.certificate, "utf8"), authority.certificate, server.addresses)) return;
  const made = await issueForServer(authority, server);
  writeDurably(files.key, made.key);
  writeDurably(files.certificate, made.certificate);
}

/** Where a server keeps its secrets: the same names in a trial's server and on an appliance. */
export function secretFiles(directory: string): { clusterKey: string; token: string; tls: string } {
  return { clusterKey: join(directory, "cluster.key"), token: join(directory, "token"), tls: join(directory, "tls") };
}

/** The directory of the server that has this configuration file. */
export function directoryOf(configFile: string): string {
  return dirname(configFile);
}
