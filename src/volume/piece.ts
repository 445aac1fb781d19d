import { assert } from "../base/assert.ts";
import { BLOCK_BYTES, SECTORS_PER_BLOCK } from "../base/geometry.ts";
import type { ExtentIndex, GroupId } from "../base/ids.ts";
import type { Command } from "./command.ts";
import type { Link } from "./link.ts";

/** A refused piece is sent again after this, doubled each time; the map's news ends the pause at once. */
export const PAUSE_MS_MIN = 10;
export const PAUSE_MS_MAX = 200;

/**
 *   free --> paused <--> pending --> sent
 *    ^         | ^          |          |
 *    |         | '----------|----------'     refused, channel lost, or the map names another primary
 *    '---------'------------'----------'     finished
 *
 * paused: waits for `retryAtMs` or news of the map. pending: waits for its link's channel. sent: waits for the reply.
 */
export type PieceState = "free" | "paused" | "pending" | "sent";
const MOVES: Record<PieceState, readonly PieceState[]> = {
  free: ["paused"],
  paused: ["pending", "paused", "free"],
  pending: ["sent", "paused", "free"],
  sent: ["paused", "free"],
};

/** One storage command under way, and the same one however often it is sent (R16). Reused when it is finished. */
export class Piece {
  state: PieceState = "free";
  #command: Command | null = null;
  group = 0 as GroupId;
  extent = 0 as ExtentIndex;
  /** 512-byte sectors inside the extent. */
  firstSector = 0;
  sectorCount = 0;
  /** Of a write; null for reads and for unmaps of whole blocks. */
  data: Buffer | null = null;
  checksums: Uint32Array | null = null;
  /** R16: never changes while the piece is open; 0 for reads. */
  operation = 0;
  link: Link | null = null;
  tag = 0;
  /** It was sent and no answer to that will come: whether it is carried out is not known. */
  doubtful = false;
  retryAtMs = 0;
  pauseMs = PAUSE_MS_MIN;
  /** Answers whose content did not match its checksums. */
  corruptCount = 0;
  /** Bytes counted against the gateway's bound. */
  bytes = 0;
  /** Neighbours among the open modifying pieces, in the order of their operations. */
  older: Piece | null = null;
  younger: Piece | null = null;

  get command(): Command {
    assert(this.#command, "an open piece has a command");
    return this.#command;
  }
  get firstBlock(): number {
    return Math.floor(this.firstSector / SECTORS_PER_BLOCK);
  }
  get blockCount(): number {
    return Math.ceil((this.firstSector + this.sectorCount) / SECTORS_PER_BLOCK) - this.firstBlock;
  }

  enter(state: PieceState): void {
    assert(MOVES[this.state].includes(state), `a piece does not go from ${this.state} to ${state}`);
    this.state = state;
  }

  /** Begins as paused, to be sent at once. */
  open(command: Command, extent: ExtentIndex, firstSector: number, sectorCount: number): void {
    this.enter("paused");
    this.#command = command;
    this.extent = extent;
    this.firstSector = firstSector;
    this.sectorCount = sectorCount;
    this.bytes = command.kind === "read" ? this.blockCount * BLOCK_BYTES : 0;
    this.group = 0 as GroupId;
    this.pauseMs = PAUSE_MS_MIN;
    this.corruptCount = 0;
    this.doubtful = false;
  }

  /** Lets go of everything; the object may be opened again. */
  close(): void {
    assert(this.link === null && this.older === null && this.younger === null, "a piece leaves its lists before it is closed");
    this.enter("free");
    this.#command = null;
    this.data = null;
    this.checksums = null;
    this.operation = 0;
    this.tag = 0;
  }
}

/** Open modifying pieces in the order of their operation numbers: the first one is `oldestOpen` (R16). */
export class OperationList {
  #oldest: Piece | null = null;
  #youngest: Piece | null = null;
  #last = 0;

  /** The lowest number still open; the next one to be given when none is. */
  get oldestOpen(): number {
    return this.#oldest ? this.#oldest.operation : this.#last + 1;
  }

  add(piece: Piece): void {
    piece.operation = this.#last += 1;
    piece.older = this.#youngest;
    if (this.#youngest) this.#youngest.younger = piece;
    else this.#oldest = piece;
    this.#youngest = piece;
  }

  remove(piece: Piece): void {
    if (piece.older) piece.older.younger = piece.younger;
    else this.#oldest = piece.younger;
    if (piece.younger) piece.younger.older = piece.older;
    else this.#youngest = piece.older;
    piece.older = null;
    piece.younger = null;
  }
}
