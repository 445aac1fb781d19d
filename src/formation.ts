import { chmodSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { DriveId } from "./base/ids.ts";
import { clusterRecord, keys, parseValue, type ClusterRecord, type PoolRecord } from "./cluster/schema.ts";
import type { Clock, Platform, Random } from "./platform/platform.ts";
import { StoreUnavailable, type ClusterStore } from "./platform/store.ts";
import type { ServerConfig } from "./role/config.ts";
import { formatDrive } from "./storage/drive/format.ts";
import { CHECKPOINTS, EXTENTS, JOURNAL, PARKED, SUPERBLOCK } from "./storage/drive/layout.ts";

/**
 * The steps by which a cluster comes to be; the trial takes them all on one machine, the console one server at a time. Each
 * may be repeated after a kill at any point and then leaves what is there alone.
 */
const CLUSTER_KEY_BYTES = 32;
const TOKEN_BYTES = 24;
const STORE_RETRY_MS = 200;
/** Ending of a file's name until all of it is on disk. */
export const TEMPORARY = ".tmp";
/** What a storage process makes in a drive's directory, besides what mkfs leaves there. */
export const DRIVE_ENTRIES: readonly string[] = [SUPERBLOCK, `${SUPERBLOCK}.new`, JOURNAL, EXTENTS, CHECKPOINTS, PARKED];
const LEFT_BY_MKFS = "lost+found";

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

/** Why `directory` must not become a drive; null when it may: nothing may be in it that somebody could miss. */
export function unfitForDrive(directory: string): string | null {
  if (!existsSync(directory)) return null;
  const others = readdirSync(directory).filter((name) => name !== LEFT_BY_MKFS);
  return others.length === 0 ? null : `${directory} is not empty (it holds ${others[0]})`;
}

export interface DriveFormat {
  readonly directory: string;
  readonly driveId: DriveId;
  readonly clusterId: string;
  readonly incarnation: number;
  readonly capacityBytes: number;
  readonly journalSegments: number;
  readonly journalSegmentBytes: number;
}

/** Formats a drive from the beginning: what an earlier attempt left is removed first. The caller knows that no data is there. */
export async function formDrive(platform: Platform, format: DriveFormat): Promise<void> {
  mkdirSync(format.directory, { recursive: true, mode: 0o700 });
  for (const name of DRIVE_ENTRIES) rmSync(join(format.directory, name), { recursive: true, force: true });
  await formatDrive(platform, format);
}

/**
 * Puts the cluster's record and its pool of two copies into the store, unless they are there. Waits for the store until
 * `giveUp` says when; rejects then, and when the store belongs to another cluster.
 */
export async function formCluster(
  world: { store: ClusterStore; clock: Clock },
  wanted: { record: ClusterRecord; pool: PoolRecord },
  giveUp: () => boolean,
): Promise<void> {
  const entries = [
    { key: keys.cluster, value: JSON.stringify(wanted.record) },
    { key: keys.pool(wanted.pool.factor), value: JSON.stringify(wanted.pool) },
  ];
  let why = "it gives no answer";
  for (;;) {
    try {
      const missing = [];
      for (const entry of entries) {
        const { found, storeId } = await world.store.get(entry.key);
        // R14: a store that is made from a backup later has another id.
        if (found === null) missing.push(entry.key === keys.cluster ? { ...entry, value: JSON.stringify({ ...wanted.record, storeId }) } : entry);
        else if (entry.key === keys.cluster) assertSameCluster(parseValue(clusterRecord, entry.key, found.value), wanted.record);
      }
      if (missing.length === 0) return;
      const outcome = await world.store.transact({ compares: missing.map(({ key }) => ({ key, revision: 0 })), puts: missing });
      // Refused or unknown: what is there now decides.
      if (outcome.outcome === "success") return;
      if (outcome.outcome === "unknown") why = outcome.reason;
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      why = error.message;
    }
    if (giveUp()) throw new Error(`the cluster store cannot be used: ${why}`);
    await new Promise<void>((resolve) => void world.clock.timer(STORE_RETRY_MS, resolve));
  }
}

function assertSameCluster(found: ClusterRecord, wanted: ClusterRecord): void {
  if (found.id !== wanted.id) throw new Error(`the cluster store already belongs to another cluster, ${found.id}`);
}

/** A reader, and a restart after a power loss, finds the old content or the new, never a part. For its owner's eyes alone. */
export function writeDurably(file: string, content: string | Uint8Array): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}${TEMPORARY}`;
  try {
    writeFileSync(temporary, content, { mode: 0o600, flush: true });
  } catch (error) {
    if (existsSync(temporary)) rmSync(temporary);
    throw new Error(`cannot write ${file}: ${(error as Error).message}`, { cause: error });
  }
  chmodSync(temporary, 0o600);
  renameSync(temporary, file);
  const directory = openSync(dirname(file), "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
