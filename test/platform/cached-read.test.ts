import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realFiles } from "../../src/platform/files.ts";

test("what the page cache holds is read right into buffers of any kind, memory being collected meanwhile", async () => {
  const directory = mkdtempSync(join(tmpdir(), "virtustor-cached-"));
  try {
    const content = Buffer.from(crypto.getRandomValues(new Uint8Array(65536)));
    writeFileSync(join(directory, "file"), content);
    const file = await realFiles().open(join(directory, "file"), {});
    const makers = [(bytes: number) => Buffer.alloc(bytes), (bytes: number) => Buffer.allocUnsafe(bytes), (bytes: number) => Buffer.alloc(bytes + 9).subarray(9), (bytes: number) => new Uint8Array(bytes)];
    for (let round = 0; round < 2000; round++) {
      const length = [16, 72, 512, 999, 4096, 8192, 16384][round % 7] as number;
      const position = (round * 613) % (content.length - length);
      const buffer = (makers[round % 4] as (typeof makers)[0])(length);
      expect(await file.read(buffer, 0, length, position)).toBe(length);
      expect(content.subarray(position, position + length).equals(buffer)).toBe(true);
      if (round % 50 === 0) Bun.gc(true);
    }
    // Up to the file's end, and beyond it.
    const buffer = Buffer.alloc(8192);
    expect(await file.read(buffer, 0, 8192, content.length - 5000)).toBe(5000);
    expect(buffer.subarray(0, 5000).equals(content.subarray(-5000))).toBe(true);
    expect(await file.read(buffer, 0, 8192, content.length)).toBe(0);
    await file.close();
    await expect(file.read(buffer, 0, 4096, 0)).rejects.toThrow("not used after close");
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
