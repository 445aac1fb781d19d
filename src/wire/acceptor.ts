import { FormatError } from "../base/bytes.ts";
import { LineBudget } from "../base/line-budget.ts";
import type { DriveId, Instance } from "../base/ids.ts";
import type { Listener, Platform, Socket, Timer } from "../platform/platform.ts";
import { FramedSocket } from "./channel.ts";
import { decodeHello, encodeChallenge, HELLO_TIMEOUT_MS, HELLO_TYPES, nonce, proof, type Hello } from "./hello.ts";
import type { Channel, ChannelEvents } from "./messages.ts";
import { Writer } from "../base/bytes.ts";

/** Callers that have not proved themselves yet, so that they hold little memory. */
const STRANGERS_MAX = 64;
/** One of them that has had so long, many times what a hello takes, gives its place to a newcomer; else the newcomer is turned away. */
const PLACE_MS = 500;

export interface AcceptorOptions {
  readonly driveId: DriveId;
  readonly instance: Instance;
  readonly clusterId: string;
  readonly clusterKey: Uint8Array;
  /** A sentence when this caller must not come in (a dead or older instance, another incarnation), else null. */
  refuse(hello: Hello): string | null;
  /** A proved channel. */
  accept(channel: Channel): ChannelEvents;
}

/** The drive's end of the storage protocol on one TCP port. */
export async function listenForChannels(platform: Platform, endpoint: { address: string; port: number }, options: AcceptorOptions): Promise<Listener> {
  /** What ends each stranger, and since when it is here; the oldest first. */
  const strangers = new Map<Socket, { readonly sinceMs: number; end(): void }>();
  const lines = new LineBudget();
  return platform.network.listen({ endpoint }, (socket) => {
    const nowMs = platform.clock.nowMs();
    if (strangers.size >= STRANGERS_MAX) {
      const [oldest] = strangers.values();
      if (oldest === undefined || nowMs - oldest.sinceMs < PLACE_MS) {
        socket.destroy();
        return { data() {}, drained() {}, closed() {} };
      }
      oldest.end();
    }
    const framed = greet(platform, socket, options, lines, () => void strangers.delete(socket));
    strangers.set(socket, { sinceMs: nowMs, end: () => framed.close(`more than ${STRANGERS_MAX} connections without a hello`) });
    return framed.socketEvents;
  });
}

function greet(platform: Platform, socket: Socket, options: AcceptorOptions, lines: LineBudget, known: () => void): FramedSocket {
  let helloHead: Buffer | null = null;
  let hello: Hello | null = null;
  let driveNonce: Uint8Array | null = null;
  let stranger = true;
  const settle = (): void => {
    timer.cancel();
    if (stranger) known();
    stranger = false;
  };
  const framed: FramedSocket = new FramedSocket(socket, options.instance, (type, head) => frame(type, head), (reason) => {
    const wasStranger = stranger;
    settle();
    if (wasStranger) strangerClosed(reason);
    else platform.log.info("a storage channel closed", { remote: socket.remote, peer: hello?.peer.id, reason });
  });
  const timer: Timer = platform.clock.timer(HELLO_TIMEOUT_MS, () => framed.close("no hello in time"));

  function strangerClosed(reason: string): void {
    const unwritten = lines.take(platform.clock.nowMs());
    if (unwritten === null) return;
    const before = unwritten > 0 ? { unwrittenBefore: unwritten } : {};
    platform.log.warn("a connection to the storage port was closed before its hello", { remote: socket.remote, reason, ...before });
  }
  function refuse(reason: string): void {
    framed.sendHello(HELLO_TYPES.refused, new Writer().text(reason).finish());
    framed.close(reason);
  }
  function frame(type: number, head: Buffer): void {
    if (type === HELLO_TYPES.hello && !hello) {
      helloHead = Buffer.from(head);
      hello = decodeHello(head);
      if (hello.clusterId !== options.clusterId) return refuse("the caller belongs to another cluster");
      if (hello.driveId !== options.driveId) return refuse(`this is drive ${options.driveId}, not ${hello.driveId}`);
      driveNonce = nonce((count) => platform.random.bytes(count));
      const answer = proof(platform.crypto, options.clusterKey, "drive", helloHead, options.instance, driveNonce);
      return framed.sendHello(HELLO_TYPES.challenge, encodeChallenge({ instance: options.instance, nonce: driveNonce, proof: answer }));
    }
    if (type === HELLO_TYPES.proof && hello && helloHead && driveNonce) {
      const expected = proof(platform.crypto, options.clusterKey, "caller", helloHead, options.instance, driveNonce);
      if (!platform.crypto.equal(expected, head)) return refuse("the caller does not hold the cluster key");
      const reason = options.refuse(hello);
      if (reason) return refuse(reason);
      settle();
      framed.sendHello(HELLO_TYPES.welcome, Buffer.alloc(0));
      framed.open(hello.peer, LATE);
      const events = options.accept(framed);
      framed.open(hello.peer, events);
      return;
    }
    throw new FormatError("frames of the hello out of their order");
  }
  return framed;
}

/** Stands in until `accept` has returned; nothing can arrive in between. */
const LATE: ChannelEvents = { message() {}, closed() {} };
