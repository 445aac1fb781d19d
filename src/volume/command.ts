import type { Arrival } from "../base/arrival.ts";
import { assert } from "../base/assert.ts";
import { BLOCK_BYTES, PIECE_BLOCKS_MAX, SECTOR_BYTES, SECTORS_PER_BLOCK, SECTORS_PER_EXTENT } from "../base/geometry.ts";
import type { ExtentIndex, VolumeId } from "../base/ids.ts";
import { writeChecksums } from "./blocks.ts";
import type { Piece } from "./piece.ts";
import type { VolumeError, VolumeResult } from "./volume.ts";

/** A host's patience is about 30 s; an answer of BUSY must reach it before that. */
export const COMMAND_DEADLINE_MS = 25_000;

const SECTORS_PER_PIECE_MAX = PIECE_BLOCKS_MAX * SECTORS_PER_BLOCK;
/** Zeros for the edges of an unmap: always less than a block. */
const ZEROS = Buffer.alloc(BLOCK_BYTES);

export type CommandKind = "read" | "write" | "unmap" | "compare-and-write";
/** A read's buffer; where a compare-and-write found the first difference; else null. */
export type Answer = Buffer | number | null;
export type Resolve = (result: VolumeResult<Answer>) => void;

/** One call of a volume, cut into pieces as there is room for them. */
export class Command {
  readonly kind: CommandKind;
  readonly volume: VolumeId;
  readonly lineage: VolumeId;
  readonly factor: number;
  /** R15: the host's command that this is part of. */
  readonly arrival: Arrival;
  readonly deadlineMs: number;
  readonly resolve: Resolve;
  readonly #first: number;
  readonly #end: number;
  readonly #data: Buffer | null;
  /** Next sector to be cut. */
  #next: number;
  /** A read of several pieces is gathered here; one of a single piece answers with that piece's buffer. */
  #gathered: Buffer | null = null;
  /** Of a compare-and-write: the offset in bytes of the first difference. */
  differsAt: number | null = null;
  /** Pieces cut and not yet finished. */
  outstanding = 0;
  error: VolumeError | null = null;
  resolved = false;

  constructor(
    kind: CommandKind,
    of: { volume: VolumeId; lineage: VolumeId; factor: number },
    range: { lba: number; lbaCount: number; data: Buffer | null },
    at: { arrival: Arrival; startMs: number },
    resolve: Resolve,
  ) {
    this.kind = kind;
    this.volume = of.volume;
    this.lineage = of.lineage;
    this.factor = of.factor;
    this.#first = range.lba;
    this.#next = range.lba;
    this.#end = range.lba + range.lbaCount;
    this.#data = range.data;
    this.arrival = at.arrival;
    this.deadlineMs = at.startMs + COMMAND_DEADLINE_MS;
    this.resolve = resolve;
  }

  /** Nothing is left to be cut. After an error nothing more is sent. */
  get cut(): boolean {
    return this.#next === this.#end || this.error !== null;
  }

  /** Bytes that the next piece will hold in this process. */
  get nextBytes(): number {
    return this.kind === "unmap" ? 0 : this.kind === "compare-and-write" ? (this.#data as Buffer).length : (this.#pieceEnd() - this.#next) * SECTOR_BYTES;
  }

  /** Fills `piece` with the next part: inside one extent, and with no 4 KiB block shared between two pieces. */
  cutInto(piece: Piece): void {
    assert(!this.cut, "a command is cut only while something is left");
    const from = this.#next;
    const to = this.kind === "unmap" ? this.#unmapEnd() : this.#pieceEnd();
    this.#next = to;
    this.outstanding += 1;
    const extent = Math.floor(from / SECTORS_PER_EXTENT) as ExtentIndex;
    const firstSector = from - extent * SECTORS_PER_EXTENT;
    piece.open(this, extent, firstSector, to - from);
    if (this.kind === "read") return;
    const wholeBlocks = this.kind === "unmap" && from % SECTORS_PER_BLOCK === 0 && to % SECTORS_PER_BLOCK === 0;
    if (wholeBlocks) return;
    if (this.kind === "compare-and-write") return this.#cutWhole(piece, extent, firstSector);
    const bytes = (to - from) * SECTOR_BYTES;
    const offset = (from - this.#first) * SECTOR_BYTES;
    const data = this.#data ? (bytes === this.#data.length ? this.#data : this.#data.subarray(offset, offset + bytes)) : ZEROS.subarray(0, bytes);
    piece.data = data;
    piece.bytes = bytes;
    piece.checksums = writeChecksums(data, this.lineage, extent, firstSector);
  }

  /** A compare-and-write is one piece with both halves of its data. */
  #cutWhole(piece: Piece, extent: ExtentIndex, firstSector: number): void {
    const data = this.#data as Buffer;
    const half = data.length / 2;
    const sums = [data.subarray(0, half), data.subarray(half)].map((part) => writeChecksums(part, this.lineage, extent, firstSector));
    assert(this.cut, "a compare-and-write lies in one extent");
    piece.data = data;
    piece.bytes = data.length;
    piece.checksums = Uint32Array.from(sums.flatMap((part) => [...part]));
  }

  /** A piece of a read has verified data of whole blocks; empty stands for zeros. */
  gather(piece: Piece, blocks: Buffer): void {
    const total = (this.#end - this.#first) * SECTOR_BYTES;
    const bytes = piece.sectorCount * SECTOR_BYTES;
    const skip = (piece.firstSector % SECTORS_PER_BLOCK) * SECTOR_BYTES;
    if (bytes === total) {
      this.#gathered = blocks.length === 0 ? Buffer.alloc(bytes) : blocks.subarray(skip, skip + bytes);
      return;
    }
    this.#gathered ??= Buffer.allocUnsafe(total);
    const at = (piece.extent * SECTORS_PER_EXTENT + piece.firstSector - this.#first) * SECTOR_BYTES;
    if (blocks.length === 0) this.#gathered.fill(0, at, at + bytes);
    else blocks.copy(this.#gathered, at, skip, skip + bytes);
  }

  /** Answers the caller, once. */
  finish(error: VolumeError | null): void {
    if (this.resolved) return;
    this.resolved = true;
    this.error ??= error;
    this.resolve(this.error === null ? { ok: true, value: this.differsAt ?? this.#gathered } : { ok: false, error: this.error });
  }

  #pieceEnd(): number {
    const blockStart = this.#next - (this.#next % SECTORS_PER_BLOCK);
    return Math.min(this.#end, this.#extentEnd(), blockStart + SECTORS_PER_PIECE_MAX);
  }

  /** Whole blocks up to the extent's end, or an edge of less than a block. */
  #unmapEnd(): number {
    const inBlock = this.#next % SECTORS_PER_BLOCK;
    if (inBlock !== 0) return Math.min(this.#end, this.#next - inBlock + SECTORS_PER_BLOCK);
    const whole = this.#end - (this.#end % SECTORS_PER_BLOCK);
    return whole > this.#next ? Math.min(whole, this.#extentEnd()) : this.#end;
  }

  #extentEnd(): number {
    return (Math.floor(this.#next / SECTORS_PER_EXTENT) + 1) * SECTORS_PER_EXTENT;
  }
}
