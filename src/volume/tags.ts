import { assert } from "../base/assert.ts";

/** Most channels carry a few requests at a time; the table doubles when half full. */
const CAPACITY_MIN = 64;
/** Tags are 32-bit fields of the frame; 0 is never given. */
const TAG_MAX = 0xffffffff;

/**
 * Request numbers of one channel. A number is given once in the channel's life, so a reply to a request that is closed
 * finds nothing and is dropped (R2). Slot of a tag: its low bits; a slot still taken by a slow request is passed over.
 */
export class TagTable<T> {
  #tags = new Uint32Array(CAPACITY_MIN);
  #items: (T | null)[] = new Array<T | null>(CAPACITY_MIN).fill(null);
  #last: number;
  #open = 0;

  /** `last`: the number before the first one given. */
  constructor(last = 0) {
    this.#last = last;
  }
  /** Requests that wait for their reply. */
  get open(): number {
    return this.#open;
  }

  /** The tag for `item`, or 0 when the channel has used up its numbers and must be replaced. */
  take(item: T): number {
    if (this.#open * 2 >= this.#items.length) this.#grow();
    const mask = this.#items.length - 1;
    let tag = this.#last;
    do {
      if (tag === TAG_MAX) return 0;
      tag += 1;
    } while (this.#items[tag & mask] !== null);
    this.#last = tag;
    this.#tags[tag & mask] = tag;
    this.#items[tag & mask] = item;
    this.#open += 1;
    return tag;
  }

  /** Whose reply this is; null when its request is closed. */
  get(tag: number): T | null {
    const slot = tag & (this.#items.length - 1);
    return this.#tags[slot] === tag ? (this.#items[slot] ?? null) : null;
  }

  release(tag: number): void {
    const slot = tag & (this.#items.length - 1);
    assert(this.#tags[slot] === tag && this.#items[slot] !== null, "a tag is released once");
    this.#items[slot] = null;
    this.#open -= 1;
  }

  /** Empties the table and returns what was open, oldest slot first. */
  drain(): T[] {
    const items = this.#items.filter((item) => item !== null);
    this.#items.fill(null);
    this.#open = 0;
    return items;
  }

  #grow(): void {
    const [tags, items] = [this.#tags, this.#items];
    // Two open tags that shared no slot before share none in a table twice the size.
    this.#tags = new Uint32Array(items.length * 2);
    this.#items = new Array<T | null>(items.length * 2).fill(null);
    const mask = this.#items.length - 1;
    for (let slot = 0; slot < items.length; slot += 1) {
      const item = items[slot] ?? null;
      if (item === null) continue;
      const tag = tags[slot] as number;
      this.#tags[tag & mask] = tag;
      this.#items[tag & mask] = item;
    }
  }
}
