/** Sizes that the formats fix. Changing one is a new format version. */
export const SECTOR_BYTES = 512;
/** The unit of checksums, allocation, replication and the journal; the volumes' physical block. */
export const BLOCK_BYTES = 4096;
export const SECTORS_PER_BLOCK = BLOCK_BYTES / SECTOR_BYTES;
export const EXTENT_BYTES = 4 * 1024 * 1024;
export const BLOCKS_PER_EXTENT = EXTENT_BYTES / BLOCK_BYTES;
export const SECTORS_PER_EXTENT = EXTENT_BYTES / SECTOR_BYTES;
/** The unit in which recovery copies: small enough that a short absence costs little, large enough to be cheap to track. */
export const CHUNK_BYTES = 64 * 1024;
export const BLOCKS_PER_CHUNK = CHUNK_BYTES / BLOCK_BYTES;
export const CHUNKS_PER_EXTENT = EXTENT_BYTES / CHUNK_BYTES;
/** The longest piece that one storage command or log entry carries: bounds frames, journal records and lock times. */
export const PIECE_BYTES_MAX = 1024 * 1024;
export const PIECE_BLOCKS_MAX = PIECE_BYTES_MAX / BLOCK_BYTES;
