import type { Platform, Socket, SocketEvents, Timer } from "../platform.ts";
import { HttpResponseReader } from "./http-response.ts";
import { connectSecurely } from "./tls-socket.ts";
import type { TlsIdentity } from "./tls-socket.ts";

/** Connections for requests to one endpoint: enough to fill etcd's group commit, few enough to open at once. */
const CONNECTIONS_MAX = 16;
/** Requests that wait for one of them; a start-up asks for a few hundred. */
const WAITING_MAX = 4096;
/** One answer: a page of a range, or a thousand revisions of a watch. More is no etcd. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
const CONNECT_TIMEOUT_MS = 500;
/** Connections that are being opened at a time: a TLS handshake costs both ends more than most requests do. */
const OPENING_MAX = 4;

export interface EtcdAddress {
  readonly address: string;
  readonly port: number;
}

/** Why there is no answer. `sent`: the request may have reached etcd and taken effect. */
export class EtcdUnanswered extends Error {
  override name = "EtcdUnanswered";
  readonly sent: boolean;
  constructor(message: string, sent: boolean) {
    super(message);
    this.sent = sent;
  }
}

export interface EtcdAnswer {
  readonly status: number;
  readonly body: unknown;
}

export interface EtcdStreamEvents {
  /** One JSON object of the answer. */
  message(body: unknown): void;
  /** Called once, unless closed here. */
  ended(reason: string): void;
}

interface Connection {
  readonly socket: Socket;
  exchange: Exchange | null;
}

/** One request on its connection. */
interface Exchange {
  data(chunk: Buffer): void;
  closed(reason: string): void;
}

interface Job {
  readonly path: string;
  readonly body: string;
  readonly resolve: (answer: EtcdAnswer) => void;
  readonly reject: (error: EtcdUnanswered) => void;
  readonly timer: Timer;
  /** Set while it is on a connection. */
  socket: Socket | null;
  settled: boolean;
}

/**
 * One member of etcd, spoken to through its JSON gateway: HTTP/1.1 POSTs, one at a time on each of a few kept connections.
 * Nothing is ever sent twice, which is why this is not `fetch`: HTTP clients repeat a request whose kept connection closed.
 */
export class EtcdEndpoint {
  readonly name: string;
  readonly #platform: Platform;
  readonly address: EtcdAddress;
  readonly #tls: TlsIdentity | undefined;
  readonly #idle: Connection[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #waiting: Job[] = [];
  /** Connections for requests, those being opened included. */
  #openCount = 0;
  #openingCount = 0;
  #closed = false;

  constructor(platform: Platform, address: EtcdAddress, tls: TlsIdentity | undefined) {
    this.#platform = platform;
    this.address = address;
    this.#tls = tls;
    this.name = `${address.address.includes(":") ? `[${address.address}]` : address.address}:${address.port}`;
  }

  /** Rejects with `EtcdUnanswered` when no whole answer comes within `deadlineMs`. */
  post(path: string, body: object, deadlineMs: number): Promise<EtcdAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new EtcdUnanswered("the client is closed", false));
      if (this.#waiting.length >= WAITING_MAX) return reject(new EtcdUnanswered(`${WAITING_MAX} requests wait already`, false));
      const timer = this.#platform.clock.timer(deadlineMs, () => this.#fail(job, `no answer within ${Math.round(deadlineMs)} ms`));
      const job: Job = { path, body: JSON.stringify(body), resolve, reject, timer, socket: null, settled: false };
      this.#waiting.push(job);
      this.#advance();
    });
  }

  /** A request whose answer goes on for ever, on a connection of its own. */
  stream(path: string, body: object, events: EtcdStreamEvents): { close(): void } {
    let socket: Socket | null = null;
    let over = false;
    const end = (reason: string): void => {
      if (over) return;
      over = true;
      socket?.destroy();
      events.ended(reason);
    };
    let line: Buffer[] = [];
    let lineBytes = 0;
    const messages: unknown[] = [];
    const reader = new HttpResponseReader({
      head: (status) => status !== 200 && end(`etcd answered with HTTP status ${status}`),
      body: (bytes) => {
        let start = 0;
        for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, start)) {
          const text = Buffer.concat([...line, bytes.subarray(start, at)]).toString("utf8");
          line = [];
          lineBytes = 0;
          start = at + 1;
          if (text !== "") messages.push(JSON.parse(text));
        }
        line.push(bytes.subarray(start));
        lineBytes += bytes.length - start;
        if (lineBytes > ANSWER_BYTES_MAX) throw new Error("a message is too long");
      },
      end: () => end("etcd ended the answer"),
    });
    this.#connect(() => ({
      data: (chunk) => {
        if (over) return;
        try {
          reader.push(chunk);
        } catch (error) {
          return end((error as Error).message);
        }
        // Not inside the try: an exception of the receiver is a bug, not a bad answer.
        for (const message of messages.splice(0)) if (!over) events.message(message);
      },
      drained: () => undefined,
      closed: end,
    })).then(
      (made) => {
        if (over || this.#closed) return made.destroy();
        socket = made;
        made.write(this.#encode(path, JSON.stringify(body)));
      },
      (error: unknown) => end((error as Error).message),
    );
    return {
      close: () => {
        over = true;
        socket?.destroy();
      },
    };
  }

  close(): void {
    this.#closed = true;
    for (const job of this.#waiting.splice(0)) this.#fail(job, "the client is closed");
    for (const socket of [...this.#sockets]) socket.destroy();
    this.#sockets.clear();
  }

  #advance(): void {
    while (this.#waiting.length > 0) {
      const connection = this.#idle.pop();
      if (connection === undefined) break;
      const job = this.#waiting.shift()!;
      if (job.settled) this.#idle.push(connection);
      else this.#run(connection, job);
    }
    while (this.#openingCount < Math.min(this.#waiting.length, OPENING_MAX) && this.#openCount < CONNECTIONS_MAX && !this.#closed) this.#open();
  }

  #open(): void {
    this.#openCount++;
    this.#openingCount++;
    const made: { connection: Connection | null; gone: boolean } = { connection: null, gone: false };
    this.#connect(() => ({
      data: (chunk) => {
        if (made.connection?.exchange) made.connection.exchange.data(chunk);
        else made.connection?.socket.destroy();
      },
      drained: () => undefined,
      closed: (reason) => {
        made.gone = true;
        this.#openCount--;
        const { connection } = made;
        if (connection === null) return;
        const at = this.#idle.indexOf(connection);
        if (at >= 0) this.#idle.splice(at, 1);
        connection.exchange?.closed(reason);
        this.#advance();
      },
    })).then(
      (socket) => {
        this.#openingCount--;
        if (made.gone) return this.#advance();
        made.connection = { socket, exchange: null };
        this.#idle.push(made.connection);
        this.#advance();
      },
      (error: unknown) => {
        this.#openingCount--;
        this.#openCount--;
        // Without any connection nobody would serve those that wait; another endpoint may.
        if (this.#openCount === 0) for (const job of this.#waiting.splice(0)) this.#fail(job, (error as Error).message);
      },
    );
  }

  #run(connection: Connection, job: Job): void {
    const { socket } = connection;
    const pieces: Buffer[] = [];
    let bytes = 0;
    let status = 0;
    const reader = new HttpResponseReader({
      head: (code) => (status = code),
      body: (piece) => {
        pieces.push(piece);
        bytes += piece.length;
        if (bytes > ANSWER_BYTES_MAX) throw new Error("the answer is too long");
      },
      end: (reusable) => {
        const body: unknown = JSON.parse(Buffer.concat(pieces).toString("utf8"));
        connection.exchange = null;
        if (reusable && !this.#closed) this.#idle.push(connection);
        else socket.destroy();
        if (!this.#settle(job)) return;
        job.resolve({ status, body });
        this.#advance();
      },
    });
    connection.exchange = {
      data: (chunk) => {
        try {
          reader.push(chunk);
        } catch (error) {
          this.#fail(job, (error as Error).message);
          socket.destroy();
        }
      },
      closed: (reason) => this.#fail(job, reason),
    };
    job.socket = socket;
    socket.write(this.#encode(job.path, job.body));
  }

  #fail(job: Job, reason: string): void {
    if (!this.#settle(job)) return;
    const at = this.#waiting.indexOf(job);
    if (at >= 0) this.#waiting.splice(at, 1);
    // The answer could still come and be taken for the next request's.
    job.socket?.destroy();
    job.reject(new EtcdUnanswered(`${this.name}: ${reason}`, job.socket !== null));
  }

  #settle(job: Job): boolean {
    if (job.settled) return false;
    job.settled = true;
    job.timer.cancel();
    return true;
  }

  async #connect(events: () => SocketEvents): Promise<Socket> {
    let made: Socket | null = null;
    const tracked = (socket: Socket): SocketEvents => {
      made = socket;
      this.#sockets.add(socket);
      const own = events();
      return {
        data: own.data,
        drained: own.drained,
        closed: (reason) => {
          this.#sockets.delete(socket);
          own.closed(reason);
        },
      };
    };
    const options = { endpoint: this.address, timeoutMs: CONNECT_TIMEOUT_MS };
    const socket = this.#tls === undefined ? await this.#platform.network.connect(options, tracked) : await connectSecurely(options, this.#tls, tracked);
    if (this.#closed) (made ?? socket).destroy();
    return socket;
  }

  #encode(path: string, body: string): Buffer {
    const length = Buffer.byteLength(body);
    return Buffer.from(`POST ${path} HTTP/1.1\r\nHost: ${this.name}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${body}`);
  }
}
