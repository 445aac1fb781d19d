import { describe, expect, test } from "bun:test";
import type { DriveId, Instance } from "../../src/base/ids.ts";
import { listenForChannels, type AcceptorOptions } from "../../src/wire/acceptor.ts";
import { FramedSocket } from "../../src/wire/channel.ts";
import { TcpDialer, type DialerOptions } from "../../src/wire/dialer.ts";
import { encodeFrame } from "../../src/wire/frame.ts";
import { HELLO_TIMEOUT_MS } from "../../src/wire/hello.ts";
import type { Channel, Message } from "../../src/wire/messages.ts";
import { FakeClock, fakePlatform, settle } from "../volume/fake-platform.ts";
import { EXAMPLES } from "./examples.ts";
import { FakeNetwork, FakeSocket } from "./fake-network.ts";

const CLUSTER = "0123456789abcdef0123456789abcdef";
const DRIVE = "00000000000000a1" as DriveId;
const KEY = new Uint8Array(32).fill(1);
const TARGET = { driveId: DRIVE, address: "127.0.0.1", port: 7000 };

interface End {
  readonly channels: Channel[];
  readonly messages: Message[];
  readonly closed: string[];
}
function end(): End & { accept(channel: Channel): { message(message: Message): void; closed(reason: string): void } } {
  const state: End = { channels: [], messages: [], closed: [] };
  return {
    ...state,
    accept(channel) {
      state.channels.push(channel);
      return { message: (message) => void state.messages.push(message), closed: (reason) => void state.closed.push(reason) };
    },
  };
}

/** A drive that listens and a dialer that means to reach it; either may be told wrong things. */
async function world(wrong: { acceptor?: Partial<AcceptorOptions>; dialer?: Partial<DialerOptions> } = {}) {
  const clock = new FakeClock();
  const network = new FakeNetwork();
  const platform = fakePlatform(clock, { network });
  const [drive, caller] = [end(), end()];
  await listenForChannels(platform, TARGET, {
    driveId: DRIVE, instance: 8 as Instance, clusterId: CLUSTER, clusterKey: KEY, refuse: () => null, accept: (channel) => drive.accept(channel), ...wrong.acceptor,
  });
  const dialer = new TcpDialer(platform, { self: { kind: "gateway", id: "5", instance: 5 as Instance }, clusterId: CLUSTER, incarnation: () => 1, clusterKey: KEY, ...wrong.dialer });
  const dial = (): Promise<Channel> => clock.until(dialer.dial(TARGET, (channel) => caller.accept(channel)));
  return { clock, network, platform, drive, caller, dial };
}
type World = Awaited<ReturnType<typeof world>>;

/** A caller that speaks bytes; what it is sent is in `received`. */
async function raw({ network }: World): Promise<{ socket: FakeSocket; received: Buffer[] }> {
  const received: Buffer[] = [];
  const socket = (await network.connect({ endpoint: TARGET, timeoutMs: 1 }, () => ({ data: (chunk) => void received.push(chunk), drained() {}, closed() {} }))) as FakeSocket;
  return { socket, received };
}

describe("two ends that hold the cluster key", () => {
  test("know each other and carry every type of message both ways", async () => {
    const w = await world();
    const channel = await w.dial();
    expect(channel.peer).toEqual({ kind: "drive", id: DRIVE, instance: 8 as Instance });
    const far = w.drive.channels[0] as Channel;
    expect(far.peer).toEqual({ kind: "gateway", id: "5", instance: 5 as Instance });
    const all = Object.values(EXAMPLES);
    for (const message of all) {
      channel.send(message);
      far.send(message);
    }
    await settle();
    expect(w.drive.messages).toEqual(all);
    expect(w.caller.messages).toEqual(all);
  });

  test("learn once that the other has closed, and nothing is sent afterwards", async () => {
    const w = await world();
    const channel = await w.dial();
    channel.close("enough");
    channel.close("again");
    channel.send(EXAMPLES.settled);
    await settle();
    expect(w.caller.closed).toEqual(["enough"]);
    expect(w.drive.closed.length).toBe(1);
    expect(w.drive.messages).toEqual([]);
  });
});

describe("a caller is refused with a reason", () => {
  const refused: [string, Parameters<typeof world>[0], RegExp][] = [
    ["when it holds another key", { dialer: { clusterKey: new Uint8Array(32) } }, /does not hold the cluster key/],
    ["when it belongs to another cluster", { dialer: { clusterId: "f".repeat(32) } }, /another cluster/],
    ["when it means another drive", { acceptor: { driveId: "00000000000000ff" as DriveId } }, /this is drive 00000000000000ff/],
    ["when the drive knows why", { acceptor: { refuse: () => "instance 5 is dead" } }, /instance 5 is dead/],
  ];
  for (const [when, wrong, reason] of refused) {
    test(when, async () => {
      const w = await world(wrong);
      await expect(w.dial()).rejects.toThrow(reason);
      await w.clock.pass(10_000);
      expect(w.drive.channels).toEqual([]);
      expect(w.caller.channels).toEqual([]);
      expect(w.network.sockets.every((socket) => socket.closed !== null)).toBe(true);
    });
  }

  test("when it skips the check of the drive's proof and sends one made with another key", async () => {
    // A drive with another key is found out by an honest caller; here the caller's proof alone is wrong.
    const w = await world();
    await w.dial();
    const said = (w.network.sockets[0] as FakeSocket).written;
    const thief = await raw(w);
    thief.socket.write(said[0] as Buffer);
    await settle();
    thief.socket.write(encodeFrame(3, { group: 0, tag: 0, epoch: 0, instance: 5 }, Buffer.alloc(32, 9), 0));
    await settle();
    expect(Buffer.concat(thief.received).includes("the caller does not hold the cluster key")).toBe(true);
    expect(thief.socket.closed).not.toBeNull();
    expect(w.drive.channels.length).toBe(1);
  });

  test("when it plays back a hello and proof that were good once", async () => {
    const w = await world();
    await w.dial();
    const said = [...(w.network.sockets[0] as FakeSocket).written];
    const thief = await raw(w);
    for (const bytes of said) {
      thief.socket.write(bytes);
      await settle();
    }
    expect(w.drive.channels.length).toBe(1);
    expect(thief.socket.closed).not.toBeNull();
  });
});

test("a drive that does not hold the key is left by the caller before it sends its own proof", async () => {
  const w = await world({ acceptor: { clusterKey: new Uint8Array(32) } });
  await expect(w.dial()).rejects.toThrow(/does not hold the cluster key/);
  await settle();
  expect((w.network.sockets[0] as FakeSocket).written.length).toBe(1);
});

describe("before its hello is done a caller", () => {
  test("that says nothing is closed in time, and a slow one too", async () => {
    const w = await world();
    const silent = await raw(w);
    const slow = await raw(w);
    slow.socket.write(Buffer.from("VSF1"));
    await w.clock.pass(HELLO_TIMEOUT_MS - 10);
    expect(silent.socket.closed).toBeNull();
    await w.clock.pass(20);
    expect(silent.socket.closed).not.toBeNull();
    expect(slow.socket.closed).not.toBeNull();
    expect(w.platform.lines.filter((line) => line.includes("before its hello")).length).toBe(2);
  });

  test("is closed for garbage, for a message, for frames out of order and for a frame larger than a hello", async () => {
    const frame = (type: number, headBytes: number, dataBytes: number): Buffer => encodeFrame(type, { group: 0, tag: 0, epoch: 0, instance: 5 }, Buffer.alloc(headBytes), dataBytes);
    for (const bytes of [Buffer.alloc(48, 0x41), frame(14, 0, 0), frame(3, 32, 0), frame(2, 10, 0), frame(1, 1025, 0), frame(1, 10, 1), frame(1, 50, 0)]) {
      const w = await world();
      const stranger = await raw(w);
      stranger.socket.write(bytes);
      await settle();
      expect(stranger.socket.closed).not.toBeNull();
      expect(w.drive.channels).toEqual([]);
    }
  });

  test("cannot keep others out by coming in great numbers", async () => {
    const w = await world();
    const strangers = await Promise.all(Array.from({ length: 100 }, () => raw(w)));
    expect(strangers.filter(({ socket }) => socket.closed === null).length).toBe(64);
    await w.clock.pass(HELLO_TIMEOUT_MS + 10);
    expect((await w.dial()).peer.instance).toBe(8 as Instance);
  });

  test("that says nothing gives its place to a newcomer before its time is over", async () => {
    const w = await world();
    const strangers = await Promise.all(Array.from({ length: 64 }, () => raw(w)));
    await w.clock.pass(1_000);
    expect((await w.dial()).peer.instance).toBe(8 as Instance);
    expect(strangers.map(({ socket }) => socket.closed !== null)).toEqual(strangers.map((_, index) => index === 0));
  });

  test("cannot fill the log", async () => {
    const w = await world();
    for (let n = 0; n < 100; n++) {
      (await raw(w)).socket.write(Buffer.alloc(48, 0x41));
      await settle();
    }
    expect(w.platform.lines.filter((line) => line.includes("before its hello")).length).toBe(20);
  });
});

test("a caller whose drive never answers gives up", async () => {
  const w = await world();
  const network = new FakeNetwork();
  await network.listen({ endpoint: TARGET }, () => ({ data() {}, drained() {}, closed() {} }));
  const dialer = new TcpDialer({ ...w.platform, network }, { self: { kind: "gateway", id: "5", instance: 5 as Instance }, clusterId: CLUSTER, incarnation: () => 1, clusterKey: KEY });
  await expect(w.clock.until(dialer.dial(TARGET, (channel) => w.caller.accept(channel)))).rejects.toThrow(/no answer to the hello/);
  await w.clock.pass(10_000);
  expect(network.sockets.every((socket) => socket.closed !== null)).toBe(true);
});

describe("an open channel", () => {
  test("is closed with a reason by garbage, by a frame over its bound, and by a frame of another instance", async () => {
    const cases: [Buffer, string][] = [
      [Buffer.alloc(48, 0x41), "bytes that are no frame"],
      [encodeFrame(40, { group: 0, tag: 0, epoch: 0, instance: 5 }, Buffer.alloc(0), 64 * 1024 * 1024), "over its bound"],
      [encodeFrame(14, { group: 0, tag: 0, epoch: 0, instance: 6 }, Buffer.alloc(0), 0), "a frame of instance 6"],
      [encodeFrame(99, { group: 0, tag: 0, epoch: 0, instance: 5 }, Buffer.alloc(0), 0), "unknown type"],
      [encodeFrame(1, { group: 0, tag: 0, epoch: 0, instance: 5 }, Buffer.alloc(0), 0), "unknown type"],
    ];
    for (const [bytes, reason] of cases) {
      const w = await world();
      await w.dial();
      (w.network.sockets[0] as FakeSocket).write(bytes);
      await settle();
      expect(w.drive.closed.length).toBe(1);
      expect(w.drive.closed[0]).toContain(reason);
      expect(w.drive.messages).toEqual([]);
      expect(w.caller.closed.length).toBe(1);
    }
  });

  test("delivers nothing of a frame that was cut off", async () => {
    const w = await world();
    const channel = await w.dial();
    channel.send(EXAMPLES.settled);
    await settle();
    const [near] = w.network.sockets as [FakeSocket];
    near.write((near.written.at(-1) as Buffer).subarray(0, 40));
    near.destroy();
    await settle();
    expect(w.drive.messages).toEqual([EXAMPLES.settled]);
    expect(w.drive.closed.length).toBe(1);
  });

  test("is closed when its peer takes nothing of very much", async () => {
    const w = await world();
    const channel = await w.dial();
    (w.network.sockets[0] as FakeSocket).stuck = true;
    const message = { ...EXAMPLES.copy, range: { ...EXAMPLES.copy.range, first: 0, count: 1024 }, checksums: new Uint32Array(1024).fill(1), data: Buffer.alloc(4 * 1024 * 1024) };
    for (let i = 0; i < 100 && w.caller.closed.length === 0; i += 1) {
      channel.send(message);
      await settle();
    }
    expect(w.caller.closed).toEqual(["it takes too little of what is sent to it"]);
  });

  test("throws away what had not left when it is closed, so that nothing arrives after its sender went elsewhere", () => {
    const socket = new FakeSocket();
    const framed = new FramedSocket(socket, 5, () => {}, () => {});
    framed.open({ kind: "drive", id: DRIVE, instance: 8 as Instance }, { message() {}, closed() {} });
    framed.send(EXAMPLES.write);
    framed.close("the primary has changed");
    expect(socket.written).toEqual([]);
    expect(socket.closed).not.toBeNull();
  });
});
