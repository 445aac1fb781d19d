import { assert } from "../../base/assert.ts";
import { BLOCK_BYTES } from "../../base/geometry.ts";
import type { Epoch, GroupId } from "../../base/ids.ts";
import { groupName, type GroupConfig } from "../../cluster/schema.ts";
import { compareIds, laterId, NO_ENTRY, sameId, type EntryHeader, type EntryId } from "../../wire/entry.ts";
import type { Adopt, CatchUp, CaughtUp, Channel, Copy, Fence, Fetch, Manifest, Message, Replicate } from "../../wire/messages.ts";
import type { ReplicaImage } from "../drive/image.ts";
import { entryIntact } from "./checked.ts";
import type { GroupHost } from "./host.ts";
import { inspect } from "./scrub.ts";
import { lastOf, Learner } from "./learner.ts";
import { Settling } from "./settling.ts";

const NO_DATA = Buffer.alloc(0);
/** A message of the stream that waits, and what becomes of it when the stream has ended. */
interface Held {
  readonly run: () => void;
  readonly drop: () => void;
}
/** Messages of the stream that a manifest's comparison holds back; the primary sends no more than its window. */
const HELD_MAX = 65536;
/** Bytes that wait for the journal: writes wait for members, but not for learners, so a slow learner must say no (R9). */
const JOURNAL_BEHIND_MAX = 256 * 1024 * 1024;

/**
 * A group's replica as far as it obeys a primary: the ordered stream and what reconcile asks. The group has already checked
 * epoch, incarnation and instance of every message that comes here.
 */
export class Replica {
  readonly #group: GroupId;
  readonly #host: GroupHost;
  /** Id of the last entry given to the journal, durable or not. */
  #appended: EntryId;
  readonly #learner: Learner;
  /** Non-null while a manifest or a parking is under way: what comes later in the stream waits. */
  #held: Held[] | null = null;
  #committedSeen: EntryId = NO_ENTRY;
  #stream: Channel | null = null;
  readonly #settling = new Settling();
  #settledSaved: EntryId = NO_ENTRY;
  #ackDue = false;
  #epochGiven = 0 as Epoch;
  /** Raised by each fence: what an older stream still has under way acknowledges nothing. */
  #generation = 0;

  constructor(group: GroupId, host: GroupHost) {
    this.#group = group;
    this.#host = host;
    this.#appended = this.image?.log.last ?? NO_ENTRY;
    this.#learner = new Learner(host, this);
  }

  get group(): GroupId {
    return this.#group;
  }
  get image(): ReplicaImage | undefined {
    return this.#host.drive.images.get(this.#group);
  }
  get appended(): EntryId {
    return this.#appended;
  }
  get generation(): number {
    return this.#generation;
  }
  /** Everything that was appended is durable. */
  get settled(): boolean {
    return sameId(this.#appended, this.image?.log.last ?? NO_ENTRY);
  }
  /** Entries were given to the journal by others: the primary on this drive, or a catch-up. */
  noteAppended(id: EntryId): void {
    this.#appended = id;
  }

  /** R7a: the stream of the config's primary begins anew on this channel; called once its config is durable. */
  fenced(channel: Channel): void {
    this.#generation += 1;
    this.#stream = channel;
    this.#appended = this.image?.log.last ?? NO_ENTRY;
    this.#learner.reset();
    this.#held = null;
  }
  /** No stream counts any more: another primary, or this process itself, is taking over. */
  unfence(): void {
    this.#generation += 1;
    this.#stream = null;
    this.#learner.reset();
    this.#held = null;
  }
  streamsOn(channel: Channel): boolean {
    return this.#stream === channel;
  }

  /** Why its sender may not send this fence; null = it may. */
  fenceError(channel: Channel, { config, epoch }: Fence): string | null {
    if (config.incarnation !== this.#host.incarnation()) return "a fence of another incarnation";
    const own = config.epoch === epoch && config.primary === channel.peer.id && config.primaryInstance === channel.peer.instance;
    return own ? null : "a fence that its sender may not send";
  }

  /** R7a: only what is durable counts, and the epoch is durable before it. */
  sendTail(channel: Channel, { tag, epoch }: Fence): void {
    const image = this.image;
    assert(image && image.epoch === epoch, "R7a: the epoch is journalled before the tail is sent");
    const { damaged, incomplete, completeThrough, committed, log, diverged, reconciling } = image;
    const entries = log.after(committed);
    this.#host.send(channel, { type: "tail", group: this.#group, epoch, tag, damaged, incomplete, completeThrough, committed, base: log.base, last: log.last, entries, diverged, reconciling });
  }

  /** Highest epoch given to the journal, durable or not: a lower one is never journalled behind it. */
  get epochGiven(): Epoch {
    return Math.max(this.#epochGiven, this.image?.epoch ?? 0) as Epoch;
  }
  appendConfig(config: GroupConfig, durable: () => void): void {
    // R9: what is committed when a copy leaves is on that copy, too; the newest such point costs it the least.
    this.saveCommitted();
    assert(config.epoch >= this.epochGiven, "I1: epochs only grow");
    this.#epochGiven = config.epoch;
    this.#host.drive.append({ type: "config", group: this.#group, config }, durable);
  }

  /** R23: the administrator's word, durable before anything is done by it. */
  acceptLoss(config: GroupConfig, durable: () => void): void {
    assert(config.epoch > this.epochGiven, "R23: a word is obeyed once");
    this.#host.log.warn("R23: a group goes on with what this drive has of it, by an administrator's word", { group: groupName(this.#group), epoch: config.epoch, lost: config.loss?.drives.map(({ drive }) => drive) });
    this.unfence();
    this.#epochGiven = config.epoch;
    this.#host.drive.append({ type: "accept-loss", group: this.#group, config }, () => {
      this.#appended = this.image?.log.last ?? NO_ENTRY;
      durable();
    });
  }

  /** True = the message is of a lower epoch: its sender is told so as soon as the higher one is durable, and nothing changes. */
  refusesEpoch(channel: Channel, message: Message): boolean {
    const image = this.image;
    if (message.epoch < this.epochGiven && this.epochGiven > (image?.epoch ?? 0)) return true;
    if (!image?.config || message.epoch >= image.epoch) return false;
    this.#host.send(channel, { type: "stale-epoch", group: this.#group, epoch: image.epoch, tag: message.tag, config: image.config });
    return true;
  }

  /** What a primary asks, fences aside. `following`: this drive is not about to become, or is, primary itself (R3c). */
  obey(channel: Channel, message: Message, following: boolean): void {
    if (!this.image?.config || this.refusesEpoch(channel, message)) return this.#pass(channel, message);
    if (message.epoch !== this.image.epoch || !following || this.#stream !== channel) return this.#pass(channel, message);
    switch (message.type) {
      case "replicate":
      case "catch-up":
      case "manifest":
      case "copy":
      case "caught-up":
        return this.#receive(channel, message);
      case "mark":
        return this.#learner.mark(channel, message);
      case "adopt":
        return this.#adopt(channel, message);
      case "fetch":
        return this.#fetch(channel, message);
      case "inspect": {
        const { group, epoch, tag } = message;
        const { drive, extentsOf, send } = this.#host;
        return void inspect(extentsOf(this.#group), message, (key) => drive.describe(key)).then((extents) => send(channel, { type: "inspected", group, epoch, tag, extents }));
      }
      case "park":
        return void this.#host.drive.park(this.#group, message.range, message.why, []).then(() => this.#settled(channel, message));
      default:
        return channel.close(`a ${message.type} message is not for a replica`);
    }
  }

  #receive(channel: Channel, message: Replicate | CatchUp | Manifest | Copy | CaughtUp): void {
    if (this.#host.drive.pendingBytes > JOURNAL_BEHIND_MAX) return channel.close("this drive's journal is too far behind");
    if (this.#held) {
      if (this.#held.length >= HELD_MAX) return channel.close("the stream runs over its bound while a manifest is compared");
      this.#held.push({ run: () => this.#next(channel, message), drop: () => this.#pass(channel, message) });
      return;
    }
    this.#next(channel, message);
  }

  /** R17: what has no effect here was charged for all the same, and its sender counts on hearing that it is done with. */
  #pass(channel: Channel, message: Message): void {
    if (message.type === "replicate" || message.type === "copy") this.#host.space.take(channel, message.allocates)();
  }

  #next(channel: Channel, message: Replicate | CatchUp | Manifest | Copy | CaughtUp): void {
    switch (message.type) {
      case "replicate":
        return this.#replicate(channel, message);
      case "catch-up":
        return this.#learner.catchUp(channel, message);
      case "manifest":
        return this.#learner.manifest(channel, message);
      case "copy":
        return this.#learner.copy(channel, message);
      case "caught-up":
        return this.#learner.caughtUp(channel, message);
    }
  }

  /** R1: gapless. Acknowledged when durable; applied in the order of the journal. */
  #replicate(channel: Channel, message: Replicate): void {
    const { entry } = message;
    const settle = this.#host.space.take(channel, message.allocates);
    const isNext = sameId(entry.previous, this.#appended);
    if (!isNext || compareIds(entry, this.#appended) <= 0) settle();
    if (compareIds(entry, this.#appended) <= 0) return this.#acknowledge();
    if (!isNext)
      return this.#host.send(channel, { type: "gap", group: this.#group, epoch: message.epoch, tag: 0, through: this.#appended });
    if (message.data && message.checksums && !entryIntact(entry, message.checksums, message.data)) {
      settle();
      return channel.close("a replicated block does not match its checksum");
    }
    this.#appended = { epoch: entry.epoch, seq: entry.seq };
    this.#committedSeen = laterId(this.#committedSeen, message.committed);
    const generation = this.#generation;
    this.#host.drive.append(
      { type: "entry", group: this.#group, entry, checksums: message.checksums, data: message.data, skip: this.#learner.skip(entry) },
      () => {
        if (generation === this.#generation) this.#acknowledge();
      },
      settle,
    );
  }

  /** One acknowledgement for everything that became durable in this turn. */
  #acknowledge(): void {
    if (this.#ackDue) return;
    this.#ackDue = true;
    queueMicrotask(() => {
      this.#ackDue = false;
      const image = this.image;
      if (!this.#stream || !image) return;
      this.#host.send(this.#stream, { type: "replicated", group: this.#group, epoch: image.epoch, tag: 0, through: image.log.last, credits: this.#host.space.credits(this.#stream) });
    });
  }

  /** Makes the known commit point durable from time to time: old is safe. */
  noteCommitted(committed: EntryId): void {
    this.#committedSeen = laterId(this.#committedSeen, committed);
  }
  saveCommitted(): void {
    const image = this.image;
    if (!image) return;
    const known = compareIds(this.#committedSeen, image.log.last) <= 0 ? this.#committedSeen : NO_ENTRY;
    const id = laterId(known, image.committed);
    const settled = this.#settling.settled(id, this.#host.clock.nowMs(), this.#host.drive.keeping.settledMs);
    if (compareIds(id, image.committed) <= 0 && (sameId(settled, this.#settledSaved) || compareIds(settled, image.log.base) <= 0)) return;
    this.#settledSaved = settled;
    this.#host.drive.append({ type: "committed", group: this.#group, id, settled });
  }

  // ---- reconcile (R7d) ----

  #adopt(channel: Channel, message: Adopt): void {
    if (!this.adoptLog(message.common, message.entries, () => this.#settled(channel, message))) channel.close("an adopted log that does not fit this replica's");
  }

  /**
   * Replaces the log after `common`; entries that only this replica had are in the past. False, and nothing is journalled, when
   * the log does not have `common`: a record that cannot be applied would end every later start, too.
   */
  adoptLog(common: EntryId, entries: readonly EntryHeader[], durable: () => void): boolean {
    if (!this.settled || !this.image?.log.contains(common)) return false;
    this.#learner.dropPurged(entries.filter((entry) => entry.kind === "purge").map((entry) => entry.volume));
    this.#appended = lastOf(entries) ?? common;
    this.#host.drive.append({ type: "adopt", group: this.#group, common, entries }, durable);
    return true;
  }

  #fetch(channel: Channel, message: Fetch): void {
    const { group, epoch, tag, range } = message;
    void this.#host.drive.read(range).then((read) => {
      const content = read.ok && message.content;
      const { version, checksums } = read;
      this.#host.send(channel, { type: "fetched", group, epoch, tag, range, content, badBlocks: read.ok ? [] : read.badBlocks, version, checksums, data: content ? read.data : NO_DATA });
    });
  }

  /** Runs asynchronous work in the stream's order; `current` is false once the stream was replaced. */
  hold(work: (current: () => boolean) => Promise<void>): void {
    const generation = this.#generation;
    const held: Held[] = (this.#held = []);
    const current = (): boolean => generation === this.#generation;
    void work(current).then(() => {
      if (current()) this.#held = null;
      while (held.length > 0 && current() && !this.#held) (held.shift() as Held).run();
      if (current() && this.#held) (this.#held as Held[]).push(...held);
      else for (const { drop } of held) drop();
    });
  }

  #settled(channel: Channel, { group, epoch, tag }: Message): void {
    this.#host.send(channel, { type: "settled", group, epoch, tag });
  }
}
