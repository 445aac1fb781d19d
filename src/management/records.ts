import type * as v from "valibot";
import { ClusterMap } from "../cluster/map.ts";
import { hostRecord, keys, mappingRecord, parseValue, volumeRecord, type HostRecord, type MappingRecord, type VolumeRecord } from "../cluster/schema.ts";
import { type ClusterStore, StoreUnavailable } from "../platform/store.ts";
import type { VolumeId } from "../base/ids.ts";
import type { Source } from "./api.ts";
import { NAME } from "./names.ts";
import { Problem } from "./problem.ts";

/** What one key holds. `revision` is 0 when it is not there, as compares want it. */
export interface Found<T> {
  readonly value: T | null;
  readonly revision: number;
}

export async function readRecord<S extends v.GenericSchema>(store: ClusterStore, key: string, schema: S): Promise<Found<v.InferOutput<S>>> {
  const { found } = await store.get(key);
  if (found === null) return { value: null, revision: 0 };
  return { value: parseValue(schema, key, found.value), revision: found.revision };
}

/**
 * What administrators want of the cluster (volumes, hosts, mappings), fresh from the store so that it shows what another server
 * has just changed; while the store does not answer, the last that this server knew.
 */
export async function readWanted(store: ClusterStore, lastKnown: ClusterMap): Promise<{ map: ClusterMap; source: Source }> {
  try {
    const ranges = await Promise.all(["volume/", "host/", "mapping/"].map((prefix) => store.range(prefix)));
    const map = new ClusterMap();
    map.snapshot(ranges.flatMap((range) => range.entries), Math.max(...ranges.map((range) => range.revision)));
    return { map, source: "store" };
  } catch (error) {
    if (error instanceof StoreUnavailable) return { map: lastKnown, source: "last-known" };
    throw error;
  }
}

/** All mappings, from the store alone. Whoever decides by them has read the volume's or host's record before (see mappings.ts). */
export async function readMappings(store: ClusterStore): Promise<(MappingRecord & { revision: number })[]> {
  const { entries } = await store.range("mapping/");
  return entries.map(({ key, value, revision }) => ({ ...parseValue(mappingRecord, key, value), revision }));
}

export async function findVolume(store: ClusterStore, name: string): Promise<{ volume: VolumeRecord; revision: number; nameRevision: number }> {
  const named = NAME.test(name) ? (await store.get(keys.volumeName(name))).found : null;
  if (named === null) throw noVolume(name);
  const { value, revision } = await readRecord(store, keys.volume(Number(named.value) as VolumeId), volumeRecord);
  // Deleted between the two reads.
  if (value === null || value.name !== name) throw noVolume(name);
  return { volume: value, revision, nameRevision: named.revision };
}

export async function findHost(store: ClusterStore, name: string): Promise<{ host: HostRecord; revision: number }> {
  const { value, revision } = NAME.test(name) ? await readRecord(store, keys.host(name), hostRecord) : { value: null, revision: 0 };
  if (value === null) throw noHost(name);
  return { host: value, revision };
}

export function noVolume(name: string): Problem {
  return new Problem("not-found", `There is no volume ${name.slice(0, NAME_SHOWN_CHARACTERS_MAX)}.`);
}

export function noHost(name: string): Problem {
  return new Problem("not-found", `There is no host ${name.slice(0, NAME_SHOWN_CHARACTERS_MAX)}.`);
}

/** A name from a URL may be anything; an answer repeats no more of it. */
const NAME_SHOWN_CHARACTERS_MAX = 64;
