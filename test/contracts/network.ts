import { afterEach, expect, test } from "bun:test";
import type { Endpoint, Listener, Network, Socket, SocketEvents } from "../../src/platform/platform.ts";

export interface NetworkUnderTest {
  readonly network: Network;
  /** An endpoint nobody listens on; with port 0 the listener chooses. */
  endpoint(): Endpoint;
  /** Lets the network work for a moment. */
  settle(): Promise<void>;
  dispose(): Promise<void>;
}

/** One end of a connection, remembering what happened to it. */
class Peer implements SocketEvents {
  socket: Socket;
  readonly chunks: Buffer[] = [];
  receivedBytes = 0;
  drains = 0;
  readonly closings: string[] = [];
  dataAfterClose = 0;
  onData: (chunk: Buffer) => void = () => {};
  constructor(socket: Socket) {
    this.socket = socket;
  }
  data(chunk: Buffer): void {
    if (this.closings.length > 0) this.dataAfterClose++;
    this.chunks.push(chunk);
    this.receivedBytes += chunk.length;
    this.onData(chunk);
  }
  drained(): void {
    this.drains++;
  }
  closed(reason: string): void {
    this.closings.push(reason);
  }
  text(): string {
    return Buffer.concat(this.chunks).toString();
  }
}

interface Pair {
  client: Peer;
  server: Peer;
  listener: Listener;
  endpoint: Endpoint;
}

/** What every Network promises. */
export function networkContract(name: string, make: () => Promise<NetworkUnderTest>): void {
  let current: NetworkUnderTest | null = null;
  const cleanup: (() => void)[] = [];
  const begin = async (): Promise<NetworkUnderTest> => (current = await make());
  afterEach(async () => {
    for (const run of cleanup.splice(0)) run();
    await current?.dispose();
    current = null;
  });

  async function until(under: NetworkUnderTest, condition: () => boolean): Promise<void> {
    while (!condition()) await under.settle();
  }

  async function pair(under: NetworkUnderTest, lingerZero = false): Promise<Pair> {
    let server: Peer | null = null;
    const wanted = under.endpoint();
    const listener = await under.network.listen({ endpoint: wanted }, (socket) => (server = new Peer(socket)));
    const endpoint = "path" in wanted ? wanted : { address: wanted.address, port: listener.port };
    let client: Peer | null = null;
    const socket = await under.network.connect({ endpoint, timeoutMs: 5_000, lingerZero }, (opened) => (client = new Peer(opened)));
    await until(under, () => server !== null);
    const made = { client: client as unknown as Peer, server: server as unknown as Peer, listener, endpoint };
    expect(made.client.socket).toBe(socket);
    cleanup.push(() => made.client.socket.destroy(), () => made.server.socket.destroy(), () => listener.close());
    return made;
  }

  test(`${name}: bytes arrive in order, both ways, and chunks may be kept`, async () => {
    const under = await begin();
    const { client, server } = await pair(under);
    server.onData = (chunk) => void server.socket.write(chunk);
    for (let i = 0; i < 500; i++) client.socket.write(Buffer.from(`${i},`));
    const sent = Array.from({ length: 500 }, (_, i) => `${i},`).join("");
    await until(under, () => client.receivedBytes >= sent.length);
    expect(server.text()).toBe(sent);
    expect(client.text()).toBe(sent);
    expect(client.closings).toEqual([]);
  });

  test(`${name}: 64 MB to a slow reader arrive whole, and the writer is told of the back-pressure`, async () => {
    const under = await begin();
    const { client, server } = await pair(under);
    const pieceSizes = [64, 48, 4096, 1024 * 1024, 100, 300_000, 16 * 1024, 16 * 1024 + 1];
    const total = 64 * 1024 * 1024;
    let sentSum = 0;
    let sentBytes = 0;
    let refusals = 0;
    server.socket.pause();
    for (let i = 0; sentBytes < total; i++) {
      const piece = Buffer.alloc(pieceSizes[i % pieceSizes.length] as number, `${i},`);
      sentSum = rolling(sentSum, piece);
      sentBytes += piece.length;
      if (!client.socket.write(piece)) refusals++;
    }
    expect(refusals).toBeGreaterThan(0);
    expect(client.socket.queuedBytes).toBeGreaterThan(0);
    await under.settle();
    expect(server.receivedBytes).toBe(0);
    let sum = 0;
    let chunks = 0;
    server.onData = (chunk) => {
      sum = rolling(sum, chunk);
      server.chunks.length = 0;
      if (++chunks % 16 !== 0) return;
      server.socket.pause();
      void under.settle().then(() => server.socket.resume());
    };
    server.socket.resume();
    await until(under, () => server.receivedBytes >= sentBytes);
    expect(server.receivedBytes).toBe(sentBytes);
    expect(sum).toBe(sentSum);
    await until(under, () => client.drains > 0);
    expect(client.drains).toBe(1);
    expect(client.socket.queuedBytes).toBe(0);
  });

  test(`${name}: end sends everything that is queued, also to a peer that is still sending`, async () => {
    const under = await begin();
    const { client, server } = await pair(under);
    server.socket.pause();
    const piece = Buffer.alloc(1024 * 1024, 5);
    for (let i = 0; i < 16; i++) client.socket.write(piece);
    client.socket.end();
    client.socket.write(Buffer.from("too late"));
    server.socket.write(Buffer.from("still sending"));
    await under.settle();
    server.socket.resume();
    await until(under, () => server.closings.length > 0 && client.closings.length > 0);
    expect(server.receivedBytes).toBe(16 * piece.length);
    expect(server.closings.length).toBe(1);
    expect(client.closings.length).toBe(1);
  });

  test(`${name}: destroy throws away what is queued and both ends hear of the close once`, async () => {
    const under = await begin();
    const { client, server } = await pair(under);
    server.socket.pause();
    const piece = Buffer.alloc(1024 * 1024, 5);
    while (client.socket.queuedBytes < 8 * piece.length) client.socket.write(piece);
    client.socket.destroy();
    client.socket.destroy();
    expect(client.closings).toEqual([]); // Not inside the call.
    expect(client.socket.queuedBytes).toBe(0);
    client.socket.write(piece);
    client.socket.pause();
    client.socket.resume();
    client.socket.end();
    server.socket.resume();
    await until(under, () => server.closings.length > 0 && client.closings.length > 0);
    await under.settle();
    expect(client.closings.length).toBe(1);
    expect(server.closings.length).toBe(1);
    expect(client.drains).toBe(0);
    expect(client.dataAfterClose + server.dataAfterClose).toBe(0);
  });

  test(`${name}: a peer that closes while bytes are queued ends the connection, not the process`, async () => {
    const under = await begin();
    const { client, server } = await pair(under);
    server.socket.pause();
    const piece = Buffer.alloc(1024 * 1024, 5);
    while (client.socket.queuedBytes < 8 * piece.length) client.socket.write(piece);
    server.socket.destroy();
    await until(under, () => client.closings.length > 0);
    expect(client.socket.queuedBytes).toBe(0);
    expect(client.closings[0]).not.toBe("");
    client.socket.write(piece);
    expect(client.socket.queuedBytes).toBe(0);
  });

  test(`${name}: a connection closed in its own data callback gets no more data`, async () => {
    const under = await begin();
    const { client, server } = await pair(under);
    server.onData = () => server.socket.destroy();
    for (let i = 0; i < 64; i++) client.socket.write(Buffer.alloc(100_000, 1));
    await until(under, () => server.closings.length > 0 && client.closings.length > 0);
    expect(server.chunks.length).toBe(1);
  });

  test(`${name}: a paused connection delivers nothing until it is resumed, and then everything`, async () => {
    const under = await begin();
    const { client, server } = await pair(under);
    server.onData = () => server.socket.pause();
    for (let i = 0; i < 10; i++) {
      client.socket.write(Buffer.alloc(200_000, i));
      await under.settle();
    }
    expect(server.chunks.length).toBe(1);
    server.onData = () => {};
    server.socket.resume();
    await until(under, () => server.receivedBytes === 2_000_000);
    client.socket.end();
    await until(under, () => server.closings.length > 0);
    expect(server.dataAfterClose).toBe(0);
  });

  test(`${name}: a pause in the middle of the last bytes loses none of them, though the peer has closed`, async () => {
    const under = await begin();
    const { client, server } = await pair(under);
    let pauses = 0;
    server.onData = () => {
      pauses++;
      server.socket.pause();
    };
    client.socket.write(Buffer.alloc(2_000_000, 1));
    client.socket.end();
    while (server.receivedBytes < 2_000_000) {
      await under.settle();
      expect(server.closings).toEqual([]);
      server.socket.resume();
    }
    server.socket.resume();
    await until(under, () => server.closings.length > 0);
    expect(pauses).toBe(server.chunks.length);
  });

  test(`${name}: a peer that speaks first is heard only after connect has given the connection`, async () => {
    const under = await begin();
    const wanted = under.endpoint();
    const listener = await under.network.listen({ endpoint: wanted }, (accepted) => {
      accepted.write(Buffer.from("welcome"));
      return new Peer(accepted);
    });
    cleanup.push(() => listener.close());
    const endpoint = "path" in wanted ? wanted : { address: wanted.address, port: listener.port };
    const order: string[] = [];
    const socket = await under.network.connect({ endpoint, timeoutMs: 5_000 }, (opened) => {
      const peer = new Peer(opened);
      peer.onData = () => order.push("data");
      return peer;
    });
    order.push("connected");
    cleanup.push(() => socket.destroy());
    await until(under, () => order.length > 1);
    expect(order).toEqual(["connected", "data"]);
  });

  test(`${name}: a connection with linger zero works as any other until it is closed`, async () => {
    const under = await begin();
    const { client, server } = await pair(under, true);
    client.socket.write(Buffer.from("hello"));
    await until(under, () => server.receivedBytes === 5);
    client.socket.destroy();
    await until(under, () => server.closings.length === 1);
  });

  test(`${name}: a refused connection says where nobody listens`, async () => {
    const under = await begin();
    const { listener, endpoint } = await pair(under);
    listener.close();
    await under.settle();
    const text = "path" in endpoint ? endpoint.path : `${endpoint.address}:${endpoint.port}`;
    const connecting = under.network.connect({ endpoint, timeoutMs: 2_000 }, (socket) => new Peer(socket));
    await expect(connecting).rejects.toThrow(`cannot connect to ${text}: `);
  });

  test(`${name}: a port that is taken is named, with the reason`, async () => {
    const under = await begin();
    const { endpoint } = await pair(under);
    const text = "path" in endpoint ? endpoint.path : `${endpoint.address}:${endpoint.port}`;
    const again = under.network.listen({ endpoint }, (socket) => new Peer(socket));
    await expect(again).rejects.toThrow(`cannot listen on ${text}: another process uses this port or path (EADDRINUSE)`);
  });

  test(`${name}: closing the listener leaves its connections alone and frees its endpoint`, async () => {
    const under = await begin();
    const { client, server, listener, endpoint } = await pair(under);
    listener.close();
    client.socket.write(Buffer.from("x"));
    await until(under, () => server.receivedBytes === 1);
    const again = await under.network.listen({ endpoint }, (socket) => new Peer(socket));
    again.close();
  });
}

/** Depends on every byte and its place, not on how the bytes are cut. */
function rolling(sum: number, data: Buffer): number {
  for (let i = 0; i < data.length; i++) sum = (Math.imul(sum, 31) + (data[i] as number)) | 0;
  return sum;
}
