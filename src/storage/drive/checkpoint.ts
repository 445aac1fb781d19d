import { FormatError, readU64, writeU64 } from "../../base/bytes.ts";
import type { DriveId } from "../../base/ids.ts";
import { hash64 } from "../../platform/checksum.ts";
import type { File, Platform } from "../../platform/platform.ts";
import { decodeImage, encodeImage, type ImageSnapshot } from "./image-codec.ts";
import type { ReplicaImage } from "./image.ts";
import type { JournalPlace } from "./journal.ts";
import { CHECKPOINTS } from "./layout.ts";

export interface CheckpointHeader {
  readonly driveId: DriveId;
  readonly number: number;
  readonly journalId: number;
  /** The first batch that the checkpoint does not cover. */
  readonly next: JournalPlace;
  readonly usedBlocks: number;
  /** Written by a close: `usedBlocks` is exact, and the journal holds nothing more unless somebody has written since. */
  readonly clean: boolean;
  readonly images: number;
}

/*
 * Checkpoint file checkpoints/<number>
 * offset | size | field
 *      0 |    8 | magic "VSCHECK\0"
 *      8 |    4 | format version, 1
 *     12 |    4 | flags: 1 clean
 *     16 |    8 | drive id
 *     24 |    8 | number
 *     32 |    8 | journal id
 *     40 |    8 | number of the first batch needed
 *     48 |    8 | its position
 *     56 |    8 | allocated blocks on the drive
 *     64 |    4 | number of images
 *     68 |    4 | reserved, 0
 *     72 |    - | images: length 4, reserved 4, xxHash3 of the image 8, image (image-codec.ts)
 *      - |    8 | xxHash3 of the first 72 bytes and the hashes of all images
 */
export const CHECKPOINT_HEADER_BYTES = 72;
const SECTION_HEADER_BYTES = 16;
const MAGIC = Buffer.from("VSCHECK\0", "latin1");
const FORMAT_VERSION = 1;
/** Written out at once; also bounds how long the event loop is kept from other work. */
const PIECE_BYTES = 1024 * 1024;
const IMAGE_BYTES_MAX = 2 ** 31;
const NAME = /^[0-9]{12}$/;

export function encodeCheckpointHeader(header: CheckpointHeader): Buffer {
  const buffer = Buffer.alloc(CHECKPOINT_HEADER_BYTES);
  MAGIC.copy(buffer);
  buffer.writeUInt32LE(FORMAT_VERSION, 8);
  buffer.writeUInt32LE(header.clean ? 1 : 0, 12);
  buffer.write(header.driveId, 16, "hex");
  writeU64(buffer, header.number, 24);
  writeU64(buffer, header.journalId, 32);
  writeU64(buffer, header.next.batch, 40);
  writeU64(buffer, header.next.position, 48);
  writeU64(buffer, header.usedBlocks, 56);
  buffer.writeUInt32LE(header.images, 64);
  return buffer;
}

function decodeCheckpointHeader(buffer: Buffer): CheckpointHeader {
  if (!MAGIC.equals(buffer.subarray(0, 8))) throw new FormatError("it is no checkpoint");
  if (buffer.readUInt32LE(8) !== FORMAT_VERSION) throw new FormatError(`it has format version ${buffer.readUInt32LE(8)}`);
  return {
    clean: (buffer.readUInt32LE(12) & 1) !== 0,
    driveId: buffer.toString("hex", 16, 24) as DriveId,
    number: readU64(buffer, 24),
    journalId: readU64(buffer, 32),
    next: { batch: readU64(buffer, 40), position: readU64(buffer, 48) },
    usedBlocks: readU64(buffer, 56),
    images: buffer.readUInt32LE(64),
  };
}

export function checkpointName(number: number): string {
  return number.toString().padStart(12, "0");
}

/** Writes a checkpoint beside the others and renames it into place; then removes the older ones. `header.images` is taken from `images`. */
export async function writeCheckpoint(platform: Platform, drive: string, header: CheckpointHeader, images: readonly ImageSnapshot[]): Promise<void> {
  const directory = `${drive}/${CHECKPOINTS}`;
  const path = `${directory}/${checkpointName(header.number)}`;
  const file = await platform.files.open(`${path}.new`, { write: true, create: true });
  try {
    await file.truncate(0);
    await writeSections(platform, file, encodeCheckpointHeader({ ...header, images: images.length }), images);
    await file.sync();
  } finally {
    await file.close();
  }
  await platform.files.rename(`${path}.new`, path);
  await platform.files.syncDirectory(directory);
  for (const name of await platform.files.list(directory)) {
    if (name !== checkpointName(header.number)) await platform.files.remove(`${directory}/${name}`);
  }
}

async function writeSections(platform: Platform, file: File, header: Buffer, images: readonly ImageSnapshot[]): Promise<void> {
  const hashes = Buffer.alloc(header.length + 8 * images.length);
  header.copy(hashes);
  let pieces: Buffer[] = [header];
  let pending = header.length;
  let written = 0;
  const flush = async (): Promise<void> => {
    const piece = Buffer.concat(pieces, pending);
    await file.write(piece, 0, piece.length, written);
    written += piece.length;
    pieces = [];
    pending = 0;
  };
  for (const [index, image] of images.entries()) {
    const bytes = encodeImage(image);
    const hash = hash64(bytes);
    hashes.writeBigUInt64LE(hash, header.length + 8 * index);
    const section = Buffer.alloc(SECTION_HEADER_BYTES);
    section.writeUInt32LE(bytes.length, 0);
    section.writeBigUInt64LE(hash, 8);
    pieces.push(section, bytes);
    pending += section.length + bytes.length;
    if (pending >= PIECE_BYTES) await flush();
    else await new Promise<void>((resolve) => platform.clock.soon(resolve));
  }
  const total = Buffer.alloc(8);
  total.writeBigUInt64LE(hash64(hashes));
  pieces.push(total);
  pending += total.length;
  await flush();
}

export interface Checkpoint {
  readonly header: CheckpointHeader;
  readonly images: Map<ReplicaImage["group"], ReplicaImage>;
}

/**
 * The newest checkpoint; null when there is none. Throws `FormatError` when it is damaged: an older one would not do, because
 * the journal that belongs to it is gone.
 */
export async function readNewestCheckpoint(platform: Platform, drive: string): Promise<Checkpoint | null> {
  const directory = `${drive}/${CHECKPOINTS}`;
  const name = (await platform.files.list(directory)).filter((found) => NAME.test(found)).at(-1);
  if (name === undefined) return null;
  const file = await platform.files.open(`${directory}/${name}`, {});
  try {
    const checkpoint = await readSections(file);
    if (checkpointName(checkpoint.header.number) !== name) throw new FormatError("it has the name of another");
    return checkpoint;
  } catch (error) {
    if (error instanceof FormatError) throw new FormatError(`the drive's checkpoint ${name} is damaged: ${error.message}`);
    throw error;
  } finally {
    await file.close();
  }
}

async function readSections(file: File): Promise<Checkpoint> {
  const head = await readExactly(file, CHECKPOINT_HEADER_BYTES, 0);
  const header = decodeCheckpointHeader(head);
  // The count is not verified yet: no more images than their section headers have room for.
  if (header.images * SECTION_HEADER_BYTES > (await file.size())) throw new FormatError("it claims more images than it can hold");
  const hashes = Buffer.alloc(head.length + 8 * header.images);
  head.copy(hashes);
  const images: Checkpoint["images"] = new Map();
  let at = CHECKPOINT_HEADER_BYTES;
  for (let index = 0; index < header.images; index += 1) {
    const section = await readExactly(file, SECTION_HEADER_BYTES, at);
    const length = section.readUInt32LE(0);
    if (length > IMAGE_BYTES_MAX || length > (await file.size())) throw new FormatError("an image is longer than the file");
    const bytes = await readExactly(file, length, at + SECTION_HEADER_BYTES);
    if (hash64(bytes) !== section.readBigUInt64LE(8)) throw new FormatError("an image does not match its hash");
    section.copy(hashes, head.length + 8 * index, 8, 16);
    const image = decodeImage(bytes);
    images.set(image.group, image);
    at += SECTION_HEADER_BYTES + length;
  }
  const total = await readExactly(file, 8, at);
  if (total.readBigUInt64LE(0) !== hash64(hashes)) throw new FormatError("it does not match its hash");
  return { header, images };
}

async function readExactly(file: File, length: number, position: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  if ((await file.read(buffer, 0, length, position)) !== length) throw new FormatError("it ends too early");
  return buffer;
}
