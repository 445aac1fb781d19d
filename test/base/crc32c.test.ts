import { expect, test } from "bun:test";
import { crc32c } from "../../src/base/crc32c.ts";

test("CRC-32C gives the values of RFC 7143 Appendix A", () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i))).toBe(0x113fdb5c);
  expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
});

test("a checksum over pieces is the checksum of the whole", () => {
  const data = Buffer.from(Array.from({ length: 1001 }, (_, i) => (i * 31) & 0xff));
  for (const cut of [0, 1, 7, 8, 500, 1001]) {
    expect(crc32c(data, cut, data.length - cut, crc32c(data, 0, cut))).toBe(crc32c(data));
  }
});
