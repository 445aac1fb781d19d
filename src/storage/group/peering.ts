import { assert } from "../../base/assert.ts";
import { BLOCK_BYTES, PIECE_BLOCKS_MAX } from "../../base/geometry.ts";
import type { DriveId } from "../../base/ids.ts";
import { groupName } from "../../cluster/schema.ts";
import { compareIds, overlaps, sameId, showId, type BlockRange, type EntryHeader, type EntryId } from "../../wire/entry.ts";
import type { Tail } from "../../wire/messages.ts";
import { sameBlocks, wholeChunks } from "./dirty.ts";
import { goodCopy, readOf, runsOf, type GoodCopy, type Source } from "./good-copy.ts";
import type { GroupHost } from "./host.ts";
import type { Replica } from "./replica.ts";
import type { PeerState, Term } from "./term.ts";

export interface PeeringOutcome {
  /** R7b: these members lost acknowledged data. */
  lost(drives: readonly DriveId[]): void;
  /** Content that reconcile needs could not be read: try again later. */
  stuck(): void;
  /** R7e: all tails are equal and durable. */
  equal(): void;
}

/** Copies of a reconcile are no catch-up. */
const NO_CHUNKS = { first: 0, count: 0 };

/**
 * R7, reconcile, for one epoch: begins when every member has answered the fence, ends with equal logs and contents on all
 * members. `current` turns false when the epoch or the term has ended; nothing is done or sent afterwards.
 */
export class Peering {
  readonly #host: GroupHost;
  readonly #term: Term;
  readonly #replica: Replica;
  readonly #current: () => boolean;
  readonly #outcome: PeeringOutcome;
  /** Ranges with blocks that were bad where they were read. */
  readonly #mended = new Set<BlockRange>();

  constructor(host: GroupHost, term: Term, replica: Replica, current: () => boolean, outcome: PeeringOutcome) {
    this.#host = host;
    this.#term = term;
    this.#replica = replica;
    this.#current = current;
    this.#outcome = outcome;
  }

  start(): void {
    const own = ownTail(this.#replica);
    const tails = new Map<DriveId, OwnTail>([[this.#host.driveId, own]]);
    for (const peer of this.#term.members()) {
      assert(peer.tail, "R7a: every member has answered the fence");
      tails.set(peer.drive, peer.tail);
    }
    const committed = [...tails.values()].map((tail) => tail.committed).reduce((a, b) => (compareIds(a, b) >= 0 ? a : b));
    const lost = [...tails].filter(([, tail]) => lostData(tail, committed)).map(([drive]) => drive);
    if (lost.length > 0) return this.#outcome.lost(lost);

    void this.#adopt(tails, committed);
  }

  /**
   * R7c: the longest tail. When content that it needs is bad on every copy, the next shorter one: what a member that answers
   * does not have was never acknowledged, and one rotten block must not keep a whole group from serving.
   */
  async #adopt(tails: ReadonlyMap<DriveId, OwnTail>, committed: EntryId): Promise<void> {
    // In a round before this one bytes may have been moved already: no copy is as its own log says any more.
    const moved = [...tails.values()].some((tail) => tail.reconciling.length > 0);
    for (const adopter of byLength(tails, this.#host.driveId)) {
      const adopted = after((tails.get(adopter) as OwnTail).entries, committed);
      const common = newestCommon(committed, adopted, [...tails.values()]);
      // A log that begins after the common point cannot be compared; what was acknowledged is on every other member too.
      const unlike = [...tails].filter(([, tail]) => compareIds(tail.base, common) > 0).map(([drive]) => drive);
      if (unlike.length > 0) return this.#outcome.lost(unlike);
      const touched = [...tails.values()].flatMap((tail) => [...after(tail.entries, common), ...tail.reconciling]);
      if (touched.length === 0) return this.#outcome.equal();
      const ranges = wholeChunks(touched, PIECE_BLOCKS_MAX);
      this.#host.log.info("reconciling a group", { group: groupName(this.#replica.group), epoch: this.#term.epoch, adopter, common: showId(common), ranges: ranges.length });
      const alike: Alike = (range) => (block) => !touched.some((other) => overlaps(other, { ...range, first: block, count: 1 }));
      const there = await this.#isThere(adopter, ranges, alike);
      if (!this.#current()) return;
      const tail = adopted.filter((entry) => compareIds(entry, common) > 0);
      if (there === "there") return this.#run(adopter, common, tail, ranges, touched, alike);
      if (there === "silent" || moved) break;
    }
    this.#outcome.stuck();
  }

  /** Before anything is moved: whether all that is to be adopted can be read, from the adopter or from whoever has the same. */
  async #isThere(adopter: DriveId, ranges: readonly BlockRange[], alike: Alike): Promise<"there" | "silent" | "lost"> {
    const from = adopter === this.#host.driveId ? null : this.#term.peers.get(adopter);
    if (from === undefined) return "silent";
    for (const range of ranges) {
      const blocks = await this.#whole(range, from, alike(range), "look");
      if (!this.#current()) return "silent";
      if (typeof blocks === "string") return blocks;
    }
    return "there";
  }

  /** R7d, in its order: mark everywhere, pull from the adopter, push to the others, make the logs equal. */
  #run(adopter: DriveId, common: EntryId, tail: readonly EntryHeader[], ranges: readonly BlockRange[], touched: readonly BlockRange[], alike: Alike): void {
    const members = this.#term.members();
    const adopted = tail.map(({ epoch, seq }) => ({ epoch, seq }));
    // Not the blocks beside them: those are alike, and stay so in a round that begins anew.
    const marked = sameBlocks(touched);
    const mark = (then: () => void): void => {
      const done = countdown(members.length + 1, then);
      this.#host.drive.append({ type: "mark", group: this.#replica.group, ranges: marked }, () => this.#ifCurrent(done));
      for (const peer of members) this.#ask(peer, (shared) => ({ ...shared, type: "mark", ranges: marked, common, adopted }), done);
    };
    mark(() => {
      const pulled = adopter === this.#host.driveId ? Promise.resolve(true) : this.#pull(adopter, common, tail, ranges, alike);
      void pulled.then((whole) => {
        if (!this.#current()) return;
        if (!whole) return this.#outcome.stuck();
        void this.#push(adopter, common, tail, ranges, alike).then((pushed) => {
          if (!this.#current()) return;
          if (pushed) this.#outcome.equal();
          else this.#outcome.stuck();
        });
      });
    });
  }

  /** Content and entries of the adopter become this drive's. What only this drive had is parked first. */
  async #pull(adopter: DriveId, common: EntryId, tail: readonly EntryHeader[], ranges: readonly BlockRange[], alike: Alike): Promise<boolean> {
    const peer = this.#term.peers.get(adopter);
    const image = this.#replica.image;
    if (!peer || !image) return false;
    const strangers = image.log.after(common).filter((entry) => !tail.some((adopted) => sameId(adopted, entry)));
    for (const range of ranges) {
      const blocks = await this.#whole(range, peer, alike(range), "move");
      if (typeof blocks === "string" || !this.#current()) return false;
      const ids = strangers.filter((entry) => entry.count > 0 && overlaps(entry, range));
      if (ids.length > 0) await this.#host.drive.park(image.group, range, "written here, but not adopted by the group", ids);
      if (!this.#current()) return false;
      for (const part of partsOf(range, blocks)) this.#host.drive.append({ type: "copy", group: image.group, lost: false, ...part });
    }
    return new Promise((resolve) => {
      if (!this.#replica.adoptLog(common, tail, () => resolve(this.#current()))) resolve(false);
    });
  }

  async #push(adopter: DriveId, common: EntryId, tail: readonly EntryHeader[], ranges: readonly BlockRange[], alike: Alike): Promise<boolean> {
    const members = this.#term.members();
    const others = members.filter((peer) => peer.drive !== adopter);
    for (const range of ranges) {
      const blocks = await this.#whole(range, null, alike(range), "move");
      if (typeof blocks === "string" || !this.#current()) return false;
      // R25: what was bad at the adopter, too, is written there anew.
      const to = this.#mended.has(range) ? members : others;
      for (const part of partsOf(range, blocks)) {
        if (blocks.mended.length > 0) this.#host.drive.append({ type: "copy", group: this.#replica.group, lost: false, ...part });
        if (!(await this.#all(to, (shared) => ({ ...shared, type: "copy", allocates: 0, lost: false, ...part, clean: NO_CHUNKS })))) return false;
      }
    }
    return this.#all(others, (shared) => ({ ...shared, type: "adopt", common, entries: tail }));
  }

  /** The range as `from` has it (null: this drive), its bad blocks from whoever has the same ones (R25); or why there is none: nobody has them, or not all have answered. */
  async #whole(range: BlockRange, from: PeerState | null, alike: (block: number) => boolean, why: "look" | "move"): Promise<GoodCopy | "silent" | "lost"> {
    const own: Source = (at) => this.#host.drive.read(at);
    const others = this.#term.members().filter((peer) => peer !== from).map((peer) => this.#source(peer));
    const copy = await goodCopy(range, from ? this.#source(from) : own, from ? [own, ...others] : others, alike);
    const drive = from?.drive ?? this.#host.driveId;
    // Who only looks comes again to move it: nothing is told twice.
    if (copy.mended.length > 0 && why === "move") {
      this.#mended.add(range);
      this.#host.damage.found("repaired", drive, this.#replica.group, range, copy.mended);
    }
    // What is bad on all copies and was touched by none of their logs is bad on all of them afterwards, too: no reason not to serve the rest.
    const missing = copy.lost.filter((block) => !alike(block));
    if (missing.length === 0 && !copy.silent) {
      if (copy.lost.length > 0 && why === "move") this.#host.damage.found("lost", drive, this.#replica.group, range, copy.lost);
      return copy;
    }
    this.#host.log.error("blocks that reconcile needs are bad on the copy that it adopts, and no other copy has the same", { group: groupName(this.#replica.group), drive, volume: range.volume, extent: range.extent, blocks: missing.slice(0, 16) });
    return copy.silent ? "silent" : "lost";
  }

  #all(peers: readonly PeerState[], make: Parameters<Term["ask"]>[1]): Promise<boolean> {
    if (peers.length === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const done = countdown(peers.length, () => resolve(this.#current()));
      for (const peer of peers) this.#ask(peer, make, done);
    });
  }

  #source(peer: PeerState): Source {
    return (range) => new Promise((resolve) => this.#term.ask(peer, (shared) => ({ ...shared, type: "fetch", range, content: true }), (message) => resolve(readOf(message))));
  }

  #ask(peer: PeerState, make: Parameters<Term["ask"]>[1], done: () => void): void {
    this.#term.ask(peer, make, () => this.#ifCurrent(done));
  }
  #ifCurrent(run: () => void): void {
    if (this.#current()) run();
  }
}

/** What of the range there is to copy: all but the blocks that are lost. */
function partsOf(range: BlockRange, { lost, version, checksums, data }: GoodCopy): { range: BlockRange; version: GoodCopy["version"]; checksums: Uint32Array; data: Buffer }[] {
  return runsOf(range, (block) => !lost.includes(block)).map((run) => {
    const from = run.first - range.first;
    const content = data.length === 0 ? data : data.subarray(from * BLOCK_BYTES, (from + run.count) * BLOCK_BYTES);
    return { range: run, version, checksums: checksums.slice(from, from + run.count), data: content };
  });
}

type Alike = (range: BlockRange) => (block: number) => boolean;
interface OwnTail {
  readonly damaged: boolean;
  readonly incomplete: boolean;
  readonly committed: EntryId;
  readonly base: EntryId;
  readonly last: EntryId;
  readonly entries: readonly EntryHeader[];
  readonly reconciling: readonly BlockRange[];
}

function ownTail(replica: Replica): OwnTail {
  const image = replica.image;
  assert(image, "a primary has a replica");
  const { damaged, incomplete, committed, log, reconciling } = image;
  return { damaged, incomplete, committed, base: log.base, last: log.last, entries: log.after(committed), reconciling };
}

/** R7b. A tail that passes over the commit point without containing it is another history: no member can have one. */
function lostData(tail: OwnTail, committed: EntryId): boolean {
  if (tail.damaged || tail.incomplete || compareIds(tail.last, committed) < 0) return true;
  return compareIds(tail.committed, committed) < 0 && !sameId(tail.base, committed) && !tail.entries.some((entry) => sameId(entry, committed));
}

/** The longest tail first, this drive's own before others as long; of those that are the same only one. */
function byLength(tails: ReadonlyMap<DriveId, OwnTail>, self: DriveId): DriveId[] {
  const all = [...tails].sort(([a, one], [b, other]) => compareIds(other.last, one.last) || Number(b === self) - Number(a === self));
  return all.filter(([, { last }], at) => all.findIndex(([, other]) => sameId(other.last, last)) === at).map(([drive]) => drive);
}

function after(entries: readonly EntryHeader[], id: EntryId): EntryHeader[] {
  return entries.filter((entry) => compareIds(entry, id) > 0);
}

function newestCommon(committed: EntryId, adopted: readonly EntryHeader[], tails: readonly OwnTail[]): EntryId {
  let common = committed;
  for (const entry of adopted) {
    if (!tails.every((tail) => tail.entries.some((other) => sameId(other, entry)))) break;
    common = { epoch: entry.epoch, seq: entry.seq };
  }
  return common;
}

function countdown(count: number, done: () => void): () => void {
  let left = count;
  return () => {
    left -= 1;
    if (left === 0) done();
  };
}
