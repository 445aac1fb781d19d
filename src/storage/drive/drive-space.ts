import { BLOCK_BYTES } from "../../base/geometry.ts";
import type { Platform, Timer } from "../../platform/platform.ts";
import { EXTENT_OVERHEAD_BLOCKS, type DriveSpace } from "./drive.ts";

/** The filesystem is asked this often; in between, what the extents gained counts. */
const ASK_MS = 10_000;

/** How full a drive is: by its own books, and by what its filesystem says is left. */
export class SpaceBook {
  readonly #platform: Platform;
  readonly #directory: string;
  /** What the filesystem had left when it was asked, and what the books said then. */
  #left: { readonly freeBytes: number; readonly usedBytes: number } | null = null;
  parkedBytes: () => number = () => 0;
  #usedBytes: () => number = () => 0;
  #timer: Timer | null = null;

  constructor(platform: Platform, directory: string) {
    this.#platform = platform;
    this.#directory = directory;
  }

  now(capacityBytes: number, usedBlocks: number, extents: number): DriveSpace {
    const usedBytes = (usedBlocks + extents * EXTENT_OVERHEAD_BLOCKS) * BLOCK_BYTES + this.parkedBytes();
    const left = this.#left ? this.#left.freeBytes - (usedBytes - this.#left.usedBytes) : Infinity;
    return { capacityBytes, usedBytes, freeBytes: Math.max(0, Math.min(capacityBytes - usedBytes, left)) };
  }

  /** Asks the filesystem now, and from then on every 10 s. `usedBytes`: what the books say. */
  async start(usedBytes: () => number): Promise<void> {
    this.#usedBytes = usedBytes;
    this.#again();
    await this.#ask();
  }
  stop(): void {
    this.#timer?.cancel();
  }
  #again(): void {
    this.#timer = this.#platform.clock.timer(ASK_MS, () => {
      void this.#ask();
      this.#again();
    });
  }
  async #ask(): Promise<void> {
    const usedBytes = this.#usedBytes();
    try {
      const { freeBytes } = await this.#platform.files.space(this.#directory);
      this.#left = { freeBytes, usedBytes };
    } catch (error) {
      // The books alone must do; a drive that fails shows elsewhere.
      this.#platform.log.warn("a drive's filesystem does not say how much space is left", { directory: this.#directory, error: String(error) });
    }
  }
}
