import { assert } from "../../base/assert.ts";
import type { DriveId, Epoch, GroupId } from "../../base/ids.ts";
import { groupName, type GroupConfig, type WaitReason } from "../../cluster/schema.ts";
import type { Log } from "../../platform/platform.ts";
import { NO_ENTRY, type EntryId } from "../../wire/entry.ts";
import type { Change, Channel, Fence, Message, Read } from "../../wire/messages.ts";
import { Forgetting } from "./forget.ts";
import type { GroupHost, StoredConfig } from "./host.ts";
import { loneCommand } from "./lone.ts";
import { everWritten, isChosen, mayPropose } from "./propose.ts";
import { enact } from "./plan.ts";
import { Replica } from "./replica.ts";
import { Rounds } from "./rounds.ts";
import { Serving } from "./serving.ts";
import { MOVES, type GroupState } from "./states.ts";
import { Term, type ConfirmedBeacon, type PeerState } from "./term.ts";
import * as times from "./times.ts";

/** One placement group on one drive: replica always, primary at times. Events in, effects through the host. */
export class Group {
  readonly id: GroupId;
  readonly #host: GroupHost;
  readonly #log: Log;
  readonly replica: Replica;
  readonly #forgetting: Forgetting;
  readonly #rounds: Rounds;
  #state: GroupState = "following";
  #term: Term | null = null;
  #serving: Serving | null = null;
  /** R3b, R3d: not before this does it propose itself without a published death. */
  #promiseUntilMs: number;
  /** Raised whenever what was under way must not go on: a new epoch, another state. */
  #attempt = 0;
  #reading = false;
  #stopped = false;
  #changing = false;
  #lastTickMs: number;
  readonly #madeMs: number;
  #handingOverMs = 0;
  #savedMs = 0;

  constructor(id: GroupId, host: GroupHost) {
    this.id = id;
    this.#host = host;
    this.#log = host.log.child({ group: groupName(id) });
    this.replica = new Replica(id, host);
    this.#forgetting = new Forgetting(host, this.replica, this.#log);
    this.#rounds = new Rounds(host, this.replica, this.#log, { again: () => this.#tryPeering(), changeConfig: (changes, why) => this.changeConfig(changes, why), startServing: () => this.#startServing() });
    this.#lastTickMs = host.clock.nowMs();
    this.#madeMs = this.#lastTickMs;
    this.#promiseUntilMs = this.#lastTickMs + times.GRACE_MS;
  }

  get state(): GroupState {
    return this.#state;
  }
  /** R7b: why it waits for copies to come back; null when it does not. */
  get waitingFor(): WaitReason | null {
    return this.#state === "peering" ? this.#rounds.waitingFor : null;
  }
  get term(): Term | null {
    return this.#term;
  }
  get serving(): Serving | null {
    return this.#serving;
  }
  /** What is known to be on all members. */
  committedNow(): EntryId {
    return this.#serving?.committedNow() ?? this.replica.image?.committed ?? NO_ENTRY;
  }
  get epoch(): Epoch {
    return this.replica.image?.epoch ?? (0 as Epoch);
  }

  // ---- from the cluster store ----

  /** The watch shows something new, or time has passed: decide whether to act. */
  evaluate(): void {
    const hint = this.#host.hint(this.id);
    if (!hint || this.#stopped) return;
    if (this.#term) {
      if (this.#superseded(hint.config)) this.#check();
      return;
    }
    if (this.#state !== "following" || this.#reading) return;
    if (this.#mayPropose(hint.config)) this.#check();
    else this.#forgetting.consider(hint.config, () => this.#state === "following" && !this.#reading && !this.#stopped);
  }

  /** A higher epoch that is not this term's own change, whose answer may still be on its way. */
  #superseded(config: GroupConfig): boolean {
    const term = this.#term;
    return term !== null && config.epoch > term.epoch && config.nonce !== term.pending?.nonce;
  }

  #mayPropose(config: GroupConfig): boolean {
    return mayPropose(this.#host, this.replica.image, config, this.#promiseUntilMs);
  }

  /** R5: reads the store before anything else; what it says is judged again when it is there. */
  #check(): void {
    if (this.#reading) return;
    this.#reading = true;
    void this.#host.readConfig(this.id).then((stored) => {
      this.#reading = false;
      if (!stored || this.#stopped) return;
      if (this.#term) return this.#superseded(stored.config) ? this.leave("another configuration is current") : undefined;
      if (this.#state === "following" && this.#mayPropose(stored.config)) {
        if (!isChosen(this.#host.driveId, this.replica.image, stored.config)) return this.#propose(stored);
        // R23: durable first; then it goes on as an undamaged member does (R6).
        this.#reading = true;
        this.replica.acceptLoss(stored.config, () => {
          this.#reading = false;
          this.#check();
        });
      }
    });
  }

  #propose(stored: StoredConfig): void {
    const { config, revision } = stored;
    const self = this.#host.driveId;
    assert(config.members.includes(self), "I3: only a member becomes primary");
    const death = this.#host.deadInstance(config.primary);
    if (config.primary !== self && death >= config.primaryInstance && death !== 0) this.#host.refuseInstance(config.primary, death);
    this.#enter("proposing");
    // R3c: from here until it is settled nothing of the old primary is confirmed or acknowledged.
    this.replica.unfence();
    const members = config.primary === self ? config.members : config.members.filter((drive) => drive !== config.primary);
    const proposed = this.#next(config, { primary: self, primaryInstance: this.#host.instance, members });
    void this.#host.writeConfig(this.id, revision, proposed).then(({ won, current }) => {
      if (this.#stopped) return;
      assert(this.#state === "proposing", "a proposal ends in its own state");
      if (!won || !current) {
        this.#promiseUntilMs = this.#host.clock.nowMs() + times.GRACE_MS;
        return this.#enter("following");
      }
      this.#becomePrimary(current);
    });
  }

  #next(config: GroupConfig, changes: Partial<GroupConfig>): GroupConfig {
    return { ...config, ...changes, epoch: (config.epoch + 1) as Epoch, nonce: this.#host.random.id() };
  }

  // ---- primary ----

  #becomePrimary({ config, revision }: StoredConfig): void {
    assert(config.epoch > this.epoch, "I1: epochs only grow");
    this.#enter("peering");
    this.#term = new Term(this.id, this.#host, config, revision);
    this.#log.info("primary of a group, peering", { epoch: config.epoch, members: config.members });
    this.#fenceAll();
  }

  /** Until when this replica has promised to propose nothing (R3b, R3d). */
  get promiseUntilMs(): number {
    return this.#promiseUntilMs;
  }
  /** R3d: a port that refused was not open yet, so what is promised is promised from when it is. */
  promiseAnew(): void {
    this.#promiseUntilMs = this.#host.clock.nowMs() + times.GRACE_MS;
  }

  /** Journals the term's config, then fences everybody in it. */
  #fenceAll(): void {
    const term = this.#term as Term;
    const attempt = (this.#attempt += 1);
    this.replica.appendConfig(term.config, () => {
      if (attempt !== this.#attempt) return;
      for (const peer of term.peers.values()) this.#fence(peer);
      if (this.#state !== "peering") this.#serving?.epochChanged();
      this.#tryPeering();
      this.#host.changed();
    });
  }

  #fence(peer: PeerState): void {
    const term = this.#term as Term;
    if (this.epoch !== term.epoch) return;
    term.fence(peer, () => {
      if (this.#serving && this.#state !== "peering") this.#serving.peerReady(peer);
      else if (term.config.members.includes(peer.drive)) this.#tryPeering();
    });
  }

  channelUp(drive: DriveId): void {
    const peer = this.#term?.peers.get(drive);
    if (peer && !peer.channel) this.#fence(peer);
  }
  channelDown(drive: DriveId, channel: Channel): void {
    const peer = this.#term?.peers.get(drive);
    if (!peer || peer.channel !== channel) return;
    this.#term?.lost(peer);
    this.#serving?.peerLost(peer);
  }

  /** R7 begins when every member has answered this epoch's fence; each new answer begins it anew. */
  #tryPeering(): void {
    const term = this.#term;
    if (!term || this.#state !== "peering" || this.#changing || this.epoch !== term.epoch) return;
    if (this.#serving) {
      // A member came back while the no-op of R7e was under way: what the others told is no longer all they hold.
      this.#serving.end();
      this.#serving = null;
      for (const peer of term.peers.values()) this.#fence(peer);
      // The last one left has nobody to wait for.
      if (term.members().length > 0) return;
    }
    if (!term.members().every((peer) => peer.tail)) return;
    const attempt = (this.#attempt += 1);
    this.#rounds.begin(term, () => attempt === this.#attempt && this.#term === term);
  }

  #startServing(): void {
    const term = this.#term as Term;
    const serving = new Serving(this.id, this.#host, term, this.replica, this.#log, this);
    this.#serving = serving;
    serving.begin(() => {
      if (this.#state !== "peering" || this.#serving !== serving) return;
      this.#enter("serving");
      this.#log.info("serving a group", { epoch: term.epoch, members: term.config.members.length, learners: term.config.learners.length });
      this.#serving?.opened();
    });
  }

  /** R4, R8, R11, R12: one change at a time, settled before the next. False when another is under way. */
  changeConfig(changes: Partial<GroupConfig>, why: string): boolean {
    const term = this.#term;
    if (!term || this.#changing) return false;
    const next = this.#next(term.config, changes);
    assert(next.members.length > 0, "R4: the last member is never removed");
    this.#changing = true;
    term.pending = next;
    term.pendingSinceMs = this.#host.clock.nowMs();
    this.#log.info("changing a group's configuration", { why, epoch: next.epoch, primary: next.primary, members: next.members, learners: next.learners });
    void this.#host.writeConfig(this.id, term.revision, next).then(({ won, current }) => {
      if (this.#term !== term) return;
      this.#changing = false;
      if (!won || !current) return this.leave("the configuration was changed by somebody else");
      if (current.config.primary !== this.#host.driveId || !current.config.members.includes(this.#host.driveId)) return this.leave("handed over");
      assert(this.#state !== "handing-over", "R12: a hand-over ends with another primary");
      this.#serving?.abortRecoveries();
      term.change(current.config, current.revision);
      this.#fenceAll();
    });
    return true;
  }

  /** R12: nothing new is taken in from here on; what is in flight ends first. */
  handOver(changes: Partial<GroupConfig>, why: string): void {
    if (this.#state !== "serving" || this.#changing) return;
    this.#enter("handing-over");
    this.#handingOverMs = this.#host.clock.nowMs();
    this.#serving?.drain(() => {
      if (this.#state !== "handing-over" || this.changeConfig(changes, why)) return;
      this.#enter("serving");
      this.#serving?.reopen();
    });
  }

  /** A higher epoch exists, or the group was handed over: everything held is answered not-primary. */
  leave(why: string): void {
    if (!this.#term) return;
    this.#log.info("no longer primary of a group", { why, epoch: this.#term.epoch });
    this.#attempt += 1;
    this.#rounds.end();
    const serving = this.#serving;
    this.#serving = null;
    this.#term = null;
    this.#changing = false;
    this.#promiseUntilMs = this.#host.clock.nowMs() + times.GRACE_MS;
    this.#enter("following");
    serving?.end();
    this.#host.changed();
  }

  /** This process ends: nothing is begun any more. */
  stop(): void {
    this.#stopped = true;
    this.replica.unfence();
    this.leave("this drive stops");
  }

  // ---- time ----

  tick(): void {
    const now = this.#host.clock.nowMs();
    // R3f: while its own journal hangs, this drive asks nobody to confirm anything, so nobody's silence means anything.
    const hung = this.#host.drive.appendOutstandingMs() > times.REPLICATE_TIMEOUT_MS;
    const stalled = hung || now - this.#lastTickMs > times.STALL_MS;
    this.#lastTickMs = now;
    if (now - this.#savedMs >= times.SAVE_COMMITTED_MS) {
      this.#savedMs = now;
      this.replica.saveCommitted();
    }
    const term = this.#term;
    if (!term) return this.evaluate();
    for (const peer of term.peers.values()) if (!peer.channel || (!peer.tail && now - peer.fencedMs > times.FENCE_AGAIN_MS)) this.#fence(peer);
    if (stalled) {
      term.excuse(now - times.REPLICATE_TIMEOUT_MS / 2);
      return;
    }
    if (this.#state === "handing-over" && !this.#changing && now - this.#handingOverMs > times.HAND_OVER_MAX_MS) {
      this.#enter("serving");
      this.#serving?.reopen();
    }
    this.#shrink(term, now);
    if (this.#state === "serving") {
      this.#serving?.tick();
      enact(this, this.#host, term);
    }
    this.evaluate();
  }

  /** R4: members that are silent or do not acknowledge leave the configuration. */
  #shrink(term: Term, now: number): void {
    if (this.#changing || this.#state === "handing-over" || this.epoch !== term.epoch) return;
    if (this.#state === "peering" && !everWritten(this.replica.image)) return;
    const young = this.#state === "peering" && now - this.#madeMs < times.YOUNG_MS;
    const silent = term.silentMembers(young ? times.YOUNG_PATIENCE_MS : times.REPLICATE_TIMEOUT_MS);
    if (silent.length === 0) return;
    const members = term.config.members.filter((drive) => !silent.some((peer) => peer.drive === drive));
    this.changeConfig({ members }, "a member is silent or does not acknowledge");
  }

  /** From a primary, or one that thinks it is. */
  fromPrimary(channel: Channel, message: Message): void {
    if (message.type === "fence") return this.#fenced(channel, message);
    this.replica.obey(channel, message, this.#state === "following");
  }

  #fenced(channel: Channel, message: Fence): void {
    if (this.replica.refusesEpoch(channel, message)) return;
    const { config } = message;
    const image = this.replica.image;
    const wrong = this.replica.fenceError(channel, message);
    if (wrong) return channel.close(wrong);
    if (!config.members.includes(this.#host.driveId) && !config.learners.includes(this.#host.driveId)) return;
    // R3c, and for a primary: only a higher epoch ends what this replica itself is about.
    if (this.#state === "proposing" || (this.#term && config.epoch <= this.#term.epoch)) return;
    if (this.#term) this.leave("fenced by a primary of a higher epoch");
    for (const { id, instance } of message.dead) this.#host.refuseInstance(id as DriveId, instance);
    this.#promiseUntilMs = this.#host.clock.nowMs() + times.GRACE_MS;
    this.replica.unfence();
    const attempt = (this.#attempt += 1);
    const answer = (): void => {
      if (attempt !== this.#attempt || this.#state !== "following") return;
      this.replica.fenced(channel);
      this.replica.sendTail(channel, message);
    };
    if (image?.config && image.epoch === config.epoch) this.#host.drive.append({ type: "committed", group: this.id, id: image.committed, settled: NO_ENTRY }, answer);
    else this.replica.appendConfig(config, answer);
  }

  /** R3b, R3c: true = the beacon is confirmed, and nobody is proposed for the grace from now on. */
  beacon(channel: Channel, epoch: Epoch, committed: { epoch: Epoch; seq: number }): "confirmed" | "stale" | "ignored" {
    const config = this.replica.image?.config;
    if (!config) return "ignored";
    if (epoch < config.epoch) return "stale";
    if (epoch !== config.epoch || this.#state !== "following" || config.primary !== channel.peer.id || config.primaryInstance !== channel.peer.instance) return "ignored";
    if (!this.replica.streamsOn(channel)) return "ignored";
    this.#promiseUntilMs = this.#host.clock.nowMs() + times.GRACE_MS;
    this.replica.noteCommitted(committed);
    return "confirmed";
  }

  /** R3a. */
  leaseConfirmed(drive: DriveId, epoch: Epoch, beacon: ConfirmedBeacon): void {
    const term = this.#term;
    if (term?.leaseConfirmed(drive, epoch, beacon)) this.#serving?.leasesRenewed();
  }

  /** An answer from a replica on the channel that this process dialled. */
  fromReplica(drive: DriveId, channel: Channel, message: Message): void {
    const term = this.#term;
    if (message.type === "stale-epoch") {
      if (this.#superseded(message.config)) this.leave("a replica knows a higher epoch");
      return;
    }
    const peer = term?.peers.get(drive);
    if (!term || !peer || peer.channel !== channel) return;
    if (message.type === "replicated") return this.#serving?.acknowledged(peer, message);
    if (message.type === "gap") return this.#serving?.gap(peer, message);
    term.answered(drive, message);
  }

  command(channel: Channel, message: Read | Change): void {
    if (this.#state === "serving" && this.#serving) return this.#serving.command(channel, message);
    loneCommand(this.#host, this.replica.image, channel, message, this.epoch);
  }

  #enter(state: GroupState): void {
    assert(MOVES[this.#state].includes(state), `a group does not move from ${this.#state} to ${state}`);
    this.#state = state;
    this.#host.changed();
  }
}
