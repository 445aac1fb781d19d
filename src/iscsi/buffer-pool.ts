/** Below it a fresh buffer costs less than keeping one. */
const POOLED_BYTES_MIN = 65536;
/** What lies unused is at most this: some transfers of 1 MiB of all sessions together. */
const IDLE_BYTES_MAX = 32 * 1024 * 1024;

/**
 * Buffers for large writes, used again: fresh memory of a MiB costs its page faults at every command, and waits for the
 * garbage collector afterwards.
 */
export class BufferPool {
  /** By size, which is a power of two. */
  readonly #idle = new Map<number, Buffer[]>();
  #idleBytes = 0;

  /** `bytes` bytes of anything. */
  take(bytes: number): Buffer {
    if (bytes < POOLED_BYTES_MIN) return Buffer.allocUnsafe(bytes);
    const size = sizeFor(bytes);
    const buffer = this.#idle.get(size)?.pop();
    if (buffer === undefined) return Buffer.allocUnsafeSlow(size).subarray(0, bytes);
    this.#idleBytes -= size;
    return buffer.subarray(0, bytes);
  }

  /** Gives back what `take` returned. Nobody may write to it or read from it any more. */
  give(buffer: Buffer): void {
    const size = buffer.buffer.byteLength;
    if (buffer.length < POOLED_BYTES_MIN || size !== sizeFor(buffer.length) || this.#idleBytes + size > IDLE_BYTES_MAX) return;
    let idle = this.#idle.get(size);
    if (idle === undefined) this.#idle.set(size, (idle = []));
    idle.push(Buffer.from(buffer.buffer, 0, size));
    this.#idleBytes += size;
  }
}

function sizeFor(bytes: number): number {
  return 2 ** Math.ceil(Math.log2(bytes));
}
