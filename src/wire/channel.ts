import { FormatError, Writer } from "../base/bytes.ts";
import type { Socket, SocketEvents } from "../platform/platform.ts";
import { DATA_BYTES_MAX, decodeMessage, HEAD_BYTES_MAX, MESSAGE_TYPES, messageData, writeHead } from "./codec.ts";
import { encodeFrame, FRAME_HEADER_BYTES, FrameParser, writeFrame, type FrameFields, type FrameHeader } from "./frame.ts";
import { HELLO_LIMITS } from "./hello.ts";
import type { Channel, ChannelEvents, Message, Peer } from "./messages.ts";

/** Messages are laid one behind the other in a block of this size, and those of one turn leave in one write. */
const SLAB_BYTES = 64 * 1024;
/** Up to here data is copied behind its message; longer data leaves from where it lies, which costs less than the copy. */
const COPY_BYTES_MAX = 16 * 1024;
/** Fields longer than this, which only peering and recovery have, are made in memory of their own. */
const SHARED_HEAD_BYTES_MAX = 4096;
/** A peer that takes nothing while this much waits for it is closed: its groups go on without it, and it comes back as a learner. */
const QUEUED_BYTES_MAX = 256 * 1024 * 1024;

const NO_SLAB = Buffer.alloc(0);
// Used and left within one synchronous call, so all channels share it.
let heads = new Writer(SHARED_HEAD_BYTES_MAX);

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
  /** What is before the slab's unsent bytes, in order. */
  #outgoing: Buffer[] = [];
  #outgoingBytes = 0;
  #slab: Buffer = NO_SLAB;
  /** Bytes from `#sent` to `#filled` of the slab wait to be written. What was sent is never written over: the socket may hold on to it. */
  #sent = 0;
  #filled = 0;
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
    this.#queueFrame(type, { group: 0, tag: 0, epoch: 0, instance: this.#instance }, head, 0);
  }

  send(message: Message): void {
    if (this.#closed) return;
    const data = messageData(message);
    const fields = { group: message.group, tag: message.tag, epoch: message.epoch, instance: this.#instance };
    writeHead(heads.reset(), message);
    this.#queueFrame(MESSAGE_TYPES[message.type], fields, heads.finish(), data.length);
    if (heads.length > SHARED_HEAD_BYTES_MAX) heads = new Writer(SHARED_HEAD_BYTES_MAX);
    if (data.length > COPY_BYTES_MAX) this.#queueApart(data);
    else if (data.length > 0) {
      const at = this.#room(data.length);
      data.copy(this.#slab, at);
    }
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

  #queueFrame(type: number, fields: FrameFields, head: Buffer, dataBytes: number): void {
    const length = FRAME_HEADER_BYTES + head.length;
    if (length > COPY_BYTES_MAX) return this.#queueApart(encodeFrame(type, fields, head, dataBytes));
    const at = this.#room(length);
    writeFrame(this.#slab, at, type, fields, head, dataBytes);
  }

  /** Where in the slab `bytes` more go, at most COPY_BYTES_MAX. */
  #room(bytes: number): number {
    if (this.#filled + bytes > this.#slab.length) {
      this.#endSlab();
      this.#slab = Buffer.allocUnsafe(SLAB_BYTES);
      this.#sent = 0;
      this.#filled = 0;
    }
    const at = this.#filled;
    this.#filled += bytes;
    this.#queued(bytes);
    return at;
  }

  #queueApart(bytes: Buffer): void {
    this.#endSlab();
    this.#outgoing.push(bytes);
    this.#queued(bytes.length);
  }

  /** What the slab holds goes before what comes next. */
  #endSlab(): void {
    if (this.#filled > this.#sent) this.#outgoing.push(this.#slab.subarray(this.#sent, this.#filled));
    this.#sent = this.#filled;
  }

  /** Everything sent in one turn leaves in as few writes as it takes. */
  #queued(bytes: number): void {
    this.#outgoingBytes += bytes;
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#closed || this.#outgoingBytes === 0) return;
    this.#endSlab();
    const outgoing = this.#outgoing;
    this.#outgoing = [];
    this.#outgoingBytes = 0;
    for (const bytes of outgoing) this.#socket.write(bytes);
  }

  #ended(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#outgoing = [];
    this.#outgoingBytes = 0;
    this.#slab = NO_SLAB;
    this.#sent = 0;
    this.#filled = 0;
    this.#events?.closed(reason);
    this.#onClosed(reason);
  }
}
