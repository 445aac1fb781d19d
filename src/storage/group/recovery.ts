import { assert } from "../../base/assert.ts";
import { BLOCK_BYTES, BLOCKS_PER_EXTENT, PIECE_BLOCKS_MAX } from "../../base/geometry.ts";
import { compareIds, laterId, NO_ENTRY, sameId, showId, type BlockRange, type EntryHeader, type EntryId, type ExtentKey } from "../../wire/entry.ts";
import { compareExtents, type Tail } from "../../wire/messages.ts";
import type { ReplicaImage } from "../drive/image.ts";
import { wholeChunks } from "./dirty.ts";
import type { Serving } from "./serving.ts";
import type { PeerState } from "./term.ts";

/** Copies sent and not yet durable at the learner: enough to keep its journal busy, little enough not to crowd out hosts' I/O. */
const COPIES_MAX = 4;
/** A range that could not be read is tried again after this. */
const BAD_BLOCK_AGAIN_MS = 5000;
/** R17: a copy for which the learner's drive has no room, likewise. */
const NO_ROOM_AGAIN_MS = 500;
/** Extents in one manifest: the group's writes wait while it is made. */
const MANIFEST_EXTENTS = 16;

/**
 * R9 to R11 at the primary: brings one learner into sync, for one epoch. Nothing is done after `abort`; the next answer to a
 * fence begins anew from what the learner then holds.
 */
export class Recovery {
  readonly peer: PeerState;
  readonly #serving: Serving;
  readonly #add: () => boolean;
  #aborted = false;
  #caughtUp = false;
  #queue: BlockRange[] = [];
  #copying = 0;
  copiedBytes = 0;
  /** Full catch-up: all extents of the group in order, and how far manifests have come; null in a delta catch-up. */
  #extents: ExtentKey[] | null = null;
  #after: ExtentKey | null = null;
  #manifestPending = false;
  #pausedUntilMs = 0;

  constructor(serving: Serving, peer: PeerState, add: () => boolean) {
    this.#serving = serving;
    this.peer = peer;
    this.#add = add;
  }

  get remainingBytes(): number {
    const listed = this.#extents ? this.#extents.filter((key) => this.#after === null || compareExtents(key, this.#after) > 0).length * BLOCKS_PER_EXTENT * BLOCK_BYTES : 0;
    return listed + this.#queue.reduce((sum, range) => sum + range.count * BLOCK_BYTES, 0) + this.#copying * PIECE_BLOCKS_MAX * BLOCK_BYTES;
  }

  start(): void {
    const { peer } = this;
    const { replica, host, term, last } = this.#serving;
    const tail = peer.tail;
    const image = replica.image;
    assert(tail && image, "R9: catch-up begins with the learner's tail");
    const common = newestCommon(tail, image);
    const uncommitted = this.#serving.uncommitted.map(({ entry }) => entry).filter((entry) => compareIds(entry, image.log.last) > 0);
    // The learner's log reaches back to the commit point at least: as a member it is asked for everything after it (R7).
    const committed = this.#serving.committedNow();
    const base = common ? (compareIds(common, committed) < 0 ? common : committed) : image.log.contains(tail.committed) ? tail.committed : image.log.base;
    const entries = [...image.log.after(base), ...uncommitted];
    let dirty: BlockRange[] | null = null;
    if (common) {
      const ours = entries.filter((entry) => compareIds(entry, common) > 0);
      const theirs = [...tail.entries.filter((entry) => compareIds(entry, common) > 0), ...tail.diverged, ...tail.reconciling];
      dirty = wholeChunks([...ours, ...theirs], PIECE_BLOCKS_MAX);
    }
    this.#serving.log.info("bringing a learner into sync", { drive: peer.drive, from: common ? showId(common) : "manifests", ranges: dirty?.length });
    peer.streaming = true;
    term.ask(peer, (shared) => ({ ...shared, type: "catch-up", common: common ?? NO_ENTRY, base, entries, dirty }), () => {});
    if (dirty) this.#queue = [...dirty];
    else {
      this.#extents = host.extentsOf(this.#serving.group);
      for (const { entry } of this.#serving.uncommitted) this.wrote(entry);
    }
    this.#pump();
  }

  abort(): void {
    this.#aborted = true;
  }

  /** A write was assigned: a full catch-up must list the extents that it makes. */
  wrote(range: BlockRange): void {
    if (!this.#extents || range.count === 0) return;
    const { volume, lineage, layer, extent } = range;
    let low = 0;
    let high = this.#extents.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareExtents(this.#extents[middle] as ExtentKey, range) < 0) low = middle + 1;
      else high = middle;
    }
    const at = this.#extents[low];
    if (!at || compareExtents(at, range) !== 0) this.#extents.splice(low, 0, { volume, lineage, layer, extent });
  }

  tick(): void {
    if (this.#aborted) return;
    if (!this.#caughtUp) return this.#pausedUntilMs > 0 ? this.#pump() : undefined;
    if (compareIds(this.peer.acknowledged, this.#serving.committedNow()) >= 0) this.#add();
  }

  #pump(): void {
    if (this.#aborted || this.#serving.ended || this.#serving.host.clock.nowMs() < this.#pausedUntilMs) return;
    this.#pausedUntilMs = 0;
    while (this.#copying < COPIES_MAX && this.#queue.length > 0) this.#copy(this.#queue.shift() as BlockRange);
    if (this.#queue.length > 0 || this.#copying > 0 || this.#manifestPending) return;
    if (this.#extents) return this.#manifest();
    if (!this.#caughtUp) this.#sendCaughtUp();
  }

  /** Read under the range's lock and placed in the ordered stream before any later write of the range. */
  #copy(range: BlockRange): void {
    const { host, term, ranges } = this.#serving;
    this.#copying += 1;
    ranges.lock(range, (release) => {
      void this.#serving.repair.read(range).then(async (read) => {
        if (this.#aborted) return release();
        if (!read?.ok) {
          this.#serving.log.error("blocks cannot be copied to a learner: no member with a good copy of them answers; the learner stays out until then", { ...range, badBlocks: read?.badBlocks });
          this.#copying -= 1;
          this.#queue.push(range);
          this.#pausedUntilMs = host.clock.nowMs() + BAD_BLOCK_AGAIN_MS;
          return release();
        }
        const allocates = await this.#serving.allocation.forCopy(this.peer, range, read.checksums);
        if (this.#aborted) return release();
        if (allocates === null) {
          // Others may free something there.
          this.#copying -= 1;
          this.#queue.push(range);
          this.#pausedUntilMs = host.clock.nowMs() + NO_ROOM_AGAIN_MS;
          return release();
        }
        // Only the locked range: beside it a host may have begun the extent anew, and the learner has that already.
        const version = read.version ?? this.#serving.last;
        const { checksums, data } = read;
        term.ask(this.peer, (shared) => ({ ...shared, type: "copy", allocates, range, version, checksums, data }), () => {
          if (this.#aborted) return;
          this.#copying -= 1;
          this.copiedBytes += data.length;
          host.changed();
          this.#pump();
        });
        release();
      });
    });
  }

  /** R10: the list is made while nothing is in flight, so that it is exact at its place in the stream. */
  #manifest(): void {
    const { host, term, ranges, group } = this.#serving;
    this.#manifestPending = true;
    ranges.closeGate(() => {
      if (this.#aborted) return ranges.openGate();
      const rest = (this.#extents ?? []).filter((key) => this.#after === null || compareExtents(key, this.#after) > 0);
      const keys = rest.slice(0, MANIFEST_EXTENTS);
      const end = rest.length <= MANIFEST_EXTENTS;
      void Promise.all(keys.map(async (key) => ({ key, summary: await host.drive.describe(key) }))).then((described) => {
        if (this.#aborted) return ranges.openGate();
        const extents = described.flatMap(({ key, summary }) => (summary ? [{ key, version: summary.version, digest: summary.digest }] : []));
        const through = end ? null : (keys.at(-1) as ExtentKey);
        const after = this.#after;
        term.ask(this.peer, (shared) => ({ ...shared, type: "manifest", after, through, extents }), (answer) => {
          if (this.#aborted || answer.type !== "differs") return;
          this.#manifestPending = false;
          this.#queue = answer.extents.flatMap(wholeExtent);
          host.log.debug("a manifest was compared", { group, extents: extents.length, different: answer.extents.length });
          this.#pump();
        });
        this.#after = through;
        if (end) this.#extents = null;
        ranges.openGate();
      });
    });
  }

  /** R11b: behind everything that was copied, in the ordered stream. */
  #sendCaughtUp(): void {
    const { term, last, host } = this.#serving;
    const purged = this.#serving.purgedVolumes();
    this.#manifestPending = true;
    term.ask(this.peer, (shared) => ({ ...shared, type: "caught-up", through: last, operations: this.#serving.operationResults(), purged }), () => {
      if (this.#aborted) return;
      this.peer.acknowledged = laterId(this.peer.acknowledged, last);
      this.#caughtUp = true;
      host.changed();
      this.tick();
    });
  }
}

/** R9: the newest entry that the learner holds completely and that this primary's log also has; null = none is known. */
function newestCommon(tail: Tail, image: ReplicaImage): EntryId | null {
  if (tail.damaged) return null;
  const held = tail.entries.filter((entry) => compareIds(entry, tail.completeThrough) <= 0).toReversed();
  for (const id of [...held, tail.completeThrough, tail.committed]) {
    if (compareIds(id, tail.completeThrough) <= 0 && image.log.contains(id)) return { epoch: id.epoch, seq: id.seq };
  }
  return sameId(tail.completeThrough, NO_ENTRY) && sameId(image.log.base, NO_ENTRY) ? NO_ENTRY : null;
}

function wholeExtent(key: ExtentKey): BlockRange[] {
  const pieces: BlockRange[] = [];
  for (let first = 0; first < BLOCKS_PER_EXTENT; first += PIECE_BLOCKS_MAX) pieces.push({ ...key, first, count: PIECE_BLOCKS_MAX });
  return pieces;
}
