/** CRC-32C (Castagnoli polynomial, reflected: 0x82F63B78), as iSCSI digests use it (RFC 7143 13.1). Eight bytes a step. */
const TABLES = makeTables();

/**
 * The checksum of `length` bytes of `data` from `offset`, as an unsigned number.
 * To go on over several pieces, pass the checksum of the pieces before as `previous`.
 */
export function crc32c(data: Uint8Array, offset = 0, length = data.length - offset, previous = 0): number {
  const t = TABLES;
  let crc = ~previous;
  let at = offset;
  const end = offset + length;
  for (; at + 8 <= end; at += 8) {
    const low = crc ^ (data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24));
    crc =
      t[0x700 + (low & 0xff)]! ^
      t[0x600 + ((low >>> 8) & 0xff)]! ^
      t[0x500 + ((low >>> 16) & 0xff)]! ^
      t[0x400 + (low >>> 24)]! ^
      t[0x300 + data[at + 4]!]! ^
      t[0x200 + data[at + 5]!]! ^
      t[0x100 + data[at + 6]!]! ^
      t[data[at + 7]!]!;
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ t[(crc ^ data[at]!) & 0xff]!;
  return ~crc >>> 0;
}

/** Table k, at k * 256, holds the effect of a byte that is followed by k zero bytes. */
function makeTables(): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    tables[byte] = crc;
  }
  for (let byte = 0; byte < 256; byte++) {
    let crc = tables[byte]!;
    for (let k = 1; k < 8; k++) {
      crc = (crc >>> 8) ^ tables[crc & 0xff]!;
      tables[k * 256 + byte] = crc;
    }
  }
  return tables;
}
