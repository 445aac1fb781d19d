import { BLOCK_BYTES } from "../base/geometry.ts";
import type { Channel, Credits } from "../wire/messages.ts";
import type { Drive } from "./drive/drive.ts";

/** R17: no credit reaches into the last twentieth of a drive; it is there for what one cannot count beforehand. */
const RESERVE_SHARE = 0.05;
/** Credits that one caller may hold unspent: enough for its writes until the next reply, and little to lie idle with each of many callers. */
const GRANT_BLOCKS_MIN = 4096;
const GRANT_BLOCKS_MAX = 65536;
const GRANT_SHARE = 1 / 256;
/** While there is room for it at all, a grant is enough for one command. */
const GRANT_SMALLEST = 512;

/** What another drive's primaries may allocate here; in blocks, since the channel was opened. */
interface Grant {
  received: number;
  settled: number;
  limit: number;
}
/** What this drive's primaries may allocate on another drive. */
interface Purse {
  spent: number;
  known: Credits | null;
}
export type Room = "room" | "wait" | "full";

/**
 * R17 for one drive, all its groups together. As a replica it grants credits: for each channel a running total of blocks that may be
 * charged to it, so that what was granted, what is on its way and what lies here never exceed the limit. As a primary it spends: its
 * own space, and what each member has granted. What a write allocates is charged beforehand, rather too much than too little.
 */
export class Space {
  readonly #drive: Drive;
  readonly #grants = new Map<Channel, Grant>();
  readonly #purses = new WeakMap<Channel, Purse>();
  /** Charged to this drive and not applied yet: by its own primaries, and in all. */
  #ownPending = 0;
  #pending = 0;

  constructor(drive: Drive) {
    this.#drive = drive;
  }

  /** Blocks that are neither used nor promised to anybody. */
  get freeBlocks(): number {
    const { capacityBytes, freeBytes } = this.#drive.space();
    let promised = this.#pending;
    for (const { limit, received } of this.#grants.values()) promised += Math.max(0, limit - received);
    return Math.max(0, Math.floor((freeBytes - capacityBytes * RESERVE_SHARE) / BLOCK_BYTES) - promised);
  }

  // ---- as a replica ----

  /** A message that was charged with `blocks` has come; what is returned is called when its content is applied, or is not going to be. */
  take(channel: Channel, blocks: number): () => void {
    const grant = this.#grant(channel);
    grant.received += blocks;
    this.#pending += blocks;
    return () => {
      this.#pending -= blocks;
      grant.settled += blocks;
    };
  }
  /** For a reply on the channel: raises the caller's limit as far as there is room. */
  credits(channel: Channel): Credits {
    const grant = this.#grant(channel);
    const { capacityBytes } = this.#drive.space();
    const wanted = Math.min(GRANT_BLOCKS_MAX, Math.max(GRANT_BLOCKS_MIN, Math.floor((capacityBytes / BLOCK_BYTES) * GRANT_SHARE)));
    const free = this.freeBlocks;
    const share = Math.min(free, Math.max(GRANT_SMALLEST, Math.floor(free / 2)));
    const unspent = Math.max(0, grant.limit - grant.received);
    if (unspent < wanted) grant.limit = grant.received + Math.min(wanted, unspent + share);
    return { limit: grant.limit, settled: grant.settled };
  }
  closed(channel: Channel): void {
    this.#grants.delete(channel);
  }
  #grant(channel: Channel): Grant {
    let grant = this.#grants.get(channel);
    if (!grant) this.#grants.set(channel, (grant = { received: 0, settled: 0, limit: 0 }));
    return grant;
  }

  // ---- as a primary ----

  granted(channel: Channel, credits: Credits): void {
    this.#purse(channel).known = credits;
  }
  /** Something that may allocate `blocks` is sent on the channel, whether there is credit for it or not. */
  charge(channel: Channel, blocks: number): void {
    this.#purse(channel).spent += blocks;
  }
  /** This drive's own part; what is returned is called when the content is applied. */
  use(blocks: number): () => void {
    this.#pending += blocks;
    this.#ownPending += blocks;
    return () => {
      this.#pending -= blocks;
      this.#ownPending -= blocks;
    };
  }
  /** `wait`: not yet, or not as long as something is on its way there that may prove to need less. */
  roomAt(channel: Channel | null, blocks: number): Room {
    const purse = channel && this.#purse(channel);
    if (!purse?.known) return "wait";
    if (purse.spent + blocks <= purse.known.limit) return "room";
    return purse.known.settled < purse.spent ? "wait" : "full";
  }
  roomHere(blocks: number): Room {
    if (blocks <= this.freeBlocks) return "room";
    return this.#ownPending > 0 ? "wait" : "full";
  }
  #purse(channel: Channel): Purse {
    let purse = this.#purses.get(channel);
    if (!purse) this.#purses.set(channel, (purse = { spent: 0, known: null }));
    return purse;
  }
}
