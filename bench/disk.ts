import { closeSync, fdatasyncSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

export interface SyncLatency {
  readonly p50Us: number;
  readonly p99Us: number;
}

const BLOCK_BYTES = 4096;
const FILE_BYTES = 16 * 1024 * 1024;
const SYNCS = 400;

/** What the disk under `directory` takes for 4 KiB written in place and made durable, alone: the floor of any durable write. */
export function measureSync(directory: string): SyncLatency {
  const path = join(directory, "fdatasync");
  const file = openSync(path, "w+");
  try {
    const zeros = Buffer.alloc(1024 * 1024);
    for (let at = 0; at < FILE_BYTES; at += zeros.length) writeSync(file, zeros, 0, zeros.length, at);
    fsyncSync(file);
    const block = Buffer.from(crypto.getRandomValues(new Uint8Array(BLOCK_BYTES)));
    const tookMs: number[] = [];
    for (let i = 0; i < SYNCS; i++) {
      const place = Math.floor(Math.random() * (FILE_BYTES / BLOCK_BYTES)) * BLOCK_BYTES;
      const startMs = performance.now();
      writeSync(file, block, 0, BLOCK_BYTES, place);
      fdatasyncSync(file);
      tookMs.push(performance.now() - startMs);
    }
    tookMs.sort((a, b) => a - b);
    const at = (part: number): number => Math.round((tookMs[Math.floor(SYNCS * part)] ?? 0) * 1000);
    return { p50Us: at(0.5), p99Us: at(0.99) };
  } finally {
    closeSync(file);
    rmSync(path, { force: true });
  }
}
