import { write, writeSync } from "node:fs";
import { bootTimeMs } from "./ffi.ts";

/**
 * Lines that the descriptor has not taken yet are kept up to this size and then dropped: a log that cannot be written must neither
 * stop the event loop nor fill the memory.
 */
const UNWRITTEN_CHARACTERS_MAX = 2 * 1024 * 1024;
/** One write call: large enough for a burst, small enough for a pipe to take soon. */
const WRITE_CHARACTERS_MAX = 64 * 1024;
/** A non-blocking pipe that is full says EAGAIN; its reader is given this long. */
const RETRY_MS = 50;
/** What the last write gets to end by itself before the process does. */
const LAST_WRITE_MS = 20;
/** A write that has waited this long is stuck, and waiting for it would keep a broken process alive. */
const STUCK_MS = 1000;

/** Writes lines to a descriptor through the thread pool, one write at a time, in order. */
export class LineWriter {
  readonly #fd: number;
  readonly #retry: () => void;
  #lines: string[] = [];
  #characters = 0;
  #dropped = 0;
  // What is being written, and since when.
  #current: Buffer | null = null;
  #sinceMs = 0;

  constructor(fd: number) {
    this.#fd = fd;
    this.#retry = () => this.#write();
  }

  /** `line` ends with a line feed. */
  write(line: string): void {
    if (this.#characters + line.length > UNWRITTEN_CHARACTERS_MAX) {
      this.#dropped++;
      return;
    }
    this.#lines.push(line);
    this.#characters += line.length;
    if (this.#current === null) this.#next();
  }

  /** Writes what is left, waiting for it; for the moments before the process ends. Gives up when the descriptor is stuck. */
  flush(): void {
    if (this.#current !== null) {
      if (bootTimeMs() - this.#sinceMs > STUCK_MS) return;
      // That write is on another thread, whose end cannot be seen from here without the event loop.
      Bun.sleepSync(LAST_WRITE_MS);
    }
    try {
      while (this.#characters > 0) {
        let left = this.#take();
        while (left.length > 0) left = left.subarray(writeSync(this.#fd, left));
      }
    } catch {
      // Nobody is left to read it.
    }
  }

  #next(): void {
    if (this.#characters === 0) return;
    this.#current = this.#take();
    this.#sinceMs = bootTimeMs();
    this.#write();
  }

  #write(): void {
    write(this.#fd, this.#current as Buffer, (error, count) => {
      if (error?.code === "EAGAIN" || error?.code === "EINTR") return void setTimeout(this.#retry, RETRY_MS);
      const left = error ? null : (this.#current as Buffer).subarray(count);
      if (left !== null && left.length > 0) {
        this.#current = left;
        return this.#write();
      }
      // An error means that nobody reads any more, which is no reason to stop serving.
      this.#current = null;
      this.#next();
    });
  }

  #take(): Buffer {
    let count = 0;
    let characters = 0;
    while (count < this.#lines.length && (count === 0 || characters < WRITE_CHARACTERS_MAX)) characters += (this.#lines[count++] as string).length;
    const text = this.#lines.splice(0, count).join("");
    this.#characters -= characters;
    const dropped = this.#dropped;
    this.#dropped = 0;
    return Buffer.from(dropped === 0 ? text : `${text}{"level":"warn","message":"${dropped} log lines were dropped: they could not be written in time"}\n`);
  }
}
