import { BLOCK_BYTES, BLOCKS_PER_EXTENT } from "../../src/base/geometry.ts";
import type { GroupId } from "../../src/base/ids.ts";
import { keys } from "../../src/cluster/schema.ts";
import { blockChecksum } from "../../src/platform/checksum.ts";
import { directoryName, extentDirectory, extentName, EXTENTS } from "../../src/storage/drive/layout.ts";
import type { Trailer } from "../../src/storage/drive/trailer.ts";
import { compareIds, showId, type ExtentKey } from "../../src/wire/entry.ts";
import type { SimulatedCluster, SimulatedHost } from "./cluster.ts";
import { DIRECTORY } from "./drive.ts";

/** What is wrong with the copies of a group that is whole and at rest: contents, logs, commit points, states. */
export function differences(cluster: SimulatedCluster, group: GroupId): string[] {
  const found: string[] = [];
  const members = cluster.config(group).members.map((id) => cluster.host(cluster.nameOf(id)));
  const [first, ...others] = members;
  if (!first) return ["no members"];
  for (const host of members) {
    const name = cluster.nameOf(host.id);
    const image = host.images.get(group);
    if (!image) return [`${name} has no replica of group ${group}`];
    if (compareIds(image.committed, image.log.last) > 0) found.push(`${name} knows ${showId(image.committed)} as committed, but its log ends at ${showId(image.log.last)}`);
    if (image.damaged || image.incomplete) found.push(`${name} is ${image.damaged ? "damaged" : "incomplete"} and a member`);
    if (image.reconciling.length > 0) found.push(`${name} still marks ranges as being reconciled`);
    if (image.diverged.length > 0) found.push(`${name} still holds diverged entries`);
  }
  const ends = members.map((host) => host.images.get(group)?.log.last);
  if (ends.some((end) => end && compareIds(end, ends[0] as never) !== 0)) found.push(`logs of group ${group} end at ${ends.map((end) => end && showId(end)).join(", ")}`);
  const model = extentsOf(cluster, first, group);
  found.push(...rotten(cluster, first, model));
  for (const host of others) {
    const mine = extentsOf(cluster, host, group);
    found.push(...rotten(cluster, host, mine));
    for (const name of new Set([...model.keys(), ...mine.keys()])) {
      const difference = compare(model.get(name), mine.get(name));
      if (difference) found.push(`extent ${name} of group ${group} on ${cluster.nameOf(first.id)} and ${cluster.nameOf(host.id)}: ${difference}`);
    }
  }
  return found;
}

/** Content on a drive that nobody wants there: of deleted volumes, and of groups that are whole without it. */
export function strays(cluster: SimulatedCluster, name: string): string[] {
  const { id, running } = cluster.host(name);
  const found: string[] = [];
  for (const key of running?.drive?.extents() ?? []) {
    const group = running?.node?.groupOf(key) ?? (0 as GroupId);
    if (!cluster.store.find(keys.volume(key.volume))) found.push(`R21: ${name} still holds extent ${key.extent} of deleted volume ${key.volume}, group ${group}`);
    else if (!cluster.config(group).members.includes(id)) found.push(`R12: ${name} still holds extent ${key.extent} of volume ${key.volume}, but is no member of group ${group}`);
  }
  return found;
}

/** An extent as its drive knows it; its blocks are read past the drive, as the medium and the page cache have them. */
interface StoredExtent {
  readonly key: ExtentKey;
  readonly trailer: Trailer;
  block(block: number): Buffer;
  /** It was hurt, or copied as a lost block (R25), or its checksum was hurt and the drive says so, and nobody has looked at it since. */
  isHurt(block: number): boolean;
  isUnknown(block: number): boolean;
}
const ZEROS = Buffer.alloc(BLOCK_BYTES);
/** A drive knows its trailers within this. */
const LOOK_MS = 5000;

function extentsOf(cluster: SimulatedCluster, host: SimulatedHost, group: GroupId): Map<string, StoredExtent> {
  const found = new Map<string, StoredExtent>();
  const { drive, node } = host.running ?? {};
  if (!drive || !node) return found;
  const { cache } = drive.extentsOfDrive;
  const keys = drive.extents().filter((key) => node.groupOf(key) === group);
  // Pinned first: what is described stays in memory until it is looked at.
  const extents = keys.map((key) => cache.pin(key));
  let known = 0;
  for (const key of keys) void drive.describe(key).then(() => (known += 1));
  if (!cluster.time.until(() => known === keys.length, LOOK_MS)) cluster.fail(`drive ${cluster.nameOf(host.id)} does not describe its extents`);
  for (const extent of extents) {
    const { key, trailer } = extent;
    cache.unpin(extent);
    if (!trailer) continue;
    const name = extentName(key);
    const path = `${DIRECTORY}/${EXTENTS}/${directoryName(extentDirectory(name))}/${name}`;
    const inode = host.medium.disk.find(path);
    const isUnknown = (block: number): boolean => trailer.isAllocated(block) && trailer.checksums[block] === 0 && host.medium.rottenTrailers.has(path);
    found.set(name, { key, trailer, block: (block) => inode?.pages.get(block) ?? ZEROS, isUnknown, isHurt: (block) => isUnknown(block) || host.medium.isLost(key, block) || (inode?.hurt.has(block) ?? false) });
  }
  return found;
}
/** I7, at rest: blocks whose content does not match their checksum. */
function rotten(cluster: SimulatedCluster, host: SimulatedHost, extents: ReadonlyMap<string, StoredExtent>): string[] {
  const found: string[] = [];
  for (const [name, { key, trailer, block, isHurt }] of extents)
    for (let i = 0; i < BLOCKS_PER_EXTENT; i += 1)
      if (trailer.isAllocated(i) && !isHurt(i) && blockChecksum(block(i), key.lineage, key.extent * BLOCKS_PER_EXTENT + i) !== trailer.checksums[i])
        found.push(`I7: block ${i} of extent ${name} on ${cluster.nameOf(host.id)} does not match its checksum`);
  return found;
}
function compare(a: StoredExtent | undefined, b: StoredExtent | undefined): string | null {
  if (!a || !b) return `it is only on the ${a ? "first" : "second"}, version ${showId(((a ?? b) as StoredExtent).trailer.version)}`;
  for (let block = 0; block < BLOCKS_PER_EXTENT; block += 1) {
    if (a.isUnknown(block) || b.isUnknown(block)) continue;
    const allocated = a.trailer.isAllocated(block);
    if (allocated !== b.trailer.isAllocated(block)) return `block ${block} is only on the ${allocated ? "first" : "second"}`;
    if (!allocated) continue;
    const [mine, other] = [a.trailer.checksums[block], b.trailer.checksums[block]];
    if (mine !== other) return `block ${block} has checksums ${mine} and ${other}, versions ${showId(a.trailer.version)} and ${showId(b.trailer.version)}`;
    if (!a.isHurt(block) && !b.isHurt(block) && !a.block(block).equals(b.block(block))) return `block ${block} differs`;
  }
  // What lost its checksums does not know its version either.
  if (!a.trailer.summary().known || !b.trailer.summary().known) return null;
  if (compareIds(a.trailer.version, b.trailer.version) !== 0) return `it has versions ${showId(a.trailer.version)} and ${showId(b.trailer.version)}`;
  return null;
}
