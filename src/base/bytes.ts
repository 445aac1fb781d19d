import { assert } from "./assert.ts";

/** Unsigned 64-bit little-endian fields hold integers below 2^53 here; anything larger is refused when read. */
export function writeU64(buffer: Buffer, value: number, offset: number): void {
  buffer.writeUInt32LE(value >>> 0, offset);
  buffer.writeUInt32LE(Math.floor(value / 0x100000000), offset + 4);
}

export function readU64(buffer: Buffer, offset: number): number {
  return buffer.readUInt32LE(offset + 4) * 0x100000000 + buffer.readUInt32LE(offset);
}

/** Bytes that end too early, a count over its bound, or a value outside its range. The connection or record is refused. */
export class FormatError extends Error {
  override name = "FormatError";
}

/** Appends little-endian fields to a growing buffer; for messages and records that are not on the path of each command. */
export class Writer {
  #buffer: Buffer;
  #length = 0;
  constructor(capacity = 256) {
    this.#buffer = Buffer.allocUnsafe(capacity);
  }
  get length(): number {
    return this.#length;
  }
  u8(value: number): this {
    const at = this.#grow(1);
    this.#buffer.writeUInt8(value, at);
    return this;
  }
  u16(value: number): this {
    const at = this.#grow(2);
    this.#buffer.writeUInt16LE(value, at);
    return this;
  }
  u32(value: number): this {
    const at = this.#grow(4);
    this.#buffer.writeUInt32LE(value >>> 0, at);
    return this;
  }
  u64(value: number): this {
    assert(Number.isSafeInteger(value) && value >= 0, `a u64 field holds a safe integer, not ${value}`);
    const at = this.#grow(8);
    writeU64(this.#buffer, value, at);
    return this;
  }
  f64(value: number): this {
    const at = this.#grow(8);
    this.#buffer.writeDoubleLE(value, at);
    return this;
  }
  /** u32 length, then the bytes. */
  bytes(value: Uint8Array): this {
    this.u32(value.length);
    const at = this.#grow(value.length);
    this.#buffer.set(value, at);
    return this;
  }
  /** UTF-8 with a u32 length. */
  text(value: string): this {
    return this.bytes(Buffer.from(value, "utf8"));
  }
  /** u32 count, then each item. */
  list<T>(items: Iterable<T>, write: (writer: this, item: T) => void): this {
    const at = this.#grow(4);
    let count = 0;
    for (const item of items) {
      write(this, item);
      count += 1;
    }
    this.#buffer.writeUInt32LE(count, at);
    return this;
  }
  /** Begins anew in the same memory: what was finished before is gone. */
  reset(): this {
    this.#length = 0;
    return this;
  }
  /** What was written; the writer must not be used afterwards, unless `reset`. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }
  /** Room for `bytes` fields of a fixed layout: the buffer and the offset to write them at. */
  fixed(bytes: number): { buffer: Buffer; offset: number } {
    const offset = this.#grow(bytes);
    return { buffer: this.#buffer, offset };
  }
  /** Where `bytes` more may be written. Replaces the buffer: call it before naming `#buffer` in a statement. */
  #grow(bytes: number): number {
    const at = this.#length;
    if (at + bytes > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, at + bytes));
      this.#buffer.copy(larger, 0, 0, at);
      this.#buffer = larger;
    }
    this.#length += bytes;
    return at;
  }
}

/** Reads what `Writer` wrote. Every method throws `FormatError` when the bytes end too early. */
export class Reader {
  readonly #buffer: Buffer;
  #offset: number;
  readonly #end: number;
  constructor(buffer: Buffer, offset = 0, end = buffer.length) {
    this.#buffer = buffer;
    this.#offset = offset;
    this.#end = end;
  }
  get remaining(): number {
    return this.#end - this.#offset;
  }
  u8(): number {
    return this.#buffer.readUInt8(this.#take(1));
  }
  u16(): number {
    return this.#buffer.readUInt16LE(this.#take(2));
  }
  u32(): number {
    return this.#buffer.readUInt32LE(this.#take(4));
  }
  u64(): number {
    const value = readU64(this.#buffer, this.#take(8));
    if (!Number.isSafeInteger(value)) throw new FormatError("a 64-bit field is over 2^53");
    return value;
  }
  f64(): number {
    return this.#buffer.readDoubleLE(this.#take(8));
  }
  bytes(max: number): Buffer {
    const length = this.u32();
    if (length > max) throw new FormatError(`a field of ${length} bytes is over its bound of ${max}`);
    const at = this.#take(length);
    return this.#buffer.subarray(at, at + length);
  }
  text(max: number): string {
    return this.bytes(max).toString("utf8");
  }
  list<T>(max: number, read: (reader: this) => T): T[] {
    const count = this.u32();
    if (count > max) throw new FormatError(`a list of ${count} items is over its bound of ${max}`);
    const items: T[] = [];
    for (let i = 0; i < count; i += 1) items.push(read(this));
    return items;
  }
  fixed(bytes: number): { buffer: Buffer; offset: number } {
    return { buffer: this.#buffer, offset: this.#take(bytes) };
  }
  /** Throws unless everything was read. */
  end(): void {
    if (this.#offset !== this.#end) throw new FormatError(`${this.#end - this.#offset} bytes too many`);
  }
  #take(bytes: number): number {
    const at = this.#offset;
    if (at + bytes > this.#end) throw new FormatError("the bytes end too early");
    this.#offset = at + bytes;
    return at;
  }
}
