import { FormatError } from "../base/bytes.ts";
import type { Socket, SocketEvents } from "../platform/platform.ts";
import { DATA_BYTES_MAX, decodeMessage, encodeHead, HEAD_BYTES_MAX, MESSAGE_TYPES, messageData } from "./codec.ts";
import { encodeFrame, FrameParser, type FrameHeader } from "./frame.ts";
import { HELLO_LIMITS } from "./hello.ts";
import type { Channel, ChannelEvents, Message, Peer } from "./messages.ts";

/** Small buffers of one turn are joined into one write up to this size; larger ones go out as they are. */
const JOIN_BYTES_MAX = 32 * 1024;
/** A peer that takes nothing while this much waits for it is closed: its groups go on without it, and it comes back as a learner. */
const QUEUED_BYTES_MAX = 256 * 1024 * 1024;

/**
 * Frames over one socket. First the hello's frames go to `helloFrame`; after `open` messages go to the events. Whatever does
 * not parse closes the socket with a reason, and nobody else notices.
 */
export class FramedSocket implements Channel {
  readonly #socket: Socket;
  readonly #instance: number;
  readonly #parser: FrameParser;
  #peer: Peer | null = null;
  #events: ChannelEvents | null = null;
  #outgoing: Buffer[] = [];
  #outgoingBytes = 0;
  #flushing = false;
  #closed = false;
  readonly #helloFrame: (type: number, head: Buffer) => void;
  readonly #onClosed: (reason: string) => void;

  constructor(socket: Socket, instance: number, helloFrame: (type: number, head: Buffer) => void, onClosed: (reason: string) => void) {
    this.#socket = socket;
    this.#instance = instance;
    this.#helloFrame = helloFrame;
    this.#onClosed = onClosed;
    this.#parser = new FrameParser(
      () => (this.#events ? { headBytesMax: HEAD_BYTES_MAX, dataBytesMax: DATA_BYTES_MAX } : HELLO_LIMITS),
      (header, head, data) => this.#frame(header, head, data),
    );
  }

  readonly socketEvents: SocketEvents = {
    data: (chunk) => {
      if (this.#closed) return;
      try {
        this.#parser.push(chunk);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        this.close(error.message);
      }
    },
    drained: () => {},
    closed: (reason) => this.#ended(reason),
  };

  get remote(): string {
    return this.#socket.remote;
  }
  get peer(): Peer {
    if (!this.#peer) throw new Error("a channel has no peer before its hello");
    return this.#peer;
  }
  get queuedBytes(): number {
    return this.#socket.queuedBytes + this.#outgoingBytes;
  }

  /** The hello has succeeded: messages from now on. */
  open(peer: Peer, events: ChannelEvents): void {
    this.#peer = peer;
    this.#events = events;
  }

  sendHello(type: number, head: Buffer): void {
    this.#queue(encodeFrame(type, { group: 0, tag: 0, epoch: 0, instance: this.#instance }, head, 0));
  }

  send(message: Message): void {
    if (this.#closed) return;
    const data = messageData(message);
    const fields = { group: message.group, tag: message.tag, epoch: message.epoch, instance: this.#instance };
    this.#queue(encodeFrame(MESSAGE_TYPES[message.type], fields, encodeHead(message), data.length));
    if (data.length > 0) this.#queue(data);
    if (this.queuedBytes > QUEUED_BYTES_MAX) this.close("it takes too little of what is sent to it");
  }

  close(reason: string): void {
    if (this.#closed) return;
    if (this.#events) {
      // What has not left must never arrive: its sender goes on elsewhere (R15), and a peer that takes nothing must not keep it in memory.
      this.#socket.destroy();
    } else {
      this.#flush();
      this.#socket.end();
    }
    this.#ended(reason);
  }

  #frame(header: FrameHeader, head: Buffer, data: Buffer): void {
    if (this.#closed) return;
    if (!this.#events) return this.#helloFrame(header.type, head);
    if (header.instance !== this.peer.instance) throw new FormatError(`a frame of instance ${header.instance} on the channel of instance ${this.peer.instance}`);
    this.#events.message(decodeMessage(header.type, { group: header.group, epoch: header.epoch, tag: header.tag }, head, data));
  }

  /** Everything sent in one turn leaves in as few writes as it takes. */
  #queue(bytes: Buffer): void {
    this.#outgoing.push(bytes);
    this.#outgoingBytes += bytes.length;
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    const outgoing = this.#outgoing;
    if (outgoing.length === 0 || this.#closed) return;
    this.#outgoing = [];
    this.#outgoingBytes = 0;
    let start = 0;
    while (start < outgoing.length) {
      let end = start;
      let bytes = 0;
      while (end < outgoing.length && bytes + (outgoing[end] as Buffer).length <= JOIN_BYTES_MAX) bytes += (outgoing[end++] as Buffer).length;
      if (end - start > 1) this.#socket.write(Buffer.concat(outgoing.slice(start, end), bytes));
      else this.#socket.write(outgoing[start] as Buffer);
      start = Math.max(end, start + 1);
    }
  }

  #ended(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#outgoing = [];
    this.#events?.closed(reason);
    this.#onClosed(reason);
  }
}
