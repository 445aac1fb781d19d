import { assert } from "../../base/assert.ts";
import { PIECE_BLOCKS_MAX } from "../../base/geometry.ts";
import type { DriveId } from "../../base/ids.ts";
import { groupName } from "../../cluster/schema.ts";
import { compareIds, overlaps, sameId, showId, type BlockRange, type EntryHeader, type EntryId } from "../../wire/entry.ts";
import type { Blocks, Message, Tail } from "../../wire/messages.ts";
import { wholeChunks } from "./dirty.ts";
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

  constructor(host: GroupHost, term: Term, replica: Replica, current: () => boolean, outcome: PeeringOutcome) {
    this.#host = host;
    this.#term = term;
    this.#replica = replica;
    this.#current = current;
    this.#outcome = outcome;
  }

  start(): void {
    const own = ownTail(this.#replica);
    const tails = new Map<DriveId, Tail | OwnTail>([[this.#host.driveId, own]]);
    for (const peer of this.#term.members()) {
      assert(peer.tail, "R7a: every member has answered the fence");
      tails.set(peer.drive, peer.tail);
    }
    const committed = [...tails.values()].map((tail) => tail.committed).reduce((a, b) => (compareIds(a, b) >= 0 ? a : b));
    const lost = [...tails].filter(([, tail]) => lostData(tail, committed)).map(([drive]) => drive);
    if (lost.length > 0) return this.#outcome.lost(lost);

    // R7c: the longest tail; this drive's own when there are several.
    let adopter = this.#host.driveId;
    for (const [drive, tail] of tails) if (compareIds(tail.last, (tails.get(adopter) as OwnTail).last) > 0) adopter = drive;
    const adopted = after((tails.get(adopter) as OwnTail).entries, committed);
    const common = newestCommon(committed, adopted, [...tails.values()]);
    // A log that begins after the common point cannot be compared; what was acknowledged is on every other member too.
    const unlike = [...tails].filter(([, tail]) => compareIds(tail.base, common) > 0).map(([drive]) => drive);
    if (unlike.length > 0) return this.#outcome.lost(unlike);
    const touched = [...tails.values()].flatMap((tail) => [...after(tail.entries, common), ...tail.reconciling]);
    if (touched.length === 0) return this.#outcome.equal();
    const ranges = wholeChunks(touched, PIECE_BLOCKS_MAX);
    this.#host.log.info("reconciling a group", { group: groupName(this.#replica.group), epoch: this.#term.epoch, adopter, common: showId(common), ranges: ranges.length });
    const tail = adopted.filter((entry) => compareIds(entry, common) > 0);
    this.#run(adopter, common, tail, ranges);
  }

  /** R7d, in its order: mark everywhere, pull from the adopter, push to the others, make the logs equal. */
  #run(adopter: DriveId, common: EntryId, tail: readonly EntryHeader[], ranges: readonly BlockRange[]): void {
    const members = this.#term.members();
    const others = members.filter((peer) => peer.drive !== adopter);
    const adopted = tail.map(({ epoch, seq }) => ({ epoch, seq }));
    const mark = (then: () => void): void => {
      const done = countdown(members.length + 1, then);
      this.#host.drive.append({ type: "mark", group: this.#replica.group, ranges }, () => this.#ifCurrent(done));
      for (const peer of members) this.#ask(peer, (shared) => ({ ...shared, type: "mark", ranges, common, adopted }), done);
    };
    mark(() => {
      const pulled = adopter === this.#host.driveId ? Promise.resolve(true) : this.#pull(adopter, common, tail, ranges);
      void pulled.then((whole) => {
        if (!this.#current()) return;
        if (!whole) return this.#outcome.stuck();
        void this.#push(others, common, tail, ranges).then((pushed) => {
          if (!this.#current()) return;
          if (pushed) this.#outcome.equal();
          else this.#outcome.stuck();
        });
      });
    });
  }

  /** Content and entries of the adopter become this drive's. What only this drive had is parked first. */
  async #pull(adopter: DriveId, common: EntryId, tail: readonly EntryHeader[], ranges: readonly BlockRange[]): Promise<boolean> {
    const peer = this.#term.peers.get(adopter);
    const image = this.#replica.image;
    if (!peer || !image) return false;
    const strangers = image.log.after(common).filter((entry) => !tail.some((adopted) => sameId(adopted, entry)));
    for (const range of ranges) {
      const blocks = await this.#fetch(peer, range);
      if (!blocks || !this.#current()) return false;
      const ids = strangers.filter((entry) => entry.count > 0 && overlaps(entry, range));
      if (ids.length > 0) await this.#host.drive.park(image.group, range, "written here, but not adopted by the group", ids);
      if (!this.#current()) return false;
      const { version, checksums, data } = blocks;
      this.#host.drive.append({ type: "copy", group: image.group, range, version, checksums, data });
    }
    return new Promise((resolve) => {
      if (!this.#replica.adoptLog(common, tail, () => resolve(this.#current()))) resolve(false);
    });
  }

  async #push(others: readonly PeerState[], common: EntryId, tail: readonly EntryHeader[], ranges: readonly BlockRange[]): Promise<boolean> {
    if (others.length === 0) return true;
    for (const range of ranges) {
      const read = await this.#host.drive.read(range);
      if (!this.#current()) return false;
      if (!read.ok) {
        this.#host.log.error("a block needed by reconcile does not match its checksum; the group waits for a copy that has it", { range });
        return false;
      }
      const { version, checksums, data } = read;
      if (!(await this.#all(others, (shared) => ({ ...shared, type: "copy", range, version, checksums, data, clean: NO_CHUNKS })))) return false;
    }
    return this.#all(others, (shared) => ({ ...shared, type: "adopt", common, entries: tail }));
  }

  #all(peers: readonly PeerState[], make: Parameters<Term["ask"]>[1]): Promise<boolean> {
    return new Promise((resolve) => {
      const done = countdown(peers.length, () => resolve(this.#current()));
      for (const peer of peers) this.#ask(peer, make, done);
    });
  }

  #fetch(peer: PeerState, range: BlockRange): Promise<Blocks | null> {
    return new Promise((resolve) => {
      this.#term.ask(peer, (shared) => ({ ...shared, type: "fetch", range }), (message: Message) => {
        if (message.type !== "fetched" || !message.ok) {
          this.#host.log.error("the copy that reconcile adopts has a bad block; the group waits", { range });
          return resolve(null);
        }
        resolve(message);
      });
    });
  }

  #ask(peer: PeerState, make: Parameters<Term["ask"]>[1], done: () => void): void {
    this.#term.ask(peer, make, () => this.#ifCurrent(done));
  }
  #ifCurrent(run: () => void): void {
    if (this.#current()) run();
  }
}

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
