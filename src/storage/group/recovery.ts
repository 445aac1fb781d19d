import { assert } from "../../base/assert.ts";
import { BLOCK_BYTES, BLOCKS_PER_EXTENT } from "../../base/geometry.ts";
import { compareIds, laterId, NO_ENTRY, showId, type BlockRange, type EntryId, type ExtentKey } from "../../wire/entry.ts";
import { compareExtents } from "../../wire/messages.ts";
import { newestCommon } from "./common-point.ts";
import { blockDigest } from "./digests.ts";
import type { ForLearner } from "./repair.ts";
import type { Serving } from "./serving.ts";
import type { PeerState } from "./term.ts";
import { ToCopy, type Span } from "./to-copy.ts";

/** Copied and not yet durable at the learner: enough to keep its journal busy, little enough not to crowd out hosts' I/O. */
const COPYING_BYTES_MAX = 4 * 1024 * 1024;
/** Likewise in spans, when each is a few scattered blocks: each holds a lock and some reads. */
const COPYING_SPANS_MAX = 32;
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
  /** Spans for which the learner's drive had no room. */
  readonly #withoutRoom: Span[] = [];
  #aborted = false;
  #caughtUp = false;
  readonly #toCopy = new ToCopy();
  /** Spans locked, read or on their way, and their bytes. */
  #copying = 0;
  #copyingBytes = 0;
  copiedBytes = 0;
  #hasTold = false;
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
    return listed + this.#toCopy.blockCount * BLOCK_BYTES;
  }

  start(): void {
    const { peer } = this;
    const { replica, host, term, last } = this.#serving;
    const tail = peer.tail;
    const image = replica.image;
    assert(tail && image, "R9: catch-up begins with the learner's tail");
    const common = newestCommon(tail, image);
    const uncommitted = this.#serving.uncommitted.map(({ entry }) => entry).filter((entry) => compareIds(entry, image.log.last) > 0);
    // All of the log that there is: it reaches back to the commit point, after which R7 asks a member for everything, and it tells
    // whoever becomes primary of what was acknowledged of late (R15, X37), though the learner was a member then.
    const { base } = image.log;
    const inLog = common !== null && image.log.contains(common);
    const entries = [...image.log.after(base), ...uncommitted];
    if (common) {
      // All of it, wherever the log that is sent begins.
      const ours = [...image.log.after(common), ...uncommitted];
      const theirs = [...tail.entries.filter((entry) => compareIds(entry, common) > 0), ...tail.diverged, ...tail.reconciling];
      for (const range of [...ours, ...theirs]) this.#toCopy.add(range);
      // What the log has let go of since the copy left.
      if (!inLog) for (const range of image.changes.after(common)) this.#toCopy.add(range);
    }
    const dirty = common ? this.#toCopy.dirtyRanges() : null;
    this.#serving.log.info("bringing a learner into sync", { drive: peer.drive, from: common ? showId(common) : "manifests", blocks: common ? this.#toCopy.blockCount : undefined });
    peer.streaming = true;
    term.ask(peer, (shared) => ({ ...shared, type: "catch-up", common: common ?? NO_ENTRY, base, entries, dirty }), () => {});
    if (!common) {
      this.#extents = host.extentsOf(this.#serving.group);
      for (const { entry } of this.#serving.uncommitted) this.wrote(entry);
    }
    this.#pump();
  }

  abort(): void {
    if (!this.#aborted) this.#told("bringing a learner into sync ended early");
    this.#aborted = true;
  }

  /** A write was assigned: the learner skips it where it is dirty, and a full catch-up must list the extents that it makes. */
  wrote(range: BlockRange): void {
    this.#toCopy.wrote(range, this.#serving.last);
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
    if (compareIds(this.peer.acknowledged, this.#serving.committedNow()) >= 0 && this.#add()) this.#told("the learner holds everything and becomes a member");
  }

  /** Once, however it ends. */
  #told(message: string): void {
    if (this.#hasTold) return;
    this.#hasTold = true;
    this.#serving.log.info(message, { drive: this.peer.drive, copiedBytes: this.copiedBytes });
  }

  #pump(): void {
    if (this.#aborted || this.#serving.ended || this.#serving.host.clock.nowMs() < this.#pausedUntilMs) return;
    this.#pausedUntilMs = 0;
    while (this.#copying < COPYING_SPANS_MAX && this.#copyingBytes < COPYING_BYTES_MAX) {
      const span = this.#toCopy.take();
      if (!span) {
        if (this.#withoutRoom.length > 0) this.#pausedUntilMs = this.#serving.host.clock.nowMs() + NO_ROOM_AGAIN_MS;
        for (const refused of this.#withoutRoom.splice(0)) this.#toCopy.giveBack(refused);
        break;
      }
      this.#copy(span);
    }
    if (!this.#toCopy.isEmpty || this.#copying > 0 || this.#manifestPending) return;
    if (this.#extents) return this.#manifest();
    if (!this.#caughtUp) this.#sendCaughtUp();
  }

  /** Read under the span's lock and placed in the ordered stream before any later write of it. */
  #copy(span: Span): void {
    const { host, ranges } = this.#serving;
    const reservedBytes = this.#toCopy.wanted(span).ranges.reduce((sum, range) => sum + range.count * BLOCK_BYTES, 0);
    this.#copying += 1;
    this.#copyingBytes += reservedBytes;
    ranges.lock(span, (release) => {
      if (this.#aborted) return release();
      const { ranges: wanted, held, bringsVersion } = this.#toCopy.wanted(span);
      void Promise.all(wanted.map(async (range) => ({ range, read: await this.#serving.repair.forLearner(range) }))).then(async (found) => {
        if (this.#aborted) return release();
        const pieces: Piece[] = [];
        for (const { range, read } of found) {
          if (!read) {
            this.#serving.log.error("blocks cannot be copied to a learner: they are bad here, and a member that may have them does not answer; the learner stays out until then", { ...range });
            this.#copying -= 1;
            this.#copyingBytes -= reservedBytes;
            this.#toCopy.giveBack(span);
            this.#pausedUntilMs = host.clock.nowMs() + BAD_BLOCK_AGAIN_MS;
            return release();
          }
          pieces.push(...piecesOf(range, read, held));
          // The learner holds the same content under another version.
          if (bringsVersion && pieces.length === 0) pieces.push(pieceOf(range, read, 0, 1));
        }
        // R17: a learner is not filled beyond its limit. What frees something there may come first.
        const charges = await this.#serving.allocation.forCopies(this.peer, pieces);
        if (this.#aborted) return release();
        if (charges) this.#send(span, pieces, charges, reservedBytes);
        else {
          this.#copying -= 1;
          this.#copyingBytes -= reservedBytes;
          this.#withoutRoom.push(span);
          this.#pump();
        }
        release();
      });
    });
  }

  /** The last copy of the span cleans its chunks; all of them are in the stream at once. */
  #send(span: Span, pieces: readonly Piece[], charges: readonly number[], reservedBytes: number): void {
    const { host, term, last } = this.#serving;
    const { first, count } = span;
    const all = pieces.length > 0 ? pieces : [{ range: { ...span, count: 0 }, version: null, checksums: new Uint32Array(0), data: Buffer.alloc(0), lost: false }];
    const bytes = all.reduce((sum, { data }) => sum + data.length, 0);
    const versions = all.map(({ version }) => this.#toCopy.version(span, version, last));
    this.#toCopy.copied(span, pieces.length);
    let left = all.length;
    const settled = (): void => {
      left -= 1;
      if (left > 0 || this.#aborted) return;
      this.#copying -= 1;
      this.#copyingBytes -= reservedBytes;
      this.copiedBytes += bytes;
      host.changed();
      this.#pump();
    };
    for (const [index, { range, checksums, data, lost }] of all.entries()) {
      const clean = index === all.length - 1 ? { first, count } : { first: 0, count: 0 };
      if (this.peer.channel) host.space.charge(this.peer.channel, charges[index] ?? 0);
      // Where the primary has no such extent any more: only these blocks, since beside them a host may have begun it anew.
      term.ask(this.peer, (shared) => ({ ...shared, type: "copy", allocates: charges[index] ?? 0, lost, range, version: versions[index] ?? last, checksums, data, clean }), settled);
    }
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
          for (const { key, held } of answer.extents) this.#toCopy.differs(key, held);
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

interface Piece {
  readonly range: BlockRange;
  readonly version: EntryId | null;
  readonly checksums: Uint32Array;
  readonly data: Buffer;
  /** R25: the learner records their checksums and nothing else. */
  readonly lost: boolean;
}

/** Runs of what was read: written, never written and lost ones apart; what the learner holds already is left out. */
function piecesOf(range: BlockRange, read: ForLearner, held: BigUint64Array | null): Piece[] {
  const pieces: Piece[] = [];
  for (let from = 0; from < range.count; ) {
    let to = from;
    const kind = kindOf(range, read, from);
    while (to < range.count && kindOf(range, read, to) === kind && !(held && kind !== "lost" && blockDigest(read, to) === (held[range.first + to] ?? 0n))) to += 1;
    if (to > from) pieces.push(pieceOf(range, read, from, to));
    from = Math.max(to, from + 1);
  }
  return pieces;
}
function kindOf(range: BlockRange, { checksums, lost }: ForLearner, i: number): "lost" | "written" | "unwritten" {
  return lost.includes(range.first + i) ? "lost" : checksums[i] === 0 ? "unwritten" : "written";
}
function pieceOf(range: BlockRange, read: ForLearner, from: number, to: number): Piece {
  const { version, checksums, data } = read;
  const part = checksums.subarray(from, to);
  const lost = kindOf(range, read, from) === "lost";
  const written = !lost && data.length > 0 && part.some((checksum) => checksum !== 0);
  return { lost, range: { ...range, first: range.first + from, count: to - from }, version, checksums: part, data: written ? data.subarray(from * BLOCK_BYTES, to * BLOCK_BYTES) : Buffer.alloc(0) };
}
