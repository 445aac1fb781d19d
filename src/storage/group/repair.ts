import { BLOCK_BYTES, BLOCKS_PER_EXTENT, PIECE_BLOCKS_MAX } from "../../base/geometry.ts";
import { sameExtent, type BlockRange, type ExtentKey } from "../../wire/entry.ts";
import { BY_NOBODY, type Fetched, type Message } from "../../wire/messages.ts";
import type { BlockRead } from "../drive/drive.ts";
import { goodCopy, readOf, runsOf, type GoodCopy, type Source } from "./good-copy.ts";
import type { Serving } from "./serving.ts";
import type { PeerState } from "./term.ts";

/** A member that has a channel and says nothing for this long will not answer any more; R4 takes care of it. */
const ANSWER_MAX_MS = 10_000;
/** Extents whose checksums were lost and that wait to be repaired as a whole; more are found again when they are read. */
const WHOLE_EXTENTS_MAX = 256;

interface Question {
  readonly peer: PeerState;
  readonly untilMs: number;
  readonly end: (message: Message | null) => void;
}
/** `lost`: blocks that no member has, though all of them have answered; their checksums are those that they should have, 0 = not known. */
export type ForLearner = Extract<BlockRead, { ok: true }> & { readonly lost: readonly number[] };
/** `again`: something was put right here, and may be looked at anew. `silent`: a member did not answer. */
export type Outcome = "done" | "again" | "lost" | "silent";

/**
 * R25 at the primary, for one term: bad blocks are fetched from a member under the range's lock, while nothing is being written
 * there, and written back as an entry, so that all copies get it. Members are asked; learners are no source.
 */
export class Repair {
  readonly #serving: Serving;
  readonly #questions = new Set<Question>();
  /** Reads and merges that need a member which does not answer now; tried again with the next tick. */
  #waiting: (() => void)[] = [];
  readonly #extents: ExtentKey[] = [];
  #mending: ExtentKey | null = null;

  constructor(serving: Serving) {
    this.#serving = serving;
  }

  /** For a read that met bad blocks: it is worth reading again, unless no member has a good copy ("lost"). "silent": not all could tell. */
  mend(range: BlockRange, done: (outcome: "mended" | "silent" | "lost") => void): void {
    this.#serving.ranges.lock(range, (release) => {
      void this.copyOf(range).then((copy) => {
        release();
        if (copy.silent) this.whenAnswered(() => done("silent"));
        else done(copy.lost.length > 0 ? "lost" : "mended");
      });
    });
  }

  whenAnswered(run: () => void): void {
    this.#waiting.push(run);
  }

  /** The range as this primary should have it; what is bad here is being written back when it resolves. The caller holds the range's lock. */
  async copyOf(range: BlockRange): Promise<GoodCopy> {
    const { host, group } = this.#serving;
    const members = this.#serving.term.members().map((peer) => this.#from(peer));
    const copy = await goodCopy(range, (at) => host.drive.read(at), members, () => true);
    if (copy.mended.length > 0 && this.#rewrite(range, copy, copy.mended)) {
      host.damage.found("repaired", host.driveId, group, range, copy.mended);
      if (copy.unknown.length > 0) this.#wholeExtent(range);
    }
    if (copy.lost.length > 0 && !copy.silent) host.damage.found("lost", host.driveId, group, range, copy.lost);
    return copy;
  }

  /** As `copyOf`, with the answer of a read; null when a member that is needed does not answer now. */
  async read(range: BlockRange): Promise<BlockRead | null> {
    const read = await this.#serving.host.drive.read(range);
    if (read.ok) return read;
    const copy = await this.copyOf(range);
    if (copy.lost.length > 0 || copy.silent) return copy.silent ? null : { ...read, badBlocks: copy.lost };
    // What is written back has raised the extent's version, or is about to.
    return { ok: true, checksums: copy.checksums, data: copy.data, version: copy.mended.length > 0 ? this.#serving.last : copy.version };
  }

  /** The range for a learner; null when a member that is needed does not answer now. */
  async forLearner(range: BlockRange): Promise<ForLearner | null> {
    const read = await this.#serving.host.drive.read(range);
    if (read.ok) return { ...read, lost: [] };
    const { lost, silent, data, mended, version, checksums } = await this.copyOf(range);
    if (silent) return null;
    for (const block of lost) checksums[block - range.first] = read.checksums[block - range.first] as number;
    return { ok: true, checksums, data, version: mended.length > 0 ? this.#serving.last : version, lost };
  }

  /** Every copy reads and verifies the range; what is bad or different anywhere is made equal. The caller holds the range's lock. */
  async compare(range: BlockRange): Promise<Outcome> {
    const { host, group, term } = this.#serving;
    const members = term.members();
    const [own, ...answers] = await Promise.all([host.drive.read(range), ...members.map((peer) => this.#ask(peer, range, false))]);
    if (!own.ok) {
      const copy = await this.copyOf(range);
      return copy.silent ? "silent" : copy.lost.length > 0 ? "lost" : "again";
    }
    const wrong = new Set<number>();
    const findings: (() => void)[] = [];
    let silent = false;
    for (const [index, peer] of members.entries()) {
      const answer = answers[index];
      if (answer?.type !== "fetched") {
        silent = true;
        continue;
      }
      const different = differing(range, own.checksums, answer);
      if (different.length > 0) {
        if (!(await this.#parkBoth(peer, range, different, own))) return "silent";
        findings.push(() => host.damage.found("differs", peer.drive, group, range, different));
      }
      const { badBlocks } = answer;
      if (badBlocks.length > 0) findings.push(() => host.damage.found("repaired", peer.drive, group, range, badBlocks));
      for (const block of [...different, ...answer.badBlocks]) wrong.add(block);
    }
    if (wrong.size > 0 && this.#rewrite(range, own, [...wrong])) for (const tell of findings) tell();
    return silent ? "silent" : "done";
  }

  /** No answer from the peer (null: from anybody) that is still open will come. */
  interrupt(peer: PeerState | null): void {
    for (const question of this.#questions) if (peer === null || question.peer === peer) question.end(null);
  }

  tick(): void {
    const now = this.#serving.host.clock.nowMs();
    for (const question of this.#questions) if (now > question.untilMs) question.end(null);
    for (const run of this.#waiting.splice(0)) run();
    if (!this.#mending && this.#extents.length > 0) void this.#mendExtent(this.#extents.shift() as ExtentKey);
  }
  end(): void {
    this.interrupt(null);
    for (const run of this.#waiting.splice(0)) run();
  }

  /** Asks a member about a range; null = no answer. */
  #ask(peer: PeerState, range: BlockRange, content: boolean): Promise<Message | null> {
    return this.question(peer, (shared) => ({ ...shared, type: "fetch", range, content }));
  }
  question(peer: PeerState, make: Parameters<Serving["term"]["ask"]>[1]): Promise<Message | null> {
    // Of an epoch that has ended meanwhile: whoever it was need not be a member any more.
    if (this.#serving.term.peers.get(peer.drive) !== peer) return Promise.resolve(null);
    if (!peer.channel || !peer.streaming || this.#serving.ended) return Promise.resolve(null);
    return new Promise((resolve) => {
      const end = (message: Message | null): void => {
        if (this.#questions.delete(question)) resolve(message);
      };
      const question: Question = { peer, untilMs: this.#serving.host.clock.nowMs() + ANSWER_MAX_MS, end };
      this.#questions.add(question);
      this.#serving.term.ask(peer, make, end);
    });
  }
  #from(peer: PeerState): Source {
    return async (range) => {
      const message = await this.#ask(peer, range, true);
      return message && readOf(message);
    };
  }

  /** Entries with the blocks' content, for all copies. False when this drive takes in nothing any more. */
  #rewrite(range: BlockRange, { checksums, data }: { readonly checksums: Uint32Array; readonly data: Buffer }, blocks: readonly number[]): boolean {
    if (!this.#serving.open || this.#serving.purged(range.volume)) return false;
    const isWritten = (block: number): boolean => checksums[block - range.first] !== 0;
    for (const run of runsOf(range, (block) => blocks.includes(block) && isWritten(block))) {
      const from = run.first - range.first;
      const content = Buffer.from(data.subarray(from * BLOCK_BYTES, (from + run.count) * BLOCK_BYTES));
      this.#serving.assign("write", run, content, checksums.slice(from, from + run.count), BY_NOBODY, null);
    }
    for (const run of runsOf(range, (block) => blocks.includes(block) && !isWritten(block))) this.#serving.assign("unmap", run, null, null, BY_NOBODY, null);
    return true;
  }

  /** Nobody chooses silently: both versions are kept aside, and the primary's stands. */
  async #parkBoth(peer: PeerState, range: BlockRange, blocks: readonly number[], own: Extract<BlockRead, { ok: true }>): Promise<boolean> {
    const { host, group } = this.#serving;
    const why = `differs between drives ${host.driveId} and ${peer.drive} though both verify`;
    for (const run of runsOf(range, (block) => blocks.includes(block))) {
      const parked = await this.question(peer, (shared) => ({ ...shared, type: "park", range: run, why }));
      if (parked?.type !== "settled") return false;
      await host.drive.park(group, run, why, own.version ? [own.version] : []);
    }
    return true;
  }

  #wholeExtent({ volume, lineage, layer, extent }: ExtentKey): void {
    const known = [...this.#extents, ...(this.#mending ? [this.#mending] : [])];
    if (known.length < WHOLE_EXTENTS_MAX && !known.some((key) => sameExtent(key, { volume, lineage, layer, extent }))) this.#extents.push({ volume, lineage, layer, extent });
  }
  /** An extent's lost checksums are lost for all its blocks: not only those that somebody reads are put right. */
  async #mendExtent(key: ExtentKey): Promise<void> {
    this.#mending = key;
    for (let first = 0; first < BLOCKS_PER_EXTENT && this.#serving.open; first += PIECE_BLOCKS_MAX) {
      await new Promise<void>((resolve) => this.mend({ ...key, first, count: PIECE_BLOCKS_MAX }, () => resolve()));
    }
    this.#mending = null;
  }
}

/** Blocks that verify at both ends and are not the same. */
function differing({ first, count }: BlockRange, own: Uint32Array, { checksums, badBlocks }: Fetched): number[] {
  const blocks: number[] = [];
  for (let i = 0; i < count; i += 1) if (own[i] !== checksums[i] && !badBlocks.includes(first + i)) blocks.push(first + i);
  return blocks;
}
