import { BLOCKS_PER_EXTENT } from "../../src/base/geometry.ts";
import type { GroupId } from "../../src/base/ids.ts";
import { peekBatch } from "../../src/storage/drive/batch.ts";
import { CHECKPOINTS, EXTENTS, JOURNAL, parseExtentName, SUPERBLOCK } from "../../src/storage/drive/layout.ts";
import type { Chance } from "./chance.ts";
import type { SimulatedCluster, SimulatedHost } from "./cluster.ts";
import type { Inode } from "./disk.ts";
import { DIRECTORY } from "./drive.ts";

/** Newest batches of a journal that never rot: without a later one a lost end looks as if it had never been written. */
const NEWEST_BATCHES = 2;

/** One page of a disk that is not as it should be, until something is written there. */
export interface Harm {
  readonly inode: Inode;
  readonly page: number;
  readonly path: string;
  /** Whose data it is; null when the whole drive depends on it. */
  readonly group: GroupId | null;
}
export function isLive(host: SimulatedHost, { inode, page, path }: Harm): boolean {
  return inode.hurt.has(page) && host.medium.disk.find(path) === inode;
}
/** What of the drive is bad now and concerns the group. */
export function harmsOf(host: SimulatedHost, group: GroupId): Harm[] {
  for (const harm of host.medium.harms) if (!isLive(host, harm)) host.medium.harms.delete(harm);
  return [...host.medium.harms].filter((harm) => harm.group === null || harm.group === group);
}

export type RotKind = "rotten block" | "unreadable block" | "misdirected write" | "rotten trailer" | "rotten journal" | "rotten checkpoint" | "rotten superblock";

/** What could be hurt; null when there is nothing of the kind now. */
export function findPages(cluster: SimulatedCluster, name: string, kind: RotKind, chance: Chance): Harm[] | null {
  const host = cluster.host(name);
  const found = kind === "rotten journal" ? journalPages(host) : kind === "rotten checkpoint" ? newestCheckpoint(host) : kind === "rotten superblock" ? superblock(host) : ofExtents(cluster, host, (page) => (page < BLOCKS_PER_EXTENT) !== (kind === "rotten trailer"));
  const clean = found.filter(({ inode, page }) => !inode.before.has(page) && !inode.hurt.has(page));
  const count = kind === "misdirected write" ? 2 : 1;
  return clean.length < count ? null : chance.shuffled(clean.length > 64 ? Array.from({ length: 64 }, () => chance.pick(clean)) : clean).slice(0, count);
}

export function inflict(host: SimulatedHost, kind: RotKind, harms: readonly Harm[], chance: Chance): void {
  const [first, second] = harms;
  if (!first) return;
  for (const harm of harms) host.medium.harms.add(harm);
  if (kind === "rotten trailer") host.medium.rottenTrailers.add(first.path);
  if (kind === "unreadable block" || (kind === "rotten trailer" && chance.happens(0.25))) return first.inode.hurtPage(first.page, null);
  // The write went where another block lies, and its own place did not get it.
  if (kind === "misdirected write" && second) {
    const content = Buffer.from(first.inode.pages.get(first.page) ?? Buffer.alloc(4096));
    const other = Buffer.from(second.inode.pages.get(second.page) ?? Buffer.alloc(4096));
    first.inode.hurtPage(first.page, other);
    return second.inode.hurtPage(second.page, content);
  }
  const rotten = Buffer.from(first.inode.pages.get(first.page) ?? Buffer.alloc(4096));
  const at = chance.below(Math.min(4096, Math.max(1, first.inode.size - first.page * 4096)));
  rotten[at] = (rotten[at] as number) ^ (1 << chance.below(8));
  first.inode.hurtPage(first.page, rotten);
}

/** Pages of content, or of a trailer's two slots. */
function ofExtents(cluster: SimulatedCluster, host: SimulatedHost, wanted: (page: number) => boolean): Harm[] {
  const { node } = host.running ?? {};
  const { disk } = host.medium;
  const found: Harm[] = [];
  if (!node) return found;
  for (const directory of disk.list(`${DIRECTORY}/${EXTENTS}`)) {
    for (const name of disk.list(`${DIRECTORY}/${EXTENTS}/${directory}`)) {
      const path = `${DIRECTORY}/${EXTENTS}/${directory}/${name}`;
      const inode = disk.find(path);
      const key = parseExtentName(name);
      const group = key && node.groupOf(key);
      if (inode && group && cluster.groupIds.includes(group)) for (const page of inode.pages.keys()) if (wanted(page)) found.push({ inode, page, path, group });
    }
  }
  return found;
}
function journalPages({ medium: { disk } }: SimulatedHost): Harm[] {
  const found: { harm: Harm; batch: number }[] = [];
  let newest = 0;
  for (const name of disk.list(`${DIRECTORY}/${JOURNAL}`)) {
    const path = `${DIRECTORY}/${JOURNAL}/${name}`;
    const inode = disk.find(path);
    const header = inode?.pages.get(0);
    if (!inode || !header) continue;
    const journalId = Number(header.readBigUInt64LE(8));
    for (const [page, content] of inode.pages) {
      const batch = page === 0 ? null : peekBatch(content, 0, journalId);
      if (!batch) continue;
      newest = Math.max(newest, batch.number);
      found.push({ harm: { inode, page, path, group: null }, batch: batch.number });
    }
  }
  return found.filter(({ batch }) => batch < newest - NEWEST_BATCHES).map(({ harm }) => harm);
}
function newestCheckpoint({ medium: { disk } }: SimulatedHost): Harm[] {
  const name = disk.list(`${DIRECTORY}/${CHECKPOINTS}`).filter((found) => !found.includes(".")).at(-1);
  const path = `${DIRECTORY}/${CHECKPOINTS}/${name}`;
  const inode = name === undefined ? null : disk.find(path);
  return inode ? [...inode.pages.keys()].map((page) => ({ inode, page, path, group: null })) : [];
}
/** One of the two copies. */
function superblock({ medium: { disk } }: SimulatedHost): Harm[] {
  const path = `${DIRECTORY}/${SUPERBLOCK}`;
  const inode = disk.find(path);
  return inode && inode.hurt.size === 0 ? [0, 1].map((page) => ({ inode, page, path, group: null })) : [];
}
