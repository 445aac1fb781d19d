import { BLOCK_BYTES, PIECE_BLOCKS_MAX } from "../../base/geometry.ts";
import type { VolumeId } from "../../base/ids.ts";
import type { GroupConfig } from "../../cluster/schema.ts";
import { blockChecksum } from "../../platform/checksum.ts";
import { NO_ENTRY, type BlockRange } from "../../wire/entry.ts";
import type { BlockRead } from "../drive/drive.ts";
import { blockNumber } from "./checked.ts";

/** R23: the group went on without any copy, so that of this volume only what was written or released since is known. */
export function isUnknown(config: GroupConfig | null | undefined, volume: VolumeId): boolean {
  const through = config?.loss?.unknownThrough ?? null;
  return through !== null && volume <= through;
}

/** What was read, with blocks of which nothing is known as bad ones: they are no zeros (I7). */
export function knownOnly(config: GroupConfig | null | undefined, { first, volume }: BlockRange, read: BlockRead): BlockRead {
  if (!read.ok || !isUnknown(config, volume)) return read;
  const badBlocks = [...read.checksums].flatMap((checksum, i) => (checksum === 0 ? [first + i] : []));
  return badBlocks.length === 0 ? read : { ok: false, badBlocks, checksums: read.checksums, version: read.version ?? NO_ENTRY };
}

/** Where nothing is known, what a host releases is written as zeros: so it is remembered. Pieces, as writes have them. */
export function zeroPieces(range: BlockRange): { readonly range: BlockRange; readonly data: Buffer; readonly checksums: Uint32Array }[] {
  const pieces: { range: BlockRange; data: Buffer; checksums: Uint32Array }[] = [];
  const end = range.first + range.count;
  for (let first = range.first; first < end; first += PIECE_BLOCKS_MAX) {
    const count = Math.min(PIECE_BLOCKS_MAX, end - first);
    const data = Buffer.alloc(count * BLOCK_BYTES);
    const checksums = Uint32Array.from({ length: count }, (_, i) => blockChecksum(data.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES), range.lineage, blockNumber(range.extent, first + i)));
    pieces.push({ range: { ...range, first, count }, data, checksums });
  }
  return pieces;
}
