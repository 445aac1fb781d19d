import { Reader, Writer } from "../../base/bytes.ts";
import type { GroupId, VolumeId } from "../../base/ids.ts";
import type { GroupConfig } from "../../cluster/schema.ts";
import { ENTRY_HEADER_BYTES, readEntry, readId, readRange, writeEntries, writeId, writeRange, type BlockRange, type EntryHeader, type EntryId } from "../../wire/entry.ts";
import { ChangeMap } from "./changes.ts";
import { ReplicaImage } from "./image.ts";
import { EntryLog } from "./log.ts";
import { readConfig, readOperations, writeOperations } from "./record-codec.ts";
import type { OperationResult } from "./records.ts";

/** An image as it was at one moment: it may be written out while the image itself goes on. */
export interface ImageSnapshot {
  readonly group: GroupId;
  readonly config: GroupConfig | null;
  readonly base: EntryId;
  readonly entries: readonly EntryHeader[];
  readonly committed: EntryId;
  readonly incomplete: boolean;
  readonly incompleteThrough: EntryId;
  readonly damaged: boolean;
  readonly givenUp: boolean;
  readonly diverged: readonly EntryHeader[];
  readonly reconciling: readonly BlockRange[];
  readonly operations: readonly OperationResult[];
  readonly purged: readonly VolumeId[];
  readonly changes: ChangeMap;
}

export function snapshotImage(image: ReplicaImage): ImageSnapshot {
  return {
    group: image.group,
    config: image.config,
    base: image.log.base,
    entries: image.log.entries.slice(),
    committed: image.committed,
    incomplete: image.incomplete,
    incompleteThrough: image.incompleteThrough,
    damaged: image.damaged,
    givenUp: image.givenUp,
    diverged: image.diverged.slice(),
    reconciling: image.reconciling.slice(),
    operations: image.operationResults(),
    purged: [...image.purged],
    changes: image.changes.snapshot(),
  };
}

/*
 * Image in a checkpoint
 * size | field
 *    8 | group
 *    1 | flags: 1 config present, 2 incomplete, 4 damaged, 8 given up
 *    - | config: text, JSON (when present)
 *   16 | committed
 *   16 | incomplete through
 *   16 | log: id before its first entry
 *    - | log: list of entry headers
 *    - | diverged: list of entry headers
 *    - | reconciling: list of ranges
 *    - | operations: list of (gateway 8, operation 8, result 1)
 *    - | purged: list of volumes (8 each)
 *    - | changes: id since; list of (epoch 8, its last seq 8); list of (id after, list of (volume 8, lineage 8, layer 4, list of
 *      |   ranges, 8 each: (extent x 1024 + first block) x 2048 + block count))
 * An id is epoch 8, seq 8; a list has its count (4) in front, a text its bytes (4).
 */
export function encodeImage(image: ImageSnapshot): Buffer {
  const writer = new Writer(1024 + ENTRY_HEADER_BYTES * image.entries.length);
  writer.u64(image.group).u8((image.config ? 1 : 0) | (image.incomplete ? 2 : 0) | (image.damaged ? 4 : 0) | (image.givenUp ? 8 : 0));
  if (image.config) writer.text(JSON.stringify(image.config));
  writeId(writer, image.committed);
  writeId(writer, image.incompleteThrough);
  writeId(writer, image.base);
  writeEntries(writer, image.entries);
  writeEntries(writer, image.diverged);
  writer.list(image.reconciling, writeRange);
  writeOperations(writer, image.operations);
  writer.list(image.purged, (w, volume) => w.u64(volume));
  image.changes.write(writer);
  return writer.finish();
}

/** Only bounds what a damaged checkpoint may claim; a log above `committed` has no bound of its own (R20). */
const LIST_MAX = 1 << 24;

/** Throws `FormatError`. */
export function decodeImage(buffer: Buffer): ReplicaImage {
  const reader = new Reader(buffer);
  const image = new ReplicaImage(reader.u64() as GroupId);
  const flags = reader.u8();
  if (flags & 1) image.config = readConfig(reader);
  image.incomplete = (flags & 2) !== 0;
  image.damaged = (flags & 4) !== 0;
  image.givenUp = (flags & 8) !== 0;
  image.committed = readId(reader);
  image.incompleteThrough = readId(reader);
  const base = readId(reader);
  image.log = new EntryLog(base, readHeaders(reader));
  image.diverged = readHeaders(reader);
  image.reconciling = reader.list(LIST_MAX, readRange);
  for (const { gateway, operation, result } of readOperations(reader)) {
    let results = image.operations.get(gateway);
    if (!results) image.operations.set(gateway, (results = new Map()));
    results.set(operation, result);
  }
  for (const volume of reader.list(LIST_MAX, (r) => r.u64() as VolumeId)) image.purged.add(volume);
  image.changes = ChangeMap.read(reader, LIST_MAX);
  reader.end();
  return image;
}

function readHeaders(reader: Reader): EntryHeader[] {
  return reader.list(LIST_MAX, (r) => {
    const { buffer, offset } = r.fixed(ENTRY_HEADER_BYTES);
    return readEntry(buffer, offset);
  });
}
