import type { Arrival } from "../base/arrival.ts";
import type { VolumeId } from "../base/ids.ts";

/**
 * A volume as an array of 512-byte blocks. Every portal of every server may hold one of the same volume at the same time;
 * per block the outcome is linearizable (I9). Done means durable on all copies: there is no cache to flush. What changes something
 * says when its command arrived (R15), so that it cannot take effect after its host has gone on elsewhere; without that it has
 * arrived just now, which is true only of what was read from a socket in this turn of the loop.
 */
export interface Volume {
  readonly id: VolumeId;
  /** Current size in 512-byte blocks; may grow while in use. */
  readonly sizeLbas: number;
  /**
   * Reads `lbaCount` blocks from `lba` (SBC-3 5.8). The buffer belongs to the caller. Never-written blocks read as zeros.
   * The caller has checked the range against `sizeLbas`.
   */
  read(lba: number, lbaCount: number): Promise<VolumeResult<Buffer>>;
  /** Writes `data`, a multiple of 512 bytes. `data` must stay unchanged until the promise resolves. */
  write(lba: number, data: Buffer, arrival?: Arrival): Promise<VolumeResult<null>>;
  /** The blocks read as zeros afterwards; whole 4 KiB blocks give their space back. */
  unmap(lba: number, lbaCount: number, arrival?: Arrival): Promise<VolumeResult<null>>;
  /**
   * COMPARE AND WRITE (SBC-3 5.2): writes `data` when the blocks hold `expected`, of the same length, as one step across all portals.
   * The value is null when it was written, else the offset in bytes of the first difference. At most 255 blocks, and none on both
   * sides of a multiple of 4 MiB: the two sides are ordered by different primaries.
   */
  compareAndWrite(lba: number, expected: Buffer, data: Buffer, arrival?: Arrival): Promise<VolumeResult<number | null>>;
}

/** The promises of a `Volume` always resolve; these are the expected failures. */
export type VolumeResult<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: VolumeError };

export type VolumeError =
  /** No primary answered in time; the host should retry (BUSY). */
  | "unavailable"
  /** The pool has no space for new blocks: DATA PROTECT, SPACE ALLOCATION FAILED (07h/27h/07h). */
  | "no-space"
  /** The cluster is read-only: DATA PROTECT, WRITE PROTECTED (07h/27h/00h). */
  | "read-only"
  /** The cluster is read-only and no copy of the range answers: NOT READY, ASYMMETRIC ACCESS STATE TRANSITION (02h/04h/0Ah). */
  | "not-ready"
  /** No copy with a valid checksum: MEDIUM ERROR (03h/11h/00h for reads). */
  | "medium-error"
  /** The volume was deleted: ILLEGAL REQUEST, LOGICAL UNIT NOT SUPPORTED (05h/25h/00h). */
  | "deleted";
