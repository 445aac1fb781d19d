import { assert } from "../../base/assert.ts";
import type { DriveId, GroupId, VolumeId } from "../../base/ids.ts";
import type { Log } from "../../platform/platform.ts";
import { compareIds, NO_ENTRY, sameId, showId, type BlockRange, type EntryHeader, type EntryId, type EntryKind } from "../../wire/entry.ts";
import { BY_NOBODY, type Change, type Channel, type Gap, type Modifying, type Read, type Replicated } from "../../wire/messages.ts";
import type { OperationResult } from "../drive/records.ts";
import type { Group } from "./group.ts";
import type { GroupHost } from "./host.ts";
import { Allocation } from "./allocation.ts";
import { Commands, type Operation } from "./commands.ts";
import { LATE_MS, LateWrites } from "./late.ts";
import { LeaseWaiters } from "./leases.ts";
import { RangeTable } from "./ranges.ts";
import { Recovery } from "./recovery.ts";
import { Repair } from "./repair.ts";
import type { Replica } from "./replica.ts";
import type { PeerState, Term } from "./term.ts";

/** An entry from its assignment until every member has it and it is applied here. */
interface InFlight {
  readonly entry: EntryHeader;
  readonly checksums: Uint32Array | null;
  readonly data: Buffer | null;
  readonly range: BlockRange | null;
  /** R17. */
  readonly allocates: number;
  readonly sentMs: number;
  durable: boolean;
  applied: boolean;
  committed: boolean;
  readonly operation: Operation | null;
}
/** A learner that fell out of the stream because its drive was full begins anew after this. */
const FULL_LEARNER_AGAIN_MS = 5000;
const NO_BLOCKS: BlockRange = { volume: 0 as VolumeId, lineage: 0 as VolumeId, layer: 0, extent: 0 as never, first: 0, count: 0 };

/** A primary at work: R1, R2, R16, and the streams to members and learners. Lives for one term. */
export class Serving {
  readonly group: GroupId;
  readonly host: GroupHost;
  readonly term: Term;
  readonly replica: Replica;
  readonly log: Log;
  readonly ranges = new RangeTable();
  readonly repair = new Repair(this);
  readonly allocation = new Allocation(this);
  readonly #owner: Group;
  readonly #recoveries = new Map<DriveId, Recovery>();
  /** R17: learners whose drives were full. */
  readonly #stoppedUntilMs = new Map<DriveId, number>();
  readonly #purging = new Set<VolumeId>();
  readonly leases: LeaseWaiters;
  readonly late: LateWrites;
  readonly #commands: Commands;
  /** Not yet on every required member, oldest first. */
  #uncommitted: InFlight[] = [];
  #unappliedCount = 0;
  #last: EntryId;
  #open = false;
  #ended = false;
  #begin: (() => void) | null = null;
  #drained: (() => void) | null = null;

  constructor(group: GroupId, host: GroupHost, term: Term, replica: Replica, log: Log, owner: Group) {
    this.group = group;
    this.host = host;
    this.term = term;
    this.replica = replica;
    this.log = log;
    this.#owner = owner;
    this.#last = replica.appended;
    this.leases = new LeaseWaiters(host, term);
    this.late = new LateWrites(host.instance, host.acknowledgements);
    this.#commands = new Commands(this);
  }

  get last(): EntryId {
    return this.#last;
  }
  /** Takes in new commands and answers reads; false before R7e, while handing over and after the end. */
  get open(): boolean {
    return this.#open;
  }
  get ended(): boolean {
    return this.#ended;
  }
  get uncommitted(): readonly { readonly entry: EntryHeader }[] {
    return this.#uncommitted;
  }
  get recoveries(): Iterable<Recovery> {
    return this.#recoveries.values();
  }

  /** R7e: the no-op of this epoch on every member, then leases from all of them. */
  begin(done: () => void): void {
    const image = this.replica.image;
    assert(image && sameId(image.log.last, this.#last), "R7e: what this primary has appended is durable before it serves");
    this.#begin = done;
    for (const peer of this.term.members()) {
      peer.streaming = true;
      peer.acknowledged = this.#last;
    }
    this.assign("no-op", null, null, null, BY_NOBODY, null);
  }

  opened(): void {
    this.#open = true;
    if (this.replica.image) this.late.began(this.replica.image.log, this.host.clock.nowMs());
    for (const peer of this.term.peers.values()) this.peerReady(peer);
    this.purgeDeleted();
  }

  /** R21: each primary logs the purge of every deleted volume that its log does not know as purged. */
  purgeDeleted(): void {
    if (!this.#open) return;
    for (const { id, lineage } of this.host.tombstones(this.group)) {
      if (this.purged(id)) continue;
      this.#purging.add(id);
      this.assign("purge", { ...NO_BLOCKS, volume: id, lineage }, null, null, BY_NOBODY, null);
    }
  }

  /** R21: no write of the volume is assigned behind its purge. */
  purged(id: VolumeId): boolean {
    return this.#purging.has(id) || (this.replica.image?.purged.has(id) ?? false);
  }

  /** Purges that are not durable yet included. */
  purgedVolumes(): VolumeId[] {
    return [...new Set([...(this.replica.image?.purged ?? []), ...this.#purging])];
  }

  // ---- streams ----

  /** A replica has answered this epoch's fence. */
  peerReady(peer: PeerState): void {
    if (!peer.tail || !peer.channel || peer.streaming || this.#ended) return;
    // R8, R11c: a drive of any configuration that may be current counts as a member, whatever its catch-up has come to.
    if (!this.term.required().includes(peer)) return this.#startRecovery(peer);
    const { last, damaged, incomplete } = peer.tail;
    const known = sameId(last, this.#last) || (this.replica.image?.log.contains(last) ?? false) || this.#uncommitted.some(({ entry }) => sameId(entry, last));
    if (damaged || incomplete || !known || compareIds(last, peer.acknowledged) < 0) {
      this.log.error("a member came back with less than it once acknowledged, and leaves the group", { drive: peer.drive, last: showId(last), acknowledged: showId(peer.acknowledged) });
      if (this.#owner.state === "serving" && this.term.config.members.includes(peer.drive))
        this.#owner.changeConfig({ members: this.term.config.members.filter((drive) => drive !== peer.drive) }, "a member lost data");
      return;
    }
    peer.streaming = true;
    peer.acknowledged = last;
    this.#resend(peer, last);
    this.#advance();
  }

  peerLost(peer: PeerState): void {
    this.repair.interrupt(peer);
    this.#recoveries.get(peer.drive)?.abort();
    this.#recoveries.delete(peer.drive);
  }

  /** The configuration has changed and is durable here: learners begin anew, what waited for a removed member goes on. */
  epochChanged(): void {
    this.#advance();
    this.allocation.wake();
  }
  /** R9: a catch-up is bound to its epoch. */
  abortRecoveries(): void {
    this.repair.interrupt(null);
    for (const recovery of this.#recoveries.values()) recovery.abort();
    this.#recoveries.clear();
  }

  #startRecovery(peer: PeerState): void {
    if (!this.#open || this.#recoveries.has(peer.drive)) return;
    if (this.host.clock.nowMs() < (this.#stoppedUntilMs.get(peer.drive) ?? 0)) return;
    const recovery = new Recovery(this, peer, () => this.#add(peer));
    this.#recoveries.set(peer.drive, recovery);
    recovery.start();
  }

  /** R11: the learner is whole and follows; its acknowledgement and lease count from before the change leaves. */
  #add(peer: PeerState): boolean {
    if (this.#owner.state !== "serving") return false;
    // Until the configuration that has just changed is durable, this recovery is of the epoch before: the drive may be a member already.
    if (this.term.peers.get(peer.drive) !== peer || peer.leaseUntilMs <= this.host.clock.nowMs()) return false;
    return this.#owner.changeConfig({ members: [...this.term.config.members, peer.drive], learners: this.term.config.learners.filter((drive) => drive !== peer.drive) }, "a learner has caught up");
  }

  #resend(peer: PeerState, through: EntryId): void {
    for (const inFlight of this.#uncommitted) if (compareIds(inFlight.entry, through) > 0) this.#replicate(peer, inFlight);
    this.#noteOwed(peer);
    if (peer.owedSinceMs !== Infinity) peer.owedSinceMs = this.host.clock.nowMs();
  }

  #replicate(peer: PeerState, { entry, allocates, checksums, data }: InFlight): void {
    if (!peer.channel) return;
    this.host.space.charge(peer.channel, allocates);
    const committed = this.replica.image?.committed ?? NO_ENTRY;
    this.host.send(peer.channel, { type: "replicate", group: this.group, epoch: this.term.epoch, tag: 0, entry, committed: this.#committed(committed), allocates, checksums, data });
  }

  /** Newest id known to be on all members. */
  #committed(saved: EntryId): EntryId {
    const first = this.#uncommitted[0];
    const known = first ? first.entry.previous : this.#last;
    return compareIds(known, saved) > 0 ? known : saved;
  }
  committedNow(): EntryId {
    return this.#committed(this.replica.image?.committed ?? NO_ENTRY);
  }

  acknowledged(peer: PeerState, message: Replicated): void {
    if (message.epoch !== this.term.epoch || !peer.streaming) return;
    if (compareIds(message.through, peer.acknowledged) <= 0) return;
    peer.acknowledged = message.through;
    this.#noteOwed(peer);
    this.#advance();
    this.allocation.wake();
  }

  /** R17: the learner's drive is full. Its catch-up ends here, and begins anew when there is room: the next fence asks what it holds. */
  #stopLearner(peer: PeerState): void {
    this.log.warn("a learner's drive has no room for what is written: its catch-up stops until there is; free space, or give the group another drive", { drive: peer.drive });
    this.#stoppedUntilMs.set(peer.drive, this.host.clock.nowMs() + FULL_LEARNER_AGAIN_MS);
    this.peerLost(peer);
    this.term.lost(peer);
  }

  gap(peer: PeerState, message: Gap): void {
    if (message.epoch !== this.term.epoch || !peer.streaming) return;
    this.log.warn("a replica reports a gap in its stream; fencing it anew", { drive: peer.drive, through: showId(message.through) });
    const channel = peer.channel;
    this.peerLost(peer);
    this.term.lost(peer);
    channel?.close("a gap in the stream");
  }

  #noteOwed(peer: PeerState): void {
    const owed = this.#uncommitted.find(({ entry }) => compareIds(entry, peer.acknowledged) > 0);
    peer.owedSinceMs = owed ? owed.sentMs : Infinity;
  }

  // ---- writes (R1) ----

  /** R1: a sequence number, then to every stream and to the own journal. */
  assign(kind: EntryKind, range: BlockRange | null, data: Buffer | null, checksums: Uint32Array | null, by: Modifying, operation: Operation | null, allocates = 0): void {
    const at = range ?? NO_BLOCKS;
    // The clock moves on between the check and this: the limit with room to spare.
    assert(by.gateway === 0 || (by.stampInstance === this.host.instance && this.host.clock.nowMs() - by.stampMs < 2 * LATE_MS), "I6: no write is applied that is older than the limit");
    const { gateway, operation: number, oldestOpen } = by;
    const { volume, lineage, layer, extent, first, count } = at;
    const entry: EntryHeader = { epoch: this.term.epoch, seq: this.#last.seq + 1, previous: this.#last, kind, result: 0, volume, lineage, layer, extent, first, count, gateway, operation: number, oldestOpen };
    assert(entry.epoch >= this.#last.epoch, "I1: entries' epochs only grow");
    this.#last = { epoch: entry.epoch, seq: entry.seq };
    this.replica.noteAppended(this.#last);
    const inFlight: InFlight = { entry, checksums, data, range: count > 0 ? range : null, allocates, sentMs: this.host.clock.nowMs(), durable: false, applied: false, committed: false, operation };
    this.#uncommitted.push(inFlight);
    this.#unappliedCount += 1;
    if (inFlight.range) this.ranges.startWrite(inFlight.range);
    for (const recovery of this.#recoveries.values()) recovery.wrote(at);
    for (const peer of this.term.peers.values()) {
      if (!peer.streaming) continue;
      if (allocates > 0 && this.host.space.roomAt(peer.channel, allocates) !== "room" && !this.term.required().includes(peer)) {
        this.#stopLearner(peer);
        continue;
      }
      this.#replicate(peer, inFlight);
      if (peer.owedSinceMs === Infinity) peer.owedSinceMs = inFlight.sentMs;
    }
    const settle = this.host.space.use(allocates);
    this.host.drive.append(
      { type: "entry", group: this.group, entry, checksums, data, skip: null },
      () => {
        inFlight.durable = true;
        this.#advance();
      },
      () => {
        inFlight.applied = true;
        settle();
        this.#unappliedCount -= 1;
        this.#finish(inFlight);
      },
    );
  }

  /** I2: an entry is acknowledged when it is durable here and on every required member, in the order of the log. */
  #advance(): void {
    // R4: nothing is acknowledged under a configuration before that is durable here.
    if (this.#ended || this.#owner.epoch !== this.term.epoch) return;
    const required = this.term.required();
    let done = 0;
    for (const inFlight of this.#uncommitted) {
      if (!inFlight.durable || !required.every((peer) => compareIds(peer.acknowledged, inFlight.entry) >= 0)) break;
      done += 1;
    }
    if (done > 0) {
      const nowMs = this.host.clock.nowMs();
      for (const inFlight of this.#uncommitted.splice(0, done)) {
        inFlight.committed = true;
        if (inFlight.range && inFlight.entry.gateway !== 0) this.late.acknowledged(inFlight.range, nowMs);
        this.#commands.answer(inFlight.operation, "done");
        this.#finish(inFlight);
      }
      this.replica.noteCommitted(this.committedNow());
    }
    this.#maybeBegin();
    this.#maybeDrained();
  }

  #finish(inFlight: InFlight): void {
    if (!inFlight.applied || !inFlight.committed) return;
    if (inFlight.range) this.ranges.endWrite(inFlight.range);
    this.#maybeDrained();
  }

  #maybeBegin(): void {
    if (!this.#begin || this.#uncommitted.length > 0 || !this.hasLeases()) return;
    const begin = this.#begin;
    this.#begin = null;
    begin();
  }

  /** R12: nothing new from now on; `done` when everything in flight has ended. */
  drain(done: () => void): void {
    this.#open = false;
    this.#drained = done;
    this.#maybeDrained();
  }
  #maybeDrained(): void {
    if (!this.#drained || this.#uncommitted.length > 0 || this.#unappliedCount > 0) return;
    const drained = this.#drained;
    this.#drained = null;
    drained();
  }
  reopen(): void {
    this.#drained = null;
    this.#open = true;
    this.purgeDeleted();
  }

  end(): void {
    this.#ended = true;
    this.#open = false;
    this.abortRecoveries();
    this.#commands.end();
    this.repair.end();
    this.allocation.wake();
    this.leases.refuseAll();
  }

  tick(): void {
    this.leases.expire();
    this.repair.tick();
    this.allocation.wake();
    for (const recovery of this.#recoveries.values()) recovery.tick();
    for (const peer of this.term.peers.values()) this.peerReady(peer);
  }

  hasLeases(): boolean {
    return this.leases.valid();
  }
  leasesRenewed(): void {
    this.#maybeBegin();
    this.leases.renewed();
  }

  command(channel: Channel, message: Read | Change): void {
    this.#commands.take(channel, message);
  }

  /** R11b: recorded answers, those of entries still in flight included. */
  operationResults(): OperationResult[] {
    const inFlight = this.#uncommitted.filter(({ entry }) => entry.gateway !== 0).map(({ entry }) => ({ gateway: entry.gateway, operation: entry.operation, result: entry.result }));
    return [...(this.replica.image?.operationResults() ?? []), ...inFlight];
  }
}
