import type { DriveId, Instance } from "../base/ids.ts";
import type { Dialer } from "./dialer.ts";
import type { Channel, ChannelEvents, Message, Peer } from "./messages.ts";

/** A drive in this process. */
export interface LocalDrive {
  readonly instance: Instance;
  /** As at a hello: why this caller is not listened to. */
  refuse(hello: { readonly peer: Peer }): string | null;
  /** The dialer's acceptor: same contract as for a channel over TCP. */
  accept(channel: Channel): ChannelEvents;
}

/** Drives of this process (the map may still grow) are reached by a function call in a later microtask; all others through `next`. */
export class LocalDialer implements Dialer {
  readonly #drives: ReadonlyMap<DriveId, LocalDrive>;
  readonly #self: Peer;
  readonly #next: Dialer;
  constructor(self: Peer, next: Dialer, drives: ReadonlyMap<DriveId, LocalDrive>) {
    this.#self = self;
    this.#next = next;
    this.#drives = drives;
  }

  async dial(target: { driveId: DriveId; address: string; port: number }, events: (channel: Channel) => ChannelEvents): Promise<Channel> {
    const drive = this.#drives.get(target.driveId);
    if (!drive) return this.#next.dial(target, events);
    const reason = drive.refuse({ peer: this.#self });
    if (reason !== null) throw new Error(reason);
    const caller = new LocalChannel({ kind: "drive", id: target.driveId, instance: drive.instance });
    const callee = new LocalChannel(this.#self);
    caller.other = callee;
    callee.other = caller;
    callee.events = drive.accept(callee);
    caller.events = events(caller);
    return caller;
  }
}

class LocalChannel implements Channel {
  readonly peer: Peer;
  other: LocalChannel | null = null;
  events: ChannelEvents | null = null;
  #closed = false;
  #queue: Message[] = [];
  constructor(peer: Peer) {
    this.peer = peer;
  }
  get queuedBytes(): number {
    return 0;
  }
  send(message: Message): void {
    if (this.#closed) return;
    // The caller may reuse a write's data once it is done, which can be before the drive has applied it.
    this.other?.deliver(message.type === "write" || message.type === "compare-and-write" ? { ...message, data: Buffer.from(message.data) } : message);
  }
  close(reason: string): void {
    if (this.#closed) return;
    this.#end(reason);
    const other = this.other;
    queueMicrotask(() => {
      if (other) other.#end(reason);
    });
  }
  deliver(message: Message): void {
    this.#queue.push(message);
    if (this.#queue.length === 1) queueMicrotask(() => this.#drain());
  }
  #drain(): void {
    const messages = this.#queue;
    this.#queue = [];
    for (const message of messages) if (!this.#closed) this.events?.message(message);
  }
  #end(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.events?.closed(reason);
  }
}
