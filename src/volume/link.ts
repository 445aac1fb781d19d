import { assert } from "../base/assert.ts";
import { BLOCK_BYTES } from "../base/geometry.ts";
import type { DriveId, Epoch, Instance } from "../base/ids.ts";
import type { Platform, Timer } from "../platform/platform.ts";
import type { Dialer } from "../wire/dialer.ts";
import type { Channel, ChannelEvents, Done, Message, ReadDone } from "../wire/messages.ts";
import type { Piece } from "./piece.ts";
import { ClockBound } from "./stamp.ts";
import { TagTable } from "./tags.ts";

/** A drive that refuses is asked again after this, doubled each time. */
const REDIAL_MS_MIN = 20;
const REDIAL_MS_MAX = 500;
const NO_INSTANCE = 0 as Instance;
/** A host that gave up comes back well within this: until then a drive that nothing waits for is still wanted. */
const WANTED_MS = 10_000;

/** Where a drive is, as its record in the cluster map says. */
export interface Target {
  readonly address: string;
  readonly port: number;
  readonly instance: Instance;
}

/** What a link needs of its gateway. */
export interface LinkOwner {
  readonly platform: Platform;
  readonly dialer: Dialer;
  readonly instance: Instance;
  readonly oldestOpen: number;
  /** The reply to a piece, which the link has let go of. */
  answered(piece: Piece, reply: Done | ReadDone): void;
  /** The channel went away under a piece that was sent; the link has let go of it. */
  lost(piece: Piece): void;
}

/**
 *            submit                channel
 *   closed --------> dialling ----------------> open
 *     ^  ^             |  ^                      |
 *     |  | unused      |  | time is up           | lost, replaced or unused
 *     |  '--- resting <'--'                      |
 *     '------------------------------------------'
 */
type LinkState = "closed" | "dialling" | "resting" | "open";
const MOVES: Record<LinkState, readonly LinkState[]> = {
  closed: ["dialling", "resting"],
  dialling: ["open", "resting", "closed"],
  resting: ["dialling", "closed"],
  open: ["closed"],
};

/** The way to one drive: a channel while there is something to say, dialled again when it is lost. */
export class Link {
  readonly driveId: DriveId;
  readonly #owner: LinkOwner;
  #target: Target;
  #state: LinkState = "closed";
  #channel: Channel | null = null;
  /** Tells the answer of a dial that is still wanted from one of an earlier attempt. */
  #attempt = 0;
  #redialMs = REDIAL_MS_MIN;
  #redial: Timer | null = null;
  #lastError = "";
  readonly #pending = new Set<Piece>();
  #tags = new TagTable<Piece>();
  readonly #clock = new ClockBound();
  #clockOf: Instance = NO_INSTANCE;
  #usedAtMs: number;
  #dialledAtMs = 0;
  /** When the drive's process last said something. */
  heardMs = -Infinity;
  /** First and last of the commands that came since it was wanted, without a long pause between two. */
  #wantedSinceMs = -Infinity;
  #wantedMs = -Infinity;

  constructor(owner: LinkOwner, driveId: DriveId, target: Target) {
    this.#owner = owner;
    this.driveId = driveId;
    this.#target = target;
    this.#usedAtMs = owner.platform.clock.nowMs();
  }

  /** Instance at the other end; 0 while there is none. */
  get peerInstance(): Instance {
    return this.#channel?.peer.instance ?? NO_INSTANCE;
  }
  /** It was tried, and there is no channel now. */
  get failing(): boolean {
    return this.#channel === null && this.#lastError !== "";
  }
  /** Something was sent before `beforeMs`, and nothing was heard since. */
  silentSince(beforeMs: number): boolean {
    return this.#channel !== null && this.#tags.open > 0 && this.#usedAtMs < beforeMs;
  }
  /** Dials, though nobody has something to say, when that has failed and was last tried before `beforeMs`. */
  lookAgain(beforeMs: number): void {
    if (this.#state === "closed" && this.failing && this.#dialledAtMs < beforeMs) this.#dial();
  }
  /** Since when nothing was heard, though commands came for it all the while; null when none did. Also of commands whose hosts gave up. */
  deafSinceMs(nowMs: number): number | null {
    const wanted = this.#pending.size > 0 || this.#tags.open > 0 || (this.#wantedMs > this.heardMs && nowMs - this.#wantedMs <= WANTED_MS);
    return wanted ? Math.max(this.heardMs, this.#wantedSinceMs) : null;
  }
  /** Dials, though nobody has something to say. */
  probe(): void {
    if (this.#state === "closed") this.#dial();
  }
  /** Why it is not open, for an administrator; empty when nothing went wrong. */
  get lastError(): string {
    return this.#lastError;
  }

  /** Sends `piece` now or as soon as there is a channel. */
  submit(piece: Piece): void {
    piece.enter("pending");
    piece.link = this;
    const nowMs = this.#owner.platform.clock.nowMs();
    if (nowMs - this.#wantedMs > WANTED_MS && this.#pending.size === 0 && this.#tags.open === 0) this.#wantedSinceMs = nowMs;
    this.#wantedMs = nowMs;
    if (this.#channel && this.#mayLeave(piece)) return this.#send(this.#channel, piece);
    this.#pending.add(piece);
    if (this.#state === "closed") this.#dial();
  }

  /** R15: no change leaves before the clock that stamps it is known; a drive tells it first of all. */
  #mayLeave({ command }: Piece): boolean {
    return command.kind === "read" || this.#clock.known;
  }

  /** Lets go of a piece; a reply to it that still comes is dropped. */
  release(piece: Piece): void {
    assert(piece.link === this, "a piece is released by its own link");
    if (piece.state === "sent") this.#tags.release(piece.tag);
    else this.#pending.delete(piece);
    piece.link = null;
    piece.tag = 0;
  }

  /** The drive's record has changed. */
  retarget(target: Target): void {
    const moved = target.address !== this.#target.address || target.port !== this.#target.port;
    // Another process, or another place: nobody can have heard of it before.
    if (moved || target.instance !== this.#target.instance) this.#wantedSinceMs = this.#owner.platform.clock.nowMs();
    this.#target = target;
    if (this.#channel) {
      if (moved) return this.#replace("the drive has moved to another address");
      return this.outdated(target.instance);
    }
    if (moved || this.#state === "resting") this.#dialAnew();
  }

  /** Instance `newest` of the drive is known: a channel to an earlier one is to a dead process. */
  outdated(newest: Instance): void {
    if (this.#channel && this.#channel.peer.instance < newest) this.#replace("the drive's process was replaced by a later one");
  }

  /** Closes; what was sent or waits goes back to the owner. */
  close(reason: string): void {
    this.#attempt += 1;
    this.#redial?.cancel();
    this.#redial = null;
    const pending = [...this.#pending];
    this.#pending.clear();
    if (this.#channel) this.#replace(reason);
    else if (this.#state !== "closed") this.#enter("closed");
    for (const piece of pending) {
      piece.link = null;
      this.#owner.lost(piece);
    }
  }

  /** Nothing was sent since `beforeMs` and nothing is under way. */
  unusedSince(beforeMs: number): boolean {
    return this.#usedAtMs < beforeMs && this.#pending.size === 0 && this.#tags.open === 0;
  }

  // ---- dialling ----

  #dialAnew(): void {
    this.#attempt += 1;
    this.#redial?.cancel();
    this.#redial = null;
    this.#redialMs = REDIAL_MS_MIN;
    if (this.#state !== "closed") this.#enter("closed");
    if (this.#pending.size > 0) this.#dial();
  }

  #dial(): void {
    this.#enter("dialling");
    this.#dialledAtMs = this.#owner.platform.clock.nowMs();
    const attempt = (this.#attempt += 1);
    this.#owner.dialer
      .dial({ driveId: this.driveId, address: this.#target.address, port: this.#target.port }, (channel) => this.#opened(attempt, channel))
      .then(
        (channel) => {
          if (attempt !== this.#attempt) channel.close("no longer wanted");
        },
        (error: unknown) => {
          if (attempt === this.#attempt) this.#failed(error instanceof Error ? error.message : String(error));
        },
      );
  }

  #opened(attempt: number, channel: Channel): ChannelEvents {
    if (attempt !== this.#attempt) return DROPPED;
    this.#enter("open");
    this.#channel = channel;
    this.heardMs = this.#owner.platform.clock.nowMs();
    this.#lastError = "";
    this.#tags = new TagTable<Piece>();
    if (this.#clockOf !== channel.peer.instance) this.#clock.forget();
    this.#clockOf = channel.peer.instance;
    // Not in this call: the dialer has yet to learn who listens on the channel.
    queueMicrotask(() => {
      if (this.#channel === channel) this.#sendPending(channel);
    });
    return {
      message: (message) => this.#received(channel, message),
      closed: (reason) => {
        if (this.#channel === channel) this.#ended(reason);
      },
    };
  }

  #sendPending(channel: Channel): void {
    // What is pending is sent before anything submitted later, and may end the channel on the way.
    for (const piece of [...this.#pending]) {
      if (this.#channel !== channel) return;
      if (!this.#mayLeave(piece)) continue;
      this.#pending.delete(piece);
      this.#send(channel, piece);
    }
  }

  #failed(reason: string): void {
    this.#lastError = reason;
    if (this.#redialMs === REDIAL_MS_MIN) this.#owner.platform.log.warn("a drive cannot be reached; trying again", { drive: this.driveId, reason });
    this.#rest();
  }

  #rest(): void {
    if (this.#pending.size === 0) return this.#enter("closed");
    this.#enter("resting");
    this.#redial = this.#owner.platform.clock.timer(this.#redialMs, () => {
      this.#redial = null;
      if (this.#pending.size === 0) return this.#enter("closed");
      this.#dial();
    });
    this.#redialMs = Math.min(this.#redialMs * 2, REDIAL_MS_MAX);
  }

  #replace(reason: string): void {
    const channel = this.#channel as Channel;
    this.#ended(reason);
    channel.close(reason);
  }

  #ended(reason: string): void {
    this.#channel = null;
    this.#lastError = reason;
    this.#enter("closed");
    const sent = this.#tags.drain();
    if (sent.length > 0) this.#owner.platform.log.info("the channel to a drive was lost; its commands are sent again", { drive: this.driveId, commands: sent.length, reason });
    for (const piece of sent) {
      piece.link = null;
      piece.tag = 0;
      this.#owner.lost(piece);
    }
    if (this.#pending.size > 0 && this.#state === "closed") this.#rest();
  }

  #enter(state: LinkState): void {
    assert(MOVES[this.#state].includes(state), `a link does not go from ${this.#state} to ${state}`);
    this.#state = state;
  }

  // ---- requests ----

  #send(channel: Channel, piece: Piece): void {
    const tag = this.#tags.take(piece);
    if (tag === 0) {
      this.#pending.add(piece);
      return this.#replace("its request numbers are used up");
    }
    piece.tag = tag;
    piece.enter("sent");
    this.#usedAtMs = this.#owner.platform.clock.nowMs();
    channel.send(this.#message(piece, channel.peer.instance));
  }

  #message(piece: Piece, instance: Instance): Message {
    const { command, group, tag } = piece;
    const epoch = 0 as Epoch;
    const { volume, lineage } = command;
    if (command.kind === "read") {
      return { type: "read", group, epoch, tag, range: { volume, lineage, layer: 0, extent: piece.extent, first: piece.firstBlock, count: piece.blockCount } };
    }
    assert(this.#clock.known && this.#clockOf === instance, "R15: a change is stamped in its primary's clock");
    const modifying = {
      gateway: this.#owner.instance,
      operation: piece.operation,
      oldestOpen: this.#owner.oldestOpen,
      stampInstance: instance,
      stampMs: this.#clock.at(command.arrival.receivedMs),
    };
    if (piece.data === null || piece.checksums === null) {
      return { type: "unmap", group, epoch, tag, range: { volume, lineage, layer: 0, extent: piece.extent, first: piece.firstBlock, count: piece.blockCount }, ...modifying };
    }
    assert(piece.data.length <= 2 * piece.blockCount * BLOCK_BYTES, "a piece's data fits its range");
    return {
      type: command.kind === "compare-and-write" ? command.kind : "write", group, epoch, tag, key: { volume, lineage, layer: 0, extent: piece.extent },
      firstSector: piece.firstSector, sectorCount: piece.sectorCount, ...modifying, checksums: piece.checksums, data: piece.data,
    };
  }

  #received(channel: Channel, message: Message): void {
    if (this.#channel !== channel) return;
    this.heardMs = this.#owner.platform.clock.nowMs();
    if (message.type === "clock") return this.#heardClock(channel, message.clock);
    if (message.type !== "done" && message.type !== "read-done") return this.#replace(`a drive does not send "${message.type}" to a gateway`);
    const nowMs = this.#owner.platform.clock.nowMs();
    this.#usedAtMs = nowMs;
    this.#redialMs = REDIAL_MS_MIN;
    this.#heardClock(channel, message.clock);
    if (this.#channel !== channel) return;
    const piece = this.#tags.get(message.tag);
    if (piece === null) return;
    if ((message.type === "read-done") !== (piece.command.kind === "read")) return this.#replace("an answer that does not fit its request");
    this.release(piece);
    this.#owner.answered(piece, message);
  }

  #heardClock(channel: Channel, clockMs: number): void {
    if (!(clockMs > 0 && Number.isFinite(clockMs))) return;
    const first = !this.#clock.known;
    this.#clock.heard(clockMs, this.#owner.platform.clock.nowMs());
    if (first) this.#sendPending(channel);
  }
}

const DROPPED: ChannelEvents = { message() {}, closed() {} };
