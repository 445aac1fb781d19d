import { EXTENT_OVERHEAD_BLOCKS } from "../../../src/storage/drive/drive.ts";
import { expect } from "bun:test";
import { BLOCK_BYTES, BLOCKS_PER_EXTENT } from "../../../src/base/geometry.ts";
import type { LocalDrive } from "../../../src/storage/drive/local-drive.ts";
import type { JournalRecord } from "../../../src/storage/drive/records.ts";
import { extentName } from "../../../src/storage/drive/layout.ts";
import type { BlockRange, ExtentKey } from "../../../src/wire/entry.ts";
import { group } from "./fixture.ts";

const ZEROS = Buffer.alloc(BLOCK_BYTES);

/** What a drive should hold: checksums by block, by extent. Content follows, since reads are verified against checksums. */
export class Model {
  readonly #extents = new Map<string, { key: ExtentKey; blocks: Map<number, number> }>();

  apply(record: JournalRecord): void {
    if (record.type === "forget") this.#dropWhere((key) => group(key) === record.group);
    if (record.type === "copy") {
      if (record.version === null) return this.#dropWhere((key) => extentName(key) === extentName(record.range));
      record.checksums.forEach((checksum, i) => this.#set(record.range, record.range.first + i, checksum));
    }
    if (record.type !== "entry") return;
    const { entry, checksums, skip } = record;
    if (entry.kind === "purge") return this.#dropWhere((key) => key.volume === entry.volume && group(key) === record.group);
    if (entry.kind !== "write" && entry.kind !== "unmap") return;
    for (let i = 0; i < entry.count; i += 1) {
      const chunk = (entry.first + i) >>> 4;
      if (skip && ((skip[chunk >>> 5] as number) >>> (chunk & 31)) & 1) continue;
      this.#set(entry, entry.first + i, checksums?.[i] ?? 0);
    }
  }

  /** Every block of every extent is as it should be, and nothing else is there. `badAllowed`: or it is said to be bad; gives how many extents have such blocks. */
  async check(drive: LocalDrive, badAllowed = false): Promise<number> {
    let allocated = 0;
    let bad = 0;
    for (const { key, blocks } of this.#extents.values()) {
      const read = await drive.read({ ...key, first: 0, count: BLOCKS_PER_EXTENT });
      if (!read.ok && badAllowed) {
        bad += 1;
        for (let block = 0; block < BLOCKS_PER_EXTENT; block += 1) if (!read.badBlocks.includes(block) && read.checksums[block] !== (blocks.get(block) ?? 0)) throw new Error(`${extentName(key)}: block ${block} is wrong, and not said to be bad`);
        continue;
      }
      if (!read.ok) throw new Error(`${extentName(key)}: bad blocks ${read.badBlocks.join(",")}`);
      const wrong: number[] = [];
      read.checksums.forEach((checksum, block) => {
        if (checksum !== (blocks.get(block) ?? 0)) wrong.push(block);
        else if (checksum === 0 && read.data.length > 0 && ZEROS.compare(read.data, block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES) !== 0) wrong.push(block);
      });
      expect({ extent: extentName(key), wrong }).toEqual({ extent: extentName(key), wrong: [] });
      allocated += blocks.size;
    }
    expect(drive.extents().map(extentName).sort()).toEqual([...this.#extents.keys()].sort());
    if (bad === 0) expect(drive.space().usedBytes).toBe((allocated + this.#extents.size * EXTENT_OVERHEAD_BLOCKS) * BLOCK_BYTES);
    return bad;
  }

  #set(range: BlockRange, block: number, checksum: number): void {
    const name = extentName(range);
    let extent = this.#extents.get(name);
    if (!extent) {
      const { volume, lineage, layer, extent: index } = range;
      this.#extents.set(name, (extent = { key: { volume, lineage, layer, extent: index }, blocks: new Map() }));
    }
    if (checksum === 0) extent.blocks.delete(block);
    else extent.blocks.set(block, checksum);
    if (extent.blocks.size === 0) this.#extents.delete(name);
  }
  #dropWhere(matches: (key: ExtentKey) => boolean): void {
    for (const [name, { key }] of this.#extents) if (matches(key)) this.#extents.delete(name);
  }
}
