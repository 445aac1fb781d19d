import { FormatError, type Reader, type Writer } from "../../base/bytes.ts";
import { BLOCKS_PER_EXTENT } from "../../base/geometry.ts";

/** A range in one number below 2^53: (extent x 1024 + first block) x 2048 + block count. */
const COUNTS = 2 * BLOCKS_PER_EXTENT;
/** Additions that wait, unsorted, to be joined with the rest: spreads the cost of sorting. */
const FRESH_MIN = 256;

/** A set of blocks of one volume, 8 bytes for each run of neighbours in an extent: an hour of random writes fits a few megabytes. */
export class PackedRanges {
  /** Sorted, apart from each other; never changed in place, so that snapshots can share it. */
  #sorted = new Float64Array(0);
  #fresh: number[] = [];

  /** An upper bound of the runs held. */
  get length(): number {
    return this.#sorted.length + this.#fresh.length;
  }

  add(extent: number, first: number, count: number): void {
    this.#fresh.push((extent * BLOCKS_PER_EXTENT + first) * COUNTS + count);
    if (this.#fresh.length >= Math.max(FRESH_MIN, this.#sorted.length / 4)) this.#join();
  }

  *all(): Iterable<{ extent: number; first: number; count: number }> {
    this.#join();
    for (const packed of this.#sorted) {
      const start = Math.floor(packed / COUNTS);
      yield { extent: Math.floor(start / BLOCKS_PER_EXTENT), first: start % BLOCKS_PER_EXTENT, count: packed % COUNTS };
    }
  }

  snapshot(): PackedRanges {
    this.#join();
    const copy = new PackedRanges();
    copy.#sorted = this.#sorted;
    return copy;
  }

  write(writer: Writer): void {
    this.#join();
    writer.list(this.#sorted, (w, packed) => w.u64(packed));
  }
  static read(reader: Reader, listMax: number): PackedRanges {
    const ranges = new PackedRanges();
    ranges.#sorted = Float64Array.from(reader.list(listMax, (r) => r.u64()));
    for (const { first, count } of ranges.all()) if (count === 0 || first + count > BLOCKS_PER_EXTENT) throw new FormatError("a range of changes is outside its extent");
    return ranges;
  }

  #join(): void {
    if (this.#fresh.length === 0) return;
    const all = new Float64Array(this.#sorted.length + this.#fresh.length);
    all.set(this.#sorted);
    all.set(this.#fresh, this.#sorted.length);
    this.#fresh = [];
    all.sort();
    let length = 0;
    let start = -1;
    let end = -1;
    for (const packed of all) {
      const from = Math.floor(packed / COUNTS);
      const to = from + (packed % COUNTS);
      // Neighbours are joined, but not over the edge of an extent.
      if (from <= end && Math.floor(from / BLOCKS_PER_EXTENT) === Math.floor(start / BLOCKS_PER_EXTENT)) end = Math.max(end, to);
      else {
        if (start >= 0) all[length++] = start * COUNTS + (end - start);
        start = from;
        end = to;
      }
    }
    all[length++] = start * COUNTS + (end - start);
    this.#sorted = all.slice(0, length);
  }
}
