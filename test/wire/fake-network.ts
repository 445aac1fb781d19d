import type { ConnectOptions, ListenOptions, Listener, Network, Socket, SocketEvents } from "../../src/platform/platform.ts";

/** TCP between ports of one object, in order and without loss; bytes arrive in a later microtask. */
export class FakeNetwork implements Network {
  readonly #listeners = new Map<number, (socket: Socket) => SocketEvents>();
  /** Every socket made, the connecting end first. */
  readonly sockets: FakeSocket[] = [];

  async listen({ endpoint }: ListenOptions, accept: (socket: Socket) => SocketEvents): Promise<Listener> {
    const port = "port" in endpoint ? endpoint.port : 0;
    this.#listeners.set(port, accept);
    return { port, close: () => void this.#listeners.delete(port) };
  }

  async connect({ endpoint }: ConnectOptions, events: (socket: Socket) => SocketEvents): Promise<Socket> {
    const accept = this.#listeners.get("port" in endpoint ? endpoint.port : 0);
    if (!accept) throw new Error("nothing listens there");
    const [near, far] = [new FakeSocket(), new FakeSocket()];
    near.other = far;
    far.other = near;
    this.sockets.push(near, far);
    far.events = accept(far);
    near.events = events(near);
    return near;
  }
}

export class FakeSocket implements Socket {
  readonly remote = "127.0.0.1:1";
  readonly local = "127.0.0.1:2";
  queuedBytes = 0;
  other: FakeSocket | null = null;
  events: SocketEvents | null = null;
  closed: string | null = null;
  /** All that was written to it. */
  readonly written: Buffer[] = [];
  /** Takes nothing any more: what is written stays queued. */
  stuck = false;

  write(data: Uint8Array): boolean {
    if (this.closed !== null) return false;
    const chunk = Buffer.from(data);
    this.written.push(chunk);
    if (this.stuck) {
      this.queuedBytes += chunk.length;
      return false;
    }
    queueMicrotask(() => {
      if (this.other?.closed === null) this.other.events?.data(chunk);
    });
    return true;
  }
  pause(): void {}
  resume(): void {}
  end(): void {
    queueMicrotask(() => this.#close("the peer closed the connection"));
  }
  destroy(): void {
    this.#close("closed here");
  }
  #close(reason: string): void {
    for (const socket of [this, this.other]) {
      if (!socket || socket.closed !== null) continue;
      socket.closed = reason;
      queueMicrotask(() => socket.events?.closed(reason));
    }
  }
}
