import type { DriveId, Instance } from "../../src/base/ids.ts";
import { decodeMessage, encodeHead, MESSAGE_TYPES, messageData } from "../../src/wire/codec.ts";
import type { Dialer } from "../../src/wire/dialer.ts";
import type { Hello } from "../../src/wire/hello.ts";
import type { Channel, ChannelEvents, Message, Peer } from "../../src/wire/messages.ts";
import type { Chance } from "./chance.ts";
import type { SimulatedProcess } from "./process.ts";
import type { SimulatedTime } from "./time.ts";

const CONNECT_TIMEOUT_MS = 2000;
/** A port that says nothing is given up on, by whoever asks for proof. */
const PORT_TIMEOUT_MS = 800;
const HELLO_TIMEOUT_MS = 5000;

export interface Place {
  readonly process: SimulatedProcess;
  readonly server: string;
}
interface Named {
  readonly process: { readonly name: string };
  readonly server: string;
}
/** A process that takes calls. */
export interface Listening extends Place {
  readonly instance: Instance;
  refuse(hello: Hello): string | null;
  accept(channel: Channel): ChannelEvents;
}

/** Channels between simulated processes: in order, delayed, held up by partitions, cut at will. */
export class SimulatedNetwork {
  readonly time: SimulatedTime;
  readonly chance: Chance;
  readonly listening = new Map<string, Listening>();
  /** "a>b": nothing gets from a to b; each is the name of a server or of a process. */
  readonly #blocked = new Set<string>();
  readonly ends = new Set<End>();
  /** Servers without power: they do not even say that a port is closed. */
  readonly dark = new Set<string>();
  /** Asked for each message; true = it is lost with its channel. */
  cuts: (message: Message) => boolean = () => false;
  /** Each message as it is delivered. */
  delivered: (from: Peer, to: string, message: Message) => void = () => {};
  /** Each message as it is sent. */
  sent: (from: End, message: Message) => void = () => {};
  delayMs: () => number;

  constructor(time: SimulatedTime, chance: Chance) {
    this.time = time;
    this.chance = chance;
    this.delayMs = () => (chance.happens(0.02) ? chance.between(5, 80) : chance.between(0.05, 1));
  }

  isBlocked(from: Named, to: Named): boolean {
    if (this.#blocked.size === 0 && this.dark.size === 0) return false;
    if (this.dark.has(from.server) || this.dark.has(to.server)) return true;
    const [sender, receiver] = [from.process.name, to.process.name];
    return [`${from.server}>${to.server}`, `${from.server}>${receiver}`, `${sender}>${to.server}`, `${sender}>${receiver}`].some((way) => this.#blocked.has(way));
  }
  block(from: string, to: string): void {
    this.#blocked.add(`${from}>${to}`);
  }
  unblock(from: string, to: string): void {
    this.#blocked.delete(`${from}>${to}`);
    this.#released();
  }
  unblockAll(): void {
    this.#blocked.clear();
    this.#released();
  }
  lit(server: string): void {
    this.dark.delete(server);
    this.#released();
  }
  #released(): void {
    for (const end of this.ends) end.released();
  }

  /** R24: what the port of a drive that belongs to `to` answers to somebody at `from`. */
  askPort(from: Place, drive: DriveId, to: Named): Promise<"refused" | "unknown"> {
    return new Promise((resolve) => {
      const answer = (delayMs: number, what: "refused" | "unknown"): void => void from.process.timer(delayMs, () => resolve(what));
      this.time.timer(this.delayMs(), () => {
        if (this.isBlocked(from, to) || this.isBlocked(to, from)) return answer(PORT_TIMEOUT_MS, "unknown");
        answer(this.delayMs(), this.listening.get(drive)?.process.alive ? "unknown" : "refused");
      });
    });
  }

  dialer(process: SimulatedProcess, server: string, self: Peer): Dialer {
    return {
      dial: ({ driveId }, events) =>
        new Promise((resolve, reject) => {
          let done = false;
          const fail = (delayMs: number, reason: string): void =>
            void process.timer(delayMs, () => {
              if (!done) reject(new Error(reason));
              done = true;
            });
          fail(HELLO_TIMEOUT_MS, "no answer to the hello");
          this.time.timer(this.delayMs() * 2, () => {
            const callee = this.listening.get(driveId);
            if (!process.alive) return;
            const caller = { process, server };
            if (callee && (this.isBlocked(caller, callee) || this.isBlocked(callee, caller))) return fail(CONNECT_TIMEOUT_MS, "no answer");
            if (!callee || !callee.process.alive) return fail(this.delayMs(), "refused");
            callee.process.happen(() => {
              if (done || !process.alive) return;
              const reason = callee.refuse({ peer: self, driveId } as unknown as Hello);
              if (reason !== null) return fail(this.delayMs(), reason);
              const near = new End(this, process, server, self, { kind: "drive", id: driveId, instance: callee.instance });
              const far = new End(this, callee.process, callee.server, near.peer, self);
              near.other = far;
              far.other = near;
              far.events = callee.accept(far);
              this.time.timer(this.delayMs(), () =>
                process.happen(() => {
                  if (done) return near.close("nobody waits for it any more");
                  done = true;
                  if (near.closed) return reject(new Error("the channel broke before it was open"));
                  near.events = events(near);
                  resolve(near);
                  // What the other end said meanwhile; a channel delivers nothing before its caller has it.
                  queueMicrotask(() => near.opened());
                }),
              );
            });
          });
        }),
    };
  }

  /** A channel of a drive breaks; both ends hear of it. */
  cut(end: End): void {
    end.break("the connection was cut");
    end.other?.break("the connection was cut");
  }
}

type InFlight = { readonly kind: "message"; readonly type: number; readonly message: Message; readonly head: Buffer; readonly data: Buffer } | { readonly kind: "close" };

/** One end of a channel. */
export class End implements Channel {
  readonly peer: Peer;
  readonly self: Peer;
  readonly server: string;
  readonly process: SimulatedProcess;
  readonly #network: SimulatedNetwork;
  other: End | null = null;
  /** Operations that were asked through this end, by tag: for who watches what is answered. */
  readonly asked = new Map<number, number>();
  events: ChannelEvents | null = null;
  #early: (() => void)[] | null = null;
  #closed = false;
  /** Sent by the other end and not here yet, oldest first. */
  #coming: InFlight[] = [];
  #held = 0;

  constructor(network: SimulatedNetwork, process: SimulatedProcess, server: string, self: Peer, peer: Peer) {
    this.#network = network;
    this.process = process;
    this.server = server;
    this.self = self;
    this.peer = peer;
    network.ends.add(this);
    process.onDeath.push(() => this.died());
  }

  get closed(): boolean {
    return this.#closed;
  }
  get queuedBytes(): number {
    return 0;
  }
  /** Messages on their way to this end. */
  get comingCount(): number {
    return this.#coming.length;
  }
  send(message: Message): void {
    if (this.#closed || !this.other) return;
    this.#network.sent(this, message);
    if (this.#network.cuts(message)) return this.#network.time.soon(() => this.#network.cut(this));
    this.other.take({ kind: "message", type: MESSAGE_TYPES[message.type], message, head: encodeHead(message), data: Buffer.from(messageData(message)) });
  }
  close(reason: string): void {
    if (this.#closed) return;
    this.#end(reason);
    // What was sent before may still arrive, or go down with the connection.
    if (this.#network.chance.happens(0.5)) this.other?.lose();
    this.other?.take({ kind: "close" });
  }
  /** The network ends it. */
  break(reason: string): void {
    if (this.#network.chance.happens(0.5)) this.#coming = [];
    this.#network.time.timer(this.#network.delayMs(), () => this.process.happen(() => this.#end(reason)));
  }
  lose(): void {
    this.#coming = [];
  }
  died(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#network.ends.delete(this);
    this.other?.take({ kind: "close" });
  }
  opened(): void {
    const early = this.#early ?? [];
    this.#early = null;
    for (const run of early) this.process.happen(run);
  }

  /** What a partition had held up goes on its way, in its order. */
  released(): void {
    const held = this.#held;
    this.#held = 0;
    for (let i = 0; i < held; i += 1) this.#arriveLater();
  }

  take(inFlight: InFlight): void {
    if (this.#closed) return;
    this.#coming.push(inFlight);
    this.#arriveLater();
  }
  #arriveLater(): void {
    this.#network.time.timer(this.#network.delayMs(), () => {
      if (this.other && this.#network.isBlocked(this.other, this)) this.#held += 1;
      // Each arrival hands out the oldest, so that nothing overtakes.
      else this.#arrive(this.#coming.shift());
    });
  }
  #arrive(inFlight: InFlight | undefined): void {
    if (!inFlight) return;
    const run = (): void => {
      if (this.#closed) return;
      if (this.events === null || this.#early) return void (this.#early ??= []).push(run);
      if (inFlight.kind === "close") return this.#end("the other end closed");
      const { group, epoch, tag } = inFlight.message;
      const message = decodeMessage(inFlight.type, { group, epoch, tag }, inFlight.head, inFlight.data);
      this.#network.delivered(this.peer, this.self.id, message);
      this.events.message(message);
    };
    this.process.happen(run);
  }
  #end(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#network.ends.delete(this);
    this.events?.closed(reason);
  }
}

export function peerOf(id: DriveId, instance: Instance): Peer {
  return { kind: "drive", id, instance };
}
