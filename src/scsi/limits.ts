import { SECTORS_PER_BLOCK } from "../base/geometry.ts";

/** What the Block Limits page (SBC-3 6.6.4) promises is exactly what the commands accept; all in 512-byte blocks. */

/** 16 MiB: above what hosts send in one command by default, small enough to buffer whole. */
export const TRANSFER_LBAS_MAX = 32768;
/** 1 MiB: beyond it a transfer gains nothing. */
export const TRANSFER_LBAS_OPTIMAL = 2048;
/** 256 MiB over all descriptors of a command: bounds the extents that one command touches (64). */
export const UNMAP_LBAS_MAX = 524288;
/** Bounds the parameter list to 4 KiB. */
export const UNMAP_DESCRIPTORS_MAX = 256;
/** 4 KiB; must divide 1 MiB or VMware does not unmap by itself. */
export const UNMAP_GRANULARITY_LBAS = SECTORS_PER_BLOCK;
/** 16 MiB, as for one transfer: a pattern is expanded in pieces, so that this bounds the time and not the memory. */
export const WRITE_SAME_LBAS_MAX = 32768;
/**
 * One block, which is what VMware uses: a longer range may lie on both sides of an extent's edge, where no single primary could
 * decide it, and the limit does not depend on the address.
 */
export const COMPARE_LBAS_MAX = 1;
/** 1 MiB: the piece in which patterns are written and data is verified. */
export const PIECE_LBAS = 2048;
