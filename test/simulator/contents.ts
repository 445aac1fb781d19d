import type { GroupId } from "../../src/base/ids.ts";
import { compareIds, showId } from "../../src/wire/entry.ts";
import type { SimulatedCluster, SimulatedHost } from "./cluster.ts";
import { nameOf, type StoredExtent } from "./drive.ts";

/** What is wrong with the copies of a group that is whole and at rest: contents, logs, commit points, states. */
export function differences(cluster: SimulatedCluster, group: GroupId): string[] {
  const found: string[] = [];
  const members = cluster.config(group).members.map((id) => cluster.host(cluster.nameOf(id)));
  const [first, ...others] = members;
  if (!first) return ["no members"];
  for (const host of members) {
    const name = cluster.nameOf(host.id);
    const image = host.medium.images.get(group);
    if (!image) return [`${name} has no replica of group ${group}`];
    if (compareIds(image.committed, image.log.last) > 0) found.push(`${name} knows ${showId(image.committed)} as committed, but its log ends at ${showId(image.log.last)}`);
    if (image.damaged || image.incomplete) found.push(`${name} is ${image.damaged ? "damaged" : "incomplete"} and a member`);
    if (image.reconciling.length > 0) found.push(`${name} still marks ranges as being reconciled`);
    if (image.diverged.length > 0) found.push(`${name} still holds diverged entries`);
  }
  const ends = members.map((host) => host.medium.images.get(group)?.log.last);
  if (ends.some((end) => end && compareIds(end, ends[0] as never) !== 0)) found.push(`logs of group ${group} end at ${ends.map((end) => end && showId(end)).join(", ")}`);
  const model = extentsOf(first, group);
  for (const host of others) {
    const mine = extentsOf(host, group);
    for (const name of new Set([...model.keys(), ...mine.keys()])) {
      const difference = compare(model.get(name), mine.get(name));
      if (difference) found.push(`extent ${name} of group ${group} on ${cluster.nameOf(first.id)} and ${cluster.nameOf(host.id)}: ${difference}`);
    }
  }
  return found;
}

function extentsOf(host: SimulatedHost, group: GroupId): Map<string, StoredExtent> {
  return new Map([...host.medium.extents].filter(([, { key }]) => host.running?.node?.groupOf(key) === group));
}
function compare(a: StoredExtent | undefined, b: StoredExtent | undefined): string | null {
  if (!a || !b) return `it is only on the ${a ? "first" : "second"} (${showExtent(a ?? b)})`;
  for (let block = 0; block < a.checksums.length; block += 1) {
    if (a.checksums[block] !== b.checksums[block]) return `block ${block} has checksums ${a.checksums[block]} and ${b.checksums[block]}, versions ${showId(a.version)} and ${showId(b.version)}`;
    const mine = a.blocks.get(block);
    const other = b.blocks.get(block);
    if (mine && other ? !mine.equals(other) : mine !== other) return `block ${block} differs`;
  }
  return null;
}
function showExtent(extent: StoredExtent | undefined): string {
  return extent ? `${nameOf(extent.key)}, version ${showId(extent.version)}, blocks ${[...extent.blocks.keys()].join(" ")}` : "none";
}
