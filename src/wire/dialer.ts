import { FormatError, Reader } from "../base/bytes.ts";
import type { DriveId, Instance } from "../base/ids.ts";
import type { Platform } from "../platform/platform.ts";
import { FramedSocket } from "./channel.ts";
import { decodeChallenge, encodeHello, HELLO_TIMEOUT_MS, HELLO_TYPES, nonce, proof, WIRE_VERSION } from "./hello.ts";
import type { Channel, ChannelEvents, Peer } from "./messages.ts";

const CONNECT_TIMEOUT_MS = 2000;

/** How a drive or gateway reaches a drive. */
export interface Dialer {
  /** Resolves with a proved channel, rejects with a sentence. `events` are not called before. */
  dial(target: { driveId: DriveId; address: string; port: number }, events: (channel: Channel) => ChannelEvents): Promise<Channel>;
}

export interface DialerOptions {
  readonly self: Peer;
  readonly clusterId: string;
  readonly incarnation: () => number;
  readonly clusterKey: Uint8Array;
}

export class TcpDialer implements Dialer {
  readonly #platform: Platform;
  readonly #options: DialerOptions;
  #connections = 0;
  constructor(platform: Platform, options: DialerOptions) {
    this.#platform = platform;
    this.#options = options;
  }

  dial(target: { driveId: DriveId; address: string; port: number }, events: (channel: Channel) => ChannelEvents): Promise<Channel> {
    const { self, clusterId, clusterKey, incarnation } = this.#options;
    const platform = this.#platform;
    const connection = (this.#connections += 1);
    return new Promise((resolve, reject) => {
      let driveInstance: Instance | null = null;
      let done = false;
      let framed: FramedSocket | null = null;
      const hello = encodeHello({
        version: WIRE_VERSION, clusterId, incarnation: incarnation(), peer: self, connection, driveId: target.driveId,
        nonce: nonce((count) => platform.random.bytes(count)),
      });
      const fail = (reason: string): void => {
        timer.cancel();
        if (done) return;
        done = true;
        framed?.close(reason);
        reject(new Error(`drive ${target.driveId} at ${target.address}:${target.port}: ${reason}`));
      };
      const timer = platform.clock.timer(CONNECT_TIMEOUT_MS + HELLO_TIMEOUT_MS, () => fail("no answer to the hello"));
      const frame = (type: number, head: Buffer): void => {
        const channel = framed as FramedSocket;
        if (type === HELLO_TYPES.refused) return fail(new Reader(head).text(1000));
        if (type === HELLO_TYPES.challenge && driveInstance === null) {
          const challenge = decodeChallenge(head);
          const expected = proof(platform.crypto, clusterKey, "drive", hello, challenge.instance, challenge.nonce);
          if (!platform.crypto.equal(expected, challenge.proof)) return fail("it does not hold the cluster key");
          driveInstance = challenge.instance;
          return channel.sendHello(HELLO_TYPES.proof, Buffer.from(proof(platform.crypto, clusterKey, "caller", hello, challenge.instance, challenge.nonce)));
        }
        if (type === HELLO_TYPES.welcome && driveInstance !== null && !done) {
          done = true;
          timer.cancel();
          const peer: Peer = { kind: "drive", id: target.driveId, instance: driveInstance };
          channel.open(peer, { message() {}, closed() {} });
          channel.open(peer, events(channel));
          return resolve(channel);
        }
        throw new FormatError("frames of the hello out of their order");
      };
      platform.network
        .connect({ endpoint: { address: target.address, port: target.port }, timeoutMs: CONNECT_TIMEOUT_MS, lingerZero: self.kind === "gateway" }, (socket) => {
          framed = new FramedSocket(socket, self.instance, frame, (reason) => fail(reason));
          const { socketEvents } = framed;
          // The caller was already told that nothing came of it.
          if (done) framed.close("connected too late");
          return socketEvents;
        })
        .then(() => framed?.sendHello(HELLO_TYPES.hello, hello))
        .catch((error: Error) => fail(error.message));
    });
  }
}
