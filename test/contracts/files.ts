import { afterEach, expect, test } from "bun:test";
import { FileError, type Files } from "../../src/platform/platform.ts";

/** Files in an empty directory of their own; `dispose` removes it. */
export interface FilesUnderTest {
  readonly files: Files;
  readonly directory: string;
  dispose(): Promise<void>;
}

/** What every Files promises. */
export function filesContract(name: string, make: () => Promise<FilesUnderTest>): void {
  let current: FilesUnderTest | null = null;
  const begin = async (): Promise<FilesUnderTest> => (current = await make());
  afterEach(async () => {
    await current?.dispose();
    current = null;
  });

  test(`${name}: what was written is read back, and a read ends at the end of the file`, async () => {
    const { files, directory } = await begin();
    const file = await files.open(`${directory}/a`, { write: true, create: true });
    const data = pattern(10_000, 1);
    await file.write(data, 0, data.length, 5_000);
    expect(await file.size()).toBe(15_000);
    const back = Buffer.alloc(20_000, 0xff);
    expect(await file.read(back, 100, 19_900, 0)).toBe(15_000);
    expect(back.subarray(100, 5_100).every((byte) => byte === 0)).toBe(true);
    expect(back.subarray(5_100, 15_100).equals(data)).toBe(true);
    expect(back[15_100]).toBe(0xff);
    expect(await file.read(back, 0, 10, 15_000)).toBe(0);
    expect(await file.read(back, 0, 0, 0)).toBe(0);
    await file.close();
  });

  test(`${name}: parts of one file written at the same time all arrive`, async () => {
    const { files, directory } = await begin();
    const file = await files.open(`${directory}/a`, { write: true, create: true });
    const part = 64 * 1024;
    await Promise.all(Array.from({ length: 32 }, (_, i) => file.write(pattern(part, i), 0, part, i * part)));
    await file.sync();
    const back = Buffer.alloc(part);
    for (let i = 0; i < 32; i++) {
      expect(await file.read(back, 0, part, i * part)).toBe(part);
      expect(back.equals(pattern(part, i))).toBe(true);
    }
    await file.close();
  });

  test(`${name}: a direct, durable file takes aligned blocks and keeps its size`, async () => {
    const { files, directory } = await begin();
    const file = await files.open(`${directory}/a`, { write: true, create: true, direct: true, dsync: true });
    const buffer = files.alignedBuffer(64 * 1024);
    expect(buffer.length).toBe(64 * 1024);
    expect(buffer.every((byte) => byte === 0)).toBe(true);
    pattern(64 * 1024, 3).copy(buffer);
    await file.write(buffer, 4096, 8192, 12_288);
    expect(await file.size()).toBe(20_480);
    const back = files.alignedBuffer(32 * 1024);
    expect(await file.read(back, 0, 32 * 1024, 0)).toBe(20_480);
    expect(back.subarray(12_288, 20_480).equals(buffer.subarray(4096, 12_288))).toBe(true);
    await file.close();
  });

  test(`${name}: a direct file refuses what is not aligned`, async () => {
    const { files, directory } = await begin();
    const file = await files.open(`${directory}/a`, { write: true, create: true, direct: true });
    const buffer = files.alignedBuffer(8192);
    for (const [offset, length, position] of [[0, 512, 0], [0, 4096, 512], [512, 4096, 0]] as const) {
      await expect(file.write(buffer, offset, length, position)).rejects.toThrow();
      await expect(file.read(buffer, offset, length, position)).rejects.toThrow();
    }
    await file.close();
  });

  test(`${name}: a file that ends within a block can still be read directly`, async () => {
    const { files, directory } = await begin();
    const path = `${directory}/a`;
    const file = await files.open(path, { write: true, create: true });
    await file.write(pattern(5_000, 4), 0, 5_000, 0);
    await file.close();
    const direct = await files.open(path, { direct: true });
    const buffer = files.alignedBuffer(16_384);
    expect(await direct.read(buffer, 0, 16_384, 0)).toBe(5_000);
    expect(buffer.subarray(0, 5_000).equals(pattern(5_000, 4))).toBe(true);
    await direct.close();
  });

  test(`${name}: reserved space reads as zeros, and a punched range reads as zeros and is free`, async () => {
    const { files, directory } = await begin();
    const path = `${directory}/a`;
    const file = await files.open(path, { write: true, create: true });
    await file.allocate(0, 1024 * 1024);
    expect(await file.size()).toBe(1024 * 1024);
    const data = Buffer.alloc(1024 * 1024, 7);
    await file.write(data, 0, data.length, 0);
    await file.sync();
    const before = await files.stat(path);
    await file.punch(256 * 1024, 512 * 1024);
    await file.sync();
    const after = await files.stat(path);
    expect((before?.allocatedBytes ?? 0) - (after?.allocatedBytes ?? 0)).toBe(512 * 1024);
    expect(after?.sizeBytes).toBe(1024 * 1024);
    await file.read(data, 0, data.length, 0);
    expect(data.subarray(0, 256 * 1024).every((byte) => byte === 7)).toBe(true);
    expect(data.subarray(256 * 1024, 768 * 1024).every((byte) => byte === 0)).toBe(true);
    expect(data.subarray(768 * 1024).every((byte) => byte === 7)).toBe(true);
    await file.close();
  });

  test(`${name}: a truncated file is shorter, and grows with zeros`, async () => {
    const { files, directory } = await begin();
    const file = await files.open(`${directory}/a`, { write: true, create: true });
    await file.write(pattern(9_000, 1), 0, 9_000, 0);
    await file.truncate(4_000);
    expect(await file.size()).toBe(4_000);
    await file.truncate(8_000);
    const back = Buffer.alloc(8_000);
    expect(await file.read(back, 0, 8_000, 0)).toBe(8_000);
    expect(back.subarray(4_000).every((byte) => byte === 0)).toBe(true);
    await file.close();
  });

  test(`${name}: names are made, listed in order, renamed over others and removed`, async () => {
    const { files, directory } = await begin();
    await files.makeDirectory(`${directory}/d/e`);
    await files.makeDirectory(`${directory}/d/e`);
    for (const path of ["c", "a", "b"]) {
      const file = await files.open(`${directory}/d/${path}`, { write: true, create: true });
      await file.write(Buffer.from(path), 0, 1, 0);
      await file.close();
    }
    expect(await files.list(`${directory}/d`)).toEqual(["a", "b", "c", "e"]);
    await files.rename(`${directory}/d/c`, `${directory}/d/a`);
    await files.remove(`${directory}/d/b`);
    await files.remove(`${directory}/d/b`);
    await files.syncDirectory(`${directory}/d`);
    expect(await files.list(`${directory}/d`)).toEqual(["a", "e"]);
    const file = await files.open(`${directory}/d/a`, {});
    const back = Buffer.alloc(1);
    await file.read(back, 0, 1, 0);
    expect(back.toString()).toBe("c");
    await file.close();
    expect(await files.stat(`${directory}/d/b`)).toBeNull();
    expect((await files.stat(`${directory}/d/a`))?.sizeBytes).toBe(1);
  });

  test(`${name}: failures carry the system's code and name the path`, async () => {
    const { files, directory } = await begin();
    const missing = `${directory}/missing`;
    await expectFailure(files.open(missing, {}), "ENOENT", missing);
    await expectFailure(files.list(missing), "ENOENT", missing);
    await expectFailure(files.rename(missing, `${directory}/x`), "ENOENT", missing);
    await expectFailure(files.syncDirectory(missing), "ENOENT", missing);
    await expectFailure(files.space(missing), "ENOENT", missing);
    const path = `${directory}/a`;
    const file = await files.open(path, { write: true, create: true, exclusive: true });
    await expectFailure(files.open(path, { write: true, create: true, exclusive: true }), "EEXIST", path);
    await expectFailure(files.open(path, { write: true, create: true, exclusive: true, direct: true }), "EEXIST", path);
    await expectFailure(file.allocate(0, 2 ** 50), /ENOSPC|other/, path);
    await file.close();
  });

  test(`${name}: a lock is held by one opener until it closes`, async () => {
    const { files, directory } = await begin();
    const first = await files.open(`${directory}/a`, { write: true, create: true });
    const second = await files.open(`${directory}/a`, { write: true });
    expect(await first.lock()).toBe(true);
    expect(await second.lock()).toBe(false);
    await first.close();
    expect(await second.lock()).toBe(true);
    await second.close();
  });

  test(`${name}: closing waits for what is under way, and nothing is done afterwards`, async () => {
    const { files, directory } = await begin();
    const file = await files.open(`${directory}/a`, { write: true, create: true });
    const data = pattern(1024 * 1024, 9);
    const written = file.write(data, 0, data.length, 0);
    const allocated = file.allocate(0, 4 * 1024 * 1024);
    await file.close();
    await written;
    await allocated;
    await expect(file.read(data, 0, 1, 0)).rejects.toThrow("after close");
    expect((await files.stat(`${directory}/a`))?.sizeBytes).toBe(4 * 1024 * 1024);
  });

  test(`${name}: the filesystem has a size`, async () => {
    const { files, directory } = await begin();
    const space = await files.space(directory);
    expect(space.totalBytes).toBeGreaterThanOrEqual(space.freeBytes);
    expect(space.freeBytes).toBeGreaterThan(0);
  });
}

function pattern(bytes: number, seed: number): Buffer {
  const buffer = Buffer.allocUnsafe(bytes);
  for (let i = 0; i < bytes; i++) buffer[i] = (i * 31 + (i >> 8) * 7 + seed * 101) & 0xff;
  return buffer;
}

async function expectFailure(work: Promise<unknown>, code: string | RegExp, path: string): Promise<void> {
  const error = await work.then(() => null, (failure: unknown) => failure);
  expect(error).toBeInstanceOf(FileError);
  if (!(error instanceof FileError)) return;
  if (typeof code === "string") expect(error.code).toBe(code as typeof error.code);
  else expect(error.code).toMatch(code);
  expect(error.message).toContain(path);
}
