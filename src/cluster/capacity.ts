import type { DriveId, ExtentIndex, GroupId, ServerName } from "../base/ids.ts";
import type { ClusterMap } from "./map.ts";
import { groupOf } from "./placement.ts";
import type { VolumeRecord } from "./schema.ts";

/** All in bytes. */
export interface Capacity {
  /** Sum of the drives. */
  readonly rawBytes: number;
  /** What volumes of factor 1 could hold if there were no others, copies on different servers; in an evaluation, those of factor 0. */
  readonly usableBytes: number;
  /** The same for factor 2. */
  readonly usableFactor2Bytes: number;
  /** Sum of the volumes' sizes: thin, so it may be more than is usable. */
  readonly provisionedBytes: number;
  /** The same with every copy counted. */
  readonly provisionedRawBytes: number;
  /** What lies on the drives, every copy counted. */
  readonly usedBytes: number;
}

/** Drives refuse new allocations at this share of their size (design: 95 % full). */
const ALLOCATION_SHARE = 0.95;

export function capacity(map: ClusterMap): Capacity {
  let rawBytes = 0, provisionedBytes = 0, provisionedRawBytes = 0, usedBytes = 0;
  for (const drive of map.drives.values()) rawBytes += drive.capacityBytes;
  for (const volume of map.volumes.values()) {
    provisionedBytes += volume.sizeBytes;
    provisionedRawBytes += volume.sizeBytes * (volume.factor + 1);
  }
  for (const [drive, { usedBytes: used }] of map.observed) if (map.drives.has(drive)) usedBytes += used;
  return {
    rawBytes,
    usableBytes: usableBytes(map, map.cluster?.evaluation === true ? 0 : 1),
    usableFactor2Bytes: usableBytes(map, 2),
    provisionedBytes,
    provisionedRawBytes,
    usedBytes,
  };
}

/**
 * The most that can be stored with factor + 1 copies on different servers: the largest U for which the servers, none counted
 * with more than U because it holds no second copy, have room for all copies of U.
 */
export function usableBytes(map: ClusterMap, factor: number): number {
  const copies = factor + 1;
  const perServer = new Map<ServerName, number>();
  for (const { server, capacityBytes } of map.drives.values()) {
    perServer.set(server, (perServer.get(server) ?? 0) + Math.floor(capacityBytes * ALLOCATION_SHARE));
  }
  const sizes = [...perServer.values()].sort((a, b) => b - a);
  let rest = sizes.reduce((sum, size) => sum + size, 0);
  // Each step takes the largest server as one whole copy when it has more room than the others could match.
  for (let left = copies; left > 0; left--) {
    if (sizes.length - (copies - left) < left) return 0;
    const share = Math.floor(rest / left);
    const largest = sizes[copies - left] ?? 0;
    if (largest <= share) return share;
    rest -= largest;
  }
  return 0;
}

/** Servers that have at least one registered drive: as many copies as can be placed apart. */
export function serversWithDrives(map: ClusterMap): number {
  return new Set([...map.drives.values()].map((drive) => drive.server)).size;
}

export interface ExtentPlacement {
  readonly group: GroupId;
  readonly primary: DriveId;
  /** In the configuration's order; a drive that is not registered has no server. */
  readonly members: readonly { readonly drive: DriveId; readonly server: ServerName | null }[];
}

/** Where an extent of a volume lies by the map; null when its pool or group is not there yet. */
export function placementOf(map: ClusterMap, volume: VolumeRecord, extent: ExtentIndex): ExtentPlacement | null {
  const pool = map.pools.get(volume.factor);
  if (pool === undefined) return null;
  const group = groupOf(volume.factor, pool.groupCount, volume.lineage, extent);
  const config = map.groups.get(group)?.config;
  if (config === undefined) return null;
  const members = config.members.map((drive) => ({ drive, server: map.drives.get(drive)?.server ?? null }));
  return { group, primary: config.primary, members };
}
