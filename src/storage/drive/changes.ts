import { assert } from "../../base/assert.ts";
import type { Reader, Writer } from "../../base/bytes.ts";
import { BLOCKS_PER_EXTENT } from "../../base/geometry.ts";
import type { Epoch, ExtentIndex, VolumeId } from "../../base/ids.ts";
import { compareIds, NO_ENTRY, readId, sameId, writeId, type BlockRange, type EntryHeader, type EntryId } from "../../wire/entry.ts";
import { idOf } from "./log.ts";
import { PackedRanges } from "./packed-ranges.ts";

/** Parts kept apart: with three copies two can be away since different times; more parts only come of flapping, and are joined. */
const PARTS_MAX = 4;

interface VolumeRanges {
  readonly volume: VolumeId;
  readonly lineage: VolumeId;
  readonly layer: number;
  readonly ranges: PackedRanges;
}
/** What changed by entries after `after`, up to the next part's. */
interface Part {
  after: EntryId;
  readonly volumes: Map<string, VolumeRanges>;
}

/**
 * R9, R20: the blocks touched by entries that the log has let go of while the group is short of copies, so that a copy that was
 * away for long costs what was written meanwhile. Together with the log it names every block touched after `since`.
 *
 * Sequence numbers are given without gaps, each in one epoch alone, so the last number of every epoch tells of any id whether it
 * was in the history.
 */
export class ChangeMap {
  /** Complete for everything after this id; equal to the log's base while the group is whole. */
  #since: EntryId = NO_ENTRY;
  #parts: Part[] = [];
  /** Epochs of the history after `since` that the log has let go of, each with its last sequence number. */
  #epochs: { readonly epoch: Epoch; last: number }[] = [];

  get since(): EntryId {
    return this.#since;
  }
  /** The group is short of copies: what the log lets go of is kept here. */
  get isKeeping(): boolean {
    return this.#parts.length > 0;
  }
  get rangeCount(): number {
    let count = 0;
    for (const { volumes } of this.#parts) for (const { ranges } of volumes.values()) count += ranges.length;
    return count;
  }

  /** Nothing before `base` is known from now on. */
  reset(base: EntryId): void {
    this.#since = base;
    this.#parts = [];
    this.#epochs = [];
  }

  /** A copy left: whoever is missing from now on has everything up to `after`, or is compared whole. */
  begin(after: EntryId): void {
    const last = this.#parts.at(-1);
    if (last && compareIds(after, last.after) <= 0) return;
    this.#parts.push({ after, volumes: new Map() });
    if (this.#parts.length > PARTS_MAX) this.#join();
  }

  /** The log lets go of its oldest entry. */
  fold(entry: EntryHeader, rangesMax: number): void {
    const id = idOf(entry);
    const first = this.#parts[0];
    // No copy can be behind it: it was on all of them.
    if (!first || compareIds(id, first.after) <= 0) {
      this.#since = id;
      this.#epochs = [];
      return;
    }
    const epoch = this.#epochs.at(-1);
    if (epoch?.epoch === id.epoch) epoch.last = id.seq;
    else this.#epochs.push({ epoch: id.epoch, last: id.seq });
    if (entry.kind === "purge") return this.#purge(entry.volume);
    if (entry.count === 0) return;
    const part = this.#parts.findLast(({ after }) => compareIds(id, after) > 0);
    assert(part, "R20: an entry after the first part's beginning belongs to a part");
    const key = `${entry.volume}.${entry.layer}`;
    let volume = part.volumes.get(key);
    if (!volume) part.volumes.set(key, (volume = { volume: entry.volume, lineage: entry.lineage, layer: entry.layer, ranges: new PackedRanges() }));
    volume.ranges.add(entry.extent, entry.first, entry.count);
    if (volume.ranges.length > rangesMax && this.rangeCount > rangesMax) this.#overflow(id);
  }

  /** Whether the id was in the history; only of ids from `since` to the log's base, and false of older ones. */
  covers(id: EntryId): boolean {
    if (sameId(id, this.#since)) return true;
    if (compareIds(id, this.#since) < 0) return false;
    const epoch = this.#epochs.find(({ last }) => id.seq <= last);
    return epoch?.epoch === id.epoch && id.seq > this.#since.seq;
  }

  /** Everything touched after the id, which is covered, and perhaps some more. */
  *after(id: EntryId): Iterable<BlockRange> {
    for (const [index, { volumes }] of this.#parts.entries()) {
      const next = this.#parts[index + 1];
      if (next && compareIds(next.after, id) <= 0) continue;
      for (const { volume, lineage, layer, ranges } of volumes.values())
        for (const { extent, first, count } of ranges.all()) yield { volume, lineage, layer, extent: extent as ExtentIndex, first, count };
    }
  }

  /** R21: its extents are gone everywhere, or go with the purge. */
  #purge(id: VolumeId): void {
    for (const { volumes } of this.#parts) for (const [key, { volume }] of volumes) if (volume === id) volumes.delete(key);
  }

  /** Over its bound it lets go of all: who was away before is compared with digests, extent by extent. */
  #overflow(id: EntryId): void {
    this.#since = id;
    this.#epochs = [];
    this.#parts = [{ after: id, volumes: new Map() }];
  }

  #join(): void {
    const [first, second] = this.#parts as [Part, Part];
    for (const [key, more] of second.volumes) {
      const volume = first.volumes.get(key);
      if (!volume) first.volumes.set(key, more);
      else for (const { extent, first: block, count } of more.ranges.all()) volume.ranges.add(extent, block, count);
    }
    this.#parts.splice(1, 1);
  }

  /** As it is now; what is added later does not show in it. */
  snapshot(): ChangeMap {
    const copy = new ChangeMap();
    copy.#since = this.#since;
    copy.#epochs = this.#epochs.map((epoch) => ({ ...epoch }));
    copy.#parts = this.#parts.map(({ after, volumes }) => ({ after, volumes: new Map([...volumes].map(([key, volume]) => [key, { ...volume, ranges: volume.ranges.snapshot() }])) }));
    return copy;
  }

  /** since; epochs: list of (epoch 8, last sequence number 8); parts: list of (after, list of (volume 8, lineage 8, layer 4, ranges: list of 8)). */
  write(writer: Writer): void {
    writeId(writer, this.#since);
    writer.list(this.#epochs, (w, { epoch, last }) => w.u64(epoch).u64(last));
    writer.list(this.#parts, (w, { after, volumes }) => {
      writeId(w, after);
      w.list([...volumes.values()], (x, { volume, lineage, layer, ranges }) => {
        x.u64(volume).u64(lineage).u32(layer);
        ranges.write(x);
      });
    });
  }

  static read(reader: Reader, listMax: number): ChangeMap {
    const map = new ChangeMap();
    map.#since = readId(reader);
    map.#epochs = reader.list(listMax, (r) => ({ epoch: r.u64() as Epoch, last: r.u64() }));
    map.#parts = reader.list(listMax, (r) => {
      const after = readId(r);
      const volumes = r.list(listMax, (x) => ({ volume: x.u64() as VolumeId, lineage: x.u64() as VolumeId, layer: x.u32(), ranges: PackedRanges.read(x, listMax) }));
      return { after, volumes: new Map(volumes.map((volume) => [`${volume.volume}.${volume.layer}`, volume])) };
    });
    return map;
  }
}

assert(BLOCKS_PER_EXTENT < 2048, "a range's count fits the packed form");
