import { expect, test } from "bun:test";
import { FormatError, Reader, Writer } from "../../src/base/bytes.ts";

test("a writer grows in the middle of any field", () => {
  for (let filled = 0; filled <= 40; filled += 1) {
    const writer = new Writer(40);
    for (let i = 0; i < filled; i += 1) writer.u8(i);
    writer.bytes(Buffer.alloc(100, 9)).u8(1).u16(2).u32(3).u64(2 ** 52).f64(0.5).text("text");
    const reader = new Reader(writer.finish());
    for (let i = 0; i < filled; i += 1) expect(reader.u8()).toBe(i);
    expect(reader.bytes(100)).toEqual(Buffer.alloc(100, 9));
    expect([reader.u8(), reader.u16(), reader.u32(), reader.u64(), reader.f64(), reader.text(10)]).toEqual([1, 2, 3, 2 ** 52, 0.5, "text"]);
    reader.end();
  }
});

for (const capacity of [1, 2, 3, 7, 15]) {
  test(`each kind of field grows a writer of ${capacity} bytes`, () => {
    const fields: [(writer: Writer) => void, number][] = [
      [(w) => w.u8(1), 1], [(w) => w.u16(1), 2], [(w) => w.u32(1), 4], [(w) => w.u64(1), 8], [(w) => w.f64(1), 8], [(w) => w.list([1, 2], (x, i) => x.u8(i)), 6],
    ];
    for (const [write, bytes] of fields) {
      const writer = new Writer(capacity);
      for (let i = 0; i < 10; i += 1) write(writer);
      expect(writer.finish().length).toBe(bytes * 10);
    }
  });
}

test("a reader refuses bytes that end too early, are too many, or are over a bound", () => {
  expect(() => new Reader(Buffer.alloc(3)).u32()).toThrow(FormatError);
  expect(() => new Reader(Buffer.alloc(3)).end()).toThrow(FormatError);
  expect(() => new Reader(new Writer().text("long").finish()).text(3)).toThrow(FormatError);
  expect(() => new Reader(new Writer().u32(5).finish()).list(4, (r) => r.u8())).toThrow(FormatError);
  expect(() => new Reader(Buffer.alloc(8, 0xff)).u64()).toThrow(FormatError);
});
