import { BLOCK_BYTES } from "../../base/geometry.ts";
import type { Platform } from "../../platform/platform.ts";
import { BATCH_HEADER_BYTES, isBatchIntact, peekBatch, type BatchHeader } from "./batch.ts";
import type { JournalPlace } from "./journal.ts";
import { decodeRecord } from "./record-codec.ts";
import type { JournalRecord } from "./records.ts";
import type { JournalRing } from "./ring.ts";

/** How much of the journal the search for later batches reads at once. */
const SCAN_BYTES = 1024 * 1024;

/** Reads a journal from where the last checkpoint left it, batch by batch. */
export class JournalReader {
  readonly #ring: JournalRing;
  readonly #platform: Platform;
  #buffer: Buffer;
  #next: JournalPlace;

  constructor(platform: Platform, ring: JournalRing, from: JournalPlace) {
    this.#platform = platform;
    this.#ring = ring;
    this.#next = from;
    this.#buffer = platform.files.alignedBuffer(SCAN_BYTES);
  }

  /** The batch that `batch` would read, or where the next one may be written once there is none. */
  get next(): JournalPlace {
    return this.#next;
  }

  /** The next batch's records; null at the first one that is not intact. Their data is the caller's. */
  async batch(): Promise<JournalRecord[] | null> {
    await this.#ring.read(this.#buffer, BLOCK_BYTES, this.#next.position);
    const header = peekBatch(this.#buffer, 0, this.#ring.shape.journalId);
    if (!header || header.number !== this.#next.batch || header.position !== this.#next.position) return null;
    const bytes = await this.#intact(header);
    if (!bytes) return null;
    this.#next = { batch: header.number + 1, position: header.position + header.length };
    return decodeBatch(bytes, header);
  }

  /**
   * After `batch` gave null: intact batches with a later number, oldest first. There are none after a torn end, because only
   * one write is in flight at a time; any there is proves that a batch which was durable is lost.
   * Older rounds of the ring have lower numbers. Reads the whole ring.
   */
  async laterBatches(): Promise<BatchHeader[]> {
    const found: BatchHeader[] = [];
    const from = this.#next.position;
    for (let at = 0; at < this.#ring.capacity; at += SCAN_BYTES) {
      const length = Math.min(SCAN_BYTES, this.#ring.capacity - at);
      await this.#ring.read(this.#buffer, length, from + at);
      const candidates: BatchHeader[] = [];
      for (let block = 0; block < length; block += BLOCK_BYTES) {
        const header = peekBatch(this.#buffer, block, this.#ring.shape.journalId);
        // Any other place than its own is a batch's content that looks like a batch.
        if (header && header.number > this.#next.batch && header.position === from + at + block) candidates.push(header);
      }
      for (const header of candidates) if (await this.#intact(header)) found.push(header);
    }
    return found.sort((a, b) => a.number - b.number);
  }

  /** Records of a batch that `laterBatches` found. */
  async recordsOf(header: BatchHeader): Promise<JournalRecord[]> {
    const bytes = await this.#intact(header);
    return bytes ? decodeBatch(bytes, header) : [];
  }

  async #intact(header: BatchHeader): Promise<Buffer | null> {
    if (header.length > this.#ring.capacity) return null;
    if (header.length > this.#buffer.length) this.#buffer = this.#platform.files.alignedBuffer(header.length);
    await this.#ring.read(this.#buffer, header.length, header.position);
    // A copy: the records' data is used long after the buffer holds the next batch.
    const bytes = Buffer.from(this.#buffer.subarray(0, header.length));
    return isBatchIntact(bytes) ? bytes : null;
  }
}

function decodeBatch(bytes: Buffer, header: BatchHeader): JournalRecord[] {
  const records: JournalRecord[] = [];
  let at = BATCH_HEADER_BYTES;
  for (let i = 0; i < header.records; i += 1) {
    const { record, next } = decodeRecord(bytes, at, header.length);
    records.push(record);
    at = next;
  }
  return records;
}
