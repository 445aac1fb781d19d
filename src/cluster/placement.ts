import type { ExtentIndex, GroupId, VolumeId } from "../base/ids.ts";
import { groupId } from "./schema.ts";

/** 32-bit avalanche of two numbers below 2^53 (murmur3's finalizer over their four halves). */
export function mix(a: number, b: number): number {
  let h = 0x9e3779b9;
  for (const word of [a >>> 0, Math.floor(a / 2 ** 32), b >>> 0, Math.floor(b / 2 ** 32)]) {
    h = Math.imul(h ^ word, 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    h ^= h >>> 16;
  }
  return h >>> 0;
}

/**
 * The placement group of an extent. `groupCount` is a power of two: when it doubles, one more bit of the hash divides each
 * group, so an extent's group is either the same or the same plus the old count.
 */
export function groupOf(factor: number, groupCount: number, lineage: VolumeId, extent: ExtentIndex): GroupId {
  return groupId(factor, mix(lineage, extent) & (groupCount - 1));
}
