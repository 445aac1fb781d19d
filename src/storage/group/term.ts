import type { DriveId, Epoch, GroupId } from "../../base/ids.ts";
import type { GroupConfig } from "../../cluster/schema.ts";
import { NO_ENTRY, type EntryId } from "../../wire/entry.ts";
import type { Channel, Message, Tail } from "../../wire/messages.ts";
import type { GroupHost } from "./host.ts";
import { downUntil, PROOF_MS } from "./lone.ts";

/** What a primary knows of another replica; forgotten with the term. */
export interface PeerState {
  readonly drive: DriveId;
  /** The channel on which it was fenced at this epoch; null until then and after it broke. */
  channel: Channel | null;
  /** Its answer to this epoch's fence. */
  tail: Tail | null;
  /** Everything up to this id is durable there. */
  acknowledged: EntryId;
  /** Receives the ordered stream: members always, learners from their catch-up on. */
  streaming: boolean;
  /** R3a: reads may be answered until then, as far as this replica is concerned. */
  leaseUntilMs: number;
  /** Number of the newest beacon that it confirmed at this epoch. */
  confirmedBeacon: number;
  /** R24: it is proved to be down until then. */
  downUntilMs: number;
  /** R24: it is taken for lost without proof until then; never a link in the chain of a proof. */
  takenUntilMs: number;
  /** Sending time of the newest beacon it confirmed, or when the fence to it was first due (R4). */
  heardMs: number;
  /** When the fence of this epoch was last sent. */
  fencedMs: number;
  /** When the oldest entry that it has not acknowledged was sent; Infinity = none. */
  owedSinceMs: number;
}

/** R3a: a beacon that another drive has confirmed, by the clock and the count of who sent it. */
export interface ConfirmedBeacon {
  readonly number: number;
  readonly sentMs: number;
  /** The lease's end. */
  readonly untilMs: number;
}

/**
 * One drive's time as primary of a group, from the won compare-and-set until it leaves. Survives its own changes of the
 * configuration (each a new epoch); whatever was asked of a peer under an older epoch gets no answer.
 */
export class Term {
  config: GroupConfig;
  revision: number;
  /** R26: of the configuration that made this drive primary. Whoever fenced before it counts on this drive knowing all bans up to here. */
  readonly begunRevision: number;
  readonly peers = new Map<DriveId, PeerState>();
  /** R8, R11c: another configuration that may already be current. */
  pending: GroupConfig | null = null;
  /** Since when `pending` waits to be settled. */
  pendingSinceMs = 0;
  /** Who answers what: by tag. */
  readonly #expected = new Map<number, { peer: DriveId; answer: (message: Message) => void }>();
  readonly #group: GroupId;
  readonly #host: GroupHost;

  constructor(group: GroupId, host: GroupHost, config: GroupConfig, revision: number) {
    this.#group = group;
    this.#host = host;
    this.config = config;
    this.revision = revision;
    this.begunRevision = revision;
    this.#keepPeers();
  }

  get epoch(): Epoch {
    return this.config.epoch;
  }

  /** A new epoch of the same primary: every peer is fenced anew. */
  change(config: GroupConfig, revision: number): void {
    this.config = config;
    this.revision = revision;
    this.pending = null;
    this.#expected.clear();
    this.#keepPeers();
  }

  #keepPeers(): void {
    const others = [...this.config.members, ...this.config.learners].filter((drive) => drive !== this.#host.driveId);
    for (const drive of this.peers.keys()) if (!others.includes(drive)) this.peers.delete(drive);
    for (const drive of others) {
      const known = this.peers.get(drive);
      this.peers.set(drive, {
        drive,
        channel: null,
        tail: null,
        acknowledged: known?.acknowledged ?? NO_ENTRY,
        streaming: false,
        leaseUntilMs: 0,
        confirmedBeacon: 0,
        downUntilMs: 0,
        takenUntilMs: 0,
        heardMs: this.#host.clock.nowMs(),
        owedSinceMs: Infinity,
        fencedMs: 0,
      });
    }
  }

  /** Members other than this drive. */
  members(): PeerState[] {
    return this.config.members.flatMap((drive) => this.peers.get(drive) ?? []);
  }

  /** R1, R8: everybody whose acknowledgement and lease counts: the union of all configurations that may be current. */
  required(): PeerState[] {
    const drives = new Set([...this.config.members, ...(this.pending?.members ?? [])]);
    drives.delete(this.#host.driveId);
    return [...drives].flatMap((drive) => this.peers.get(drive) ?? []);
  }

  /** R7a: sends this epoch's config on the channel that is up; `answered` is called with the peer's tail in place. */
  fence(peer: PeerState, answered: () => void): void {
    const channel = this.#host.channelTo(peer.drive);
    if (!channel) return;
    this.lost(peer);
    peer.channel = channel;
    peer.fencedMs = this.#host.clock.nowMs();
    // R18: every member refuses the frames of instances that were acted on as dead, before it reports its tail.
    const dead = [...this.#host.refused()].map(([id, instance]) => ({ id, instance }));
    this.ask(peer, (shared) => ({ ...shared, type: "fence", config: this.config, dead }), (answer) => {
      if (answer.type !== "tail") return;
      peer.tail = answer;
      peer.heardMs = this.#host.clock.nowMs();
      answered();
    });
  }

  /** R3a, R3e: leases are of one epoch. */
  leaseConfirmed(drive: DriveId, epoch: Epoch, beacon: ConfirmedBeacon): boolean {
    const peer = this.peers.get(drive);
    if (!peer || epoch !== this.epoch) return false;
    peer.heardMs = Math.max(peer.heardMs, beacon.sentMs);
    peer.leaseUntilMs = Math.max(peer.leaseUntilMs, beacon.untilMs);
    peer.confirmedBeacon = Math.max(peer.confirmedBeacon, beacon.number);
    return true;
  }

  /** R24: the port of a member refused. `serving`: this replica serves as primary. */
  portRefused(drive: DriveId, sentMs: number, serving: boolean): void {
    const peer = this.peers.get(drive);
    if (!peer) return;
    const nowMs = this.#host.clock.nowMs();
    peer.downUntilMs = downUntil({ untilMs: peer.downUntilMs }, { sentMs, nowMs, promised: serving && peer.leaseUntilMs > nowMs });
  }
  takenForLost(drive: DriveId): void {
    const peer = this.peers.get(drive);
    if (peer) peer.takenUntilMs = this.#host.clock.nowMs() + PROOF_MS;
  }
  /** R24: something answers at a member's port, or it is not known whether. */
  portUnproved(drive: DriveId): void {
    const peer = this.peers.get(drive);
    if (peer) peer.downUntilMs = 0;
  }

  /** Silence up to now was this process's own fault: it counts from `fromMs` at the earliest. */
  excuse(fromMs: number): void {
    for (const peer of this.peers.values()) {
      peer.heardMs = Math.max(peer.heardMs, fromMs);
      if (peer.owedSinceMs !== Infinity) peer.owedSinceMs = Math.max(peer.owedSinceMs, fromMs);
    }
  }

  /** R4: members that have confirmed or acknowledged nothing for longer than `patienceMs`. */
  silentMembers(patienceMs: number): PeerState[] {
    const now = this.#host.clock.nowMs();
    return this.members().filter((peer) => now - peer.heardMs > patienceMs || now - peer.owedSinceMs > patienceMs);
  }

  /** Sends a request of this epoch; `answer` is called at most once, and never after the epoch, the channel or the term ended. */
  ask(peer: PeerState, make: (common: { group: GroupId; epoch: Epoch; tag: number }) => Message, answer: (message: Message) => void): void {
    if (!peer.channel) return;
    const tag = this.#host.nextTag();
    this.#expected.set(tag, { peer: peer.drive, answer });
    this.#host.send(peer.channel, make({ group: this.#group, epoch: this.epoch, tag }));
  }
  answered(peer: DriveId, message: Message): void {
    const expected = this.#expected.get(message.tag);
    if (!expected || expected.peer !== peer || message.epoch !== this.epoch) return;
    this.#expected.delete(message.tag);
    expected.answer(message);
  }
  /** The channel to a peer broke: nothing asked on it will be answered. */
  lost(peer: PeerState): void {
    peer.channel = null;
    peer.tail = null;
    peer.streaming = false;
    for (const [tag, expected] of this.#expected) if (expected.peer === peer.drive) this.#expected.delete(tag);
  }
}
