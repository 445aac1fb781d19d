import { BLOCKS_PER_EXTENT } from "../../base/geometry.ts";
import type { VolumeId } from "../../base/ids.ts";
import { compareIds, overlaps, sameId, type BlockRange, type EntryHeader, type EntryId, type ExtentKey } from "../../wire/entry.ts";
import { compareExtents, type CatchUp, type CaughtUp, type Channel, type Copy, type Manifest, type Mark, type Message } from "../../wire/messages.ts";
import { copyIntact } from "./checked.ts";
import { extentDigests } from "./digests.ts";
import { Dirty } from "./dirty.ts";
import { runsOf } from "./good-copy.ts";
import { parkGivenUp } from "./given-up.ts";
import type { GroupHost } from "./host.ts";
import type { Replica } from "./replica.ts";

/** What of a replica's stream is copied content: catch-up (R9 to R11) and what reconcile pushes (R7d). */
export class Learner {
  readonly #host: GroupHost;
  readonly #replica: Replica;
  /** R9: what this learner does not yet hold; null when it is not being caught up. */
  #dirty: Dirty | null = null;
  /** Own entries that are not adopted (R7d) or not in the history (R9) and not known to the image; parked before they are overwritten. */
  #strangers: readonly EntryHeader[] = [];

  constructor(host: GroupHost, replica: Replica) {
    this.#host = host;
    this.#replica = replica;
  }

  /** The stream ends or begins anew. */
  reset(): void {
    this.#dirty = null;
    this.#strangers = [];
  }

  /** Chunks in which a live entry must not be applied yet. */
  skip(entry: EntryHeader): readonly [number, number] | null {
    return this.#dirty?.skip(entry) ?? null;
  }

  mark(channel: Channel, message: Mark): void {
    const own = this.#replica.image?.log.after(message.common) ?? [];
    this.#strangers = own.filter((entry) => entry.count > 0 && !message.adopted.some((id) => sameId(id, entry)));
    this.#host.drive.append({ type: "mark", group: this.#replica.group, ranges: message.ranges }, () => this.#settled(channel, message));
  }

  catchUp(channel: Channel, message: CatchUp): void {
    this.#dirty = new Dirty(message.dirty);
    const { common, base, entries } = message;
    // R9: the copies that follow may come before the record is durable, from when on the image itself knows of them.
    const strangers = (this.#strangers = this.#outside(common, base, entries));
    this.#replica.noteAppended(lastOf(entries) ?? base);
    this.#host.drive.append({ type: "catch-up", group: this.#replica.group, common, base, entries }, () => {
      if (this.#strangers === strangers) this.#strangers = [];
      this.#settled(channel, message);
    });
  }

  /** Own entries after `common` that may not be in the group's history, which is `entries` after `base`. */
  #outside(common: EntryId, base: EntryId, entries: readonly EntryHeader[]): EntryHeader[] {
    const { image } = this.#replica;
    const own = (image?.log.after(common) ?? []).filter((entry) => entry.count > 0 && compareIds(entry, image?.committed ?? base) > 0);
    if (own.length === 0) return own;
    const history = new Set(entries.map(({ epoch, seq }) => `${epoch}.${seq}`));
    return own.filter(({ epoch, seq }) => !history.has(`${epoch}.${seq}`) && !sameId({ epoch, seq }, base));
  }

  /** R10: authoritative for its interval at its place in the stream. */
  manifest(channel: Channel, message: Manifest): void {
    const inside = (key: ExtentKey): boolean =>
      (message.after === null || compareExtents(key, message.after) > 0) && (message.through === null || compareExtents(key, message.through) <= 0);
    this.#replica.hold(async (current) => {
      const listed = new Set(message.extents.map(({ key }) => name(key)));
      for (const key of this.#ownExtents()) {
        if (!inside(key) || listed.has(name(key))) continue;
        await this.#park({ ...key, first: 0, count: BLOCKS_PER_EXTENT });
        if (!current()) return;
        this.#drop(key);
      }
      const different: { key: ExtentKey; held: BigUint64Array | null }[] = [];
      for (const extent of message.extents) {
        const own = await this.#host.drive.describe(extent.key);
        if (!current()) return;
        // What lost part of its journal may have content that its trailers do not know.
        const same = own?.known && !this.#replica.image?.damaged && sameId(own.version, extent.version) && own.digest === extent.digest;
        if (same) continue;
        const held = own ? await extentDigests(this.#host.drive, extent.key) : new BigUint64Array(0);
        if (!current()) return;
        different.push({ key: extent.key, held });
      }
      this.#dirty?.passed(message.through, different.map(({ key }) => key));
      this.#host.send(channel, { type: "differs", group: message.group, epoch: message.epoch, tag: message.tag, extents: different });
    });
  }

  copy(channel: Channel, message: Copy): void {
    const { range, version, checksums, data, clean, lost } = message;
    if (!lost && data.length > 0 && !copyIntact(range, checksums, data)) return channel.close("a copied block does not match its checksum");
    const settle = this.#host.space.take(channel, message.allocates);
    const append = (): void => {
      // R9: only the last copy of a chunk makes it clean; a live entry that came before was skipped and is in the copies.
      if (clean.count > 0) this.#dirty?.clean({ ...range, ...clean });
      const settled = (): void => this.#settled(channel, message);
      if (range.count > 0) return this.#append({ lost, range, version, checksums: checksums.length === 0 ? new Uint32Array(range.count) : checksums, data }, settled, settle);
      settle();
      settled();
    };
    if (!lost && this.#losing(range).length === 0 && !this.#replica.image?.givenUp) return append();
    this.#replica.hold(async (current) => {
      await this.#park(range);
      if (lost && !this.#replica.image?.givenUp) await this.#parkOlder(range, checksums);
      if (current()) append();
      else settle();
    });
  }

  caughtUp(channel: Channel, message: CaughtUp): void {
    // All of them: a copy that was read before a purge may have come behind it.
    this.dropPurged(message.purged);
    this.#dirty = null;
    const { through, operations, purged } = message;
    this.#host.drive.append({ type: "caught-up", group: this.#replica.group, through, operations, purged }, () => this.#settled(channel, message));
  }

  /** A purge that came as history rather than as an entry (R21): the content goes the same way. */
  dropPurged(ids: readonly VolumeId[]): void {
    if (ids.length === 0) return;
    const volumes = new Set(ids);
    for (const key of this.#ownExtents()) if (volumes.has(key.volume)) this.#drop(key);
  }

  #drop(key: ExtentKey): void {
    const range = { ...key, first: 0, count: BLOCKS_PER_EXTENT };
    this.#append({ lost: false, range, version: null, checksums: new Uint32Array(BLOCKS_PER_EXTENT), data: Buffer.alloc(0) }, null);
  }
  #append(copied: Pick<Copy, "lost" | "range" | "version" | "checksums" | "data">, durable: (() => void) | null, applied: (() => void) | null = null): void {
    this.#host.drive.append({ type: "copy", group: this.#replica.group, ...copied }, durable, applied);
  }
  /** R25: of a block that the group has lost, what this copy has instead may be the newest that is left: an administrator may want it. */
  async #parkOlder(range: BlockRange, checksums: Uint32Array): Promise<void> {
    const own = await this.#host.drive.read(range);
    const isOther = (block: number): boolean => {
      const checksum = own.checksums[block - range.first];
      return checksum !== 0 && checksum !== checksums[block - range.first] && (own.ok || !own.badBlocks.includes(block));
    };
    for (const run of runsOf(range, isOther)) await this.#host.drive.park(this.#replica.group, run, "the group has lost these blocks; this is what a copy that was away had instead, perhaps older", []);
  }

  /** Own entries outside the group's history whose content in the range is about to be overwritten. */
  #losing(range: BlockRange): EntryHeader[] {
    if (range.count === 0) return [];
    return [...(this.#replica.image?.diverged ?? []), ...this.#strangers].filter((entry) => entry.count > 0 && overlaps(entry, range));
  }
  async #park(range: BlockRange): Promise<void> {
    const ids = this.#losing(range).map(({ epoch, seq }) => ({ epoch, seq }));
    if (this.#replica.image?.givenUp) return parkGivenUp(this.#host, this.#replica.group, range, ids);
    if (ids.length > 0) await this.#host.drive.park(this.#replica.group, range, "written here, but not part of the group's history", ids);
  }

  #settled(channel: Channel, { group, epoch, tag }: Message): void {
    this.#host.send(channel, { type: "settled", group, epoch, tag });
  }
  #ownExtents(): ExtentKey[] {
    return this.#host.extentsOf(this.#replica.group);
  }
}

export function lastOf(entries: readonly EntryHeader[]): EntryId | null {
  const last = entries.at(-1);
  return last ? { epoch: last.epoch, seq: last.seq } : null;
}
function name(key: ExtentKey): string {
  return `${key.volume}.${key.extent}.${key.layer}`;
}
