import { assert } from "../../base/assert.ts";
import { BLOCK_BYTES } from "../../base/geometry.ts";
import type { Platform } from "../../platform/platform.ts";
import { BATCH_HEADER_BYTES, batchLength, sealBatch } from "./batch.ts";
import { encodeRecord, measureRecord, type Encoded } from "./record-codec.ts";
import type { JournalRecord } from "./records.ts";
import type { JournalRing } from "./ring.ts";

/** Records are added to a batch up to this size: a write of 4 MiB takes a disk milliseconds, and larger ones gain nothing. */
export const BATCH_BYTES_MAX = 4 * 1024 * 1024;
/** A batch is also at most this part of the ring, so that a small journal still frees space while it writes. */
const BATCHES_IN_RING = 4;

export interface JournalPlace {
  /** The next batch's number and position. */
  readonly batch: number;
  readonly position: number;
}

export interface Appended {
  readonly record: JournalRecord;
  readonly encoded: Encoded;
  readonly durable: (() => void) | null;
  readonly applied: (() => void) | null;
}

export interface JournalEvents {
  /** Called in order once a batch is durable; what is appended meanwhile belongs to the next one. */
  durable(batch: readonly Appended[]): void;
  /** The next record does not fit until space is freed. */
  full(): void;
  /** While false no write begins: the extents are behind. `kick` when it becomes true. */
  mayWrite(): boolean;
  failed(error: unknown): void;
}

/**
 * Group commit: exactly one write in flight, and everything that came meanwhile is the next batch. When the ring is full,
 * records wait in the queue, which `pendingBytes` tells those who must slow down.
 */
export class Journal {
  readonly #platform: Platform;
  readonly #ring: JournalRing;
  readonly #events: JournalEvents;
  #buffer: Buffer;
  readonly #batchMax: number;
  #queue: Appended[] = [];
  #writing = false;
  #drained: (() => void) | null = null;
  #scheduled = false;
  #pendingBytes = 0;
  #next: JournalPlace;
  #tail: number;
  /** When the batch in flight, and when the oldest record in the queue, began to wait. */
  #writingSinceMs = 0;
  #queuedSinceMs = 0;

  constructor(platform: Platform, ring: JournalRing, next: JournalPlace, tail: number, events: JournalEvents) {
    this.#platform = platform;
    this.#ring = ring;
    this.#events = events;
    this.#next = next;
    this.#tail = tail;
    const share = Math.floor(ring.capacity / BATCHES_IN_RING / BLOCK_BYTES) * BLOCK_BYTES;
    this.#batchMax = Math.max(BLOCK_BYTES, Math.min(BATCH_BYTES_MAX, share));
    this.#buffer = platform.files.alignedBuffer(this.#batchMax);
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }
  /** Where the next batch goes: everything before it is durable, or in flight while `isWriting`. */
  get next(): JournalPlace {
    return this.#next;
  }
  get usedBytes(): number {
    return this.#next.position - this.#tail;
  }
  get capacityBytes(): number {
    return this.#ring.capacity;
  }
  get isIdle(): boolean {
    return !this.#writing && this.#queue.length === 0;
  }

  /** Resolves when everything appended is durable. */
  async drain(): Promise<void> {
    if (!this.isIdle) await new Promise<void>((resolve) => (this.#drained = resolve));
  }

  outstandingMs(): number {
    if (this.isIdle) return 0;
    return this.#platform.clock.nowMs() - (this.#writing ? this.#writingSinceMs : this.#queuedSinceMs);
  }

  append(record: JournalRecord, durable: (() => void) | null, applied: (() => void) | null): void {
    const encoded = measureRecord(record);
    assert(batchLength(encoded.length) <= this.#ring.capacity, "a record is smaller than the journal");
    if (this.#queue.length === 0) this.#queuedSinceMs = this.#platform.clock.nowMs();
    this.#queue.push({ record, encoded, durable, applied });
    this.#pendingBytes += encoded.length;
    this.kick();
  }

  /** A checkpoint no longer needs what lies before `position`. */
  free(position: number): void {
    assert(position >= this.#tail && position <= this.#next.position, "the journal's tail only moves on, up to its head");
    this.#tail = position;
    this.kick();
  }

  /** In a later turn, so that all that one turn's events append goes into one batch. */
  kick(): void {
    if (this.#scheduled || this.#writing || this.#queue.length === 0) return;
    this.#scheduled = true;
    this.#platform.clock.soon(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#writing || this.#queue.length === 0 || !this.#events.mayWrite()) return;
    const batch = this.#takeBatch();
    if (batch.length === 0) return this.#events.full();
    this.#writing = true;
    this.#writingSinceMs = this.#queuedSinceMs;
    if (this.#queue.length > 0) this.#queuedSinceMs = this.#platform.clock.nowMs();
    this.#write(batch).catch((error: unknown) => this.#events.failed(error));
  }

  #takeBatch(): Appended[] {
    const free = this.#ring.capacity - this.usedBytes;
    let bytes = 0;
    let count = 0;
    for (const { encoded } of this.#queue) {
      const length = batchLength(bytes + encoded.length);
      if (length > free || (count > 0 && length > this.#batchMax)) break;
      bytes += encoded.length;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  async #write(batch: readonly Appended[]): Promise<void> {
    let recordBytes = 0;
    for (const { encoded } of batch) recordBytes += encoded.length;
    const length = batchLength(recordBytes);
    if (length > this.#buffer.length) this.#buffer = this.#platform.files.alignedBuffer(length);
    let at = BATCH_HEADER_BYTES;
    for (const { record, encoded } of batch) {
      encodeRecord(this.#buffer, at, record, encoded);
      at += encoded.length;
    }
    const { batch: number, position } = this.#next;
    sealBatch(this.#buffer.subarray(0, length), { journalId: this.#ring.shape.journalId, number, position, length, records: batch.length }, at);
    await this.#ring.write(this.#buffer, length, position);
    this.#next = { batch: number + 1, position: position + length };
    this.#pendingBytes -= recordBytes;
    this.#events.durable(batch);
    this.#writing = false;
    if (this.isIdle) this.#drained?.();
    else this.#pump();
  }
}
