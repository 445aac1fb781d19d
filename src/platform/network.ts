import { unlink } from "node:fs/promises";
import type { SocketHandler, TCPSocketListener, UnixSocketListener } from "bun";
import { RealSocket, type BunSocket } from "./socket.ts";
import type { ConnectOptions, Endpoint, ListenOptions, Listener, Network, Socket, SocketEvents } from "./platform.ts";

export function realNetwork(): Network {
  return { listen, connect };
}

type Data = RealSocket;

/** One set of callbacks for all sockets: the socket's own object hangs on it as `data`. */
function handlers(opened: (socket: BunSocket<Data>) => void): SocketHandler<Data, "buffer"> {
  return {
    binaryType: "buffer",
    open: opened,
    data: (socket, chunk) => socket.data.received(chunk),
    drain: (socket) => socket.data.writable(),
    end: (socket) => socket.data.peerEnded(),
    close: (socket, error) => socket.data?.ended(error === undefined || error === null ? null : describe(error)),
    error: (socket, error) => {
      // Bun hands exceptions of these callbacks to this one; such an exception is a bug and must end the process.
      if (isSystemError(error) && socket.data !== undefined) socket.data.fail(describe(error));
      else queueMicrotask(() => { throw error; });
    },
  };
}

async function listen(options: ListenOptions, accept: (socket: Socket) => SocketEvents): Promise<Listener> {
  const { endpoint } = options;
  const socket = handlers((raw) => {
    raw.data = new RealSocket(raw, describeEndpoint(endpoint), false);
    raw.data.attach(accept(raw.data));
  });
  const open = (): TCPSocketListener<Data> | UnixSocketListener<Data> =>
    "path" in endpoint
      ? Bun.listen<Data>({ unix: endpoint.path, socket })
      : Bun.listen<Data>({ hostname: endpoint.address, port: endpoint.port, socket });
  let listener: TCPSocketListener<Data> | UnixSocketListener<Data>;
  try {
    listener = open();
  } catch (error) {
    if (!("path" in endpoint) || codeOf(error) !== "EADDRINUSE" || (await answers(endpoint.path))) throw listenError(endpoint, error);
    // A process that was killed leaves its socket's name behind; nobody answers there, so it is free.
    await unlink(endpoint.path).catch(() => {});
    try {
      listener = open();
    } catch (again) {
      throw listenError(endpoint, again);
    }
  }
  return {
    port: "port" in listener ? listener.port : 0,
    close: () => listener.stop(false),
  };
}

/** Whether a process listens on a Unix socket's path. */
async function answers(path: string): Promise<boolean> {
  try {
    const socket = await Bun.connect({ unix: path, socket: { data() {}, connectError() {} } });
    socket.terminate();
    return true;
  } catch (error) {
    return codeOf(error) !== "ECONNREFUSED";
  }
}

function connect(options: ConnectOptions, events: (socket: Socket) => SocketEvents): Promise<Socket> {
  const { endpoint, timeoutMs } = options;
  const name = describeEndpoint(endpoint);
  return new Promise((resolve, reject) => {
    let settled = false;
    const fail = (why: string): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timeout);
      reject(new Error(`cannot connect to ${name}: ${why}`));
    };
    const timeout = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs);
    const socket: SocketHandler<Data, "buffer"> = {
      ...handlers((raw) => {
        // An answer after the time was up: the caller has given up, so nobody may hold this connection.
        if (settled) return void raw.terminate();
        settled = true;
        clearTimeout(timeout);
        raw.data = new RealSocket(raw, name, options.lingerZero === true);
        raw.data.attach(events(raw.data));
        resolve(raw.data);
      }),
      connectError: (_socket, error) => fail(describe(error)),
    };
    const opening =
      "path" in endpoint
        ? Bun.connect<Data>({ unix: endpoint.path, socket })
        : Bun.connect<Data>({ hostname: endpoint.address, port: endpoint.port, socket });
    opening.catch((error: unknown) => fail(describe(error)));
  });
}

function listenError(endpoint: Endpoint, error: unknown): Error {
  return new Error(`cannot listen on ${describeEndpoint(endpoint)}: ${describe(error)}`, { cause: error });
}

function describeEndpoint(endpoint: Endpoint): string {
  if ("path" in endpoint) return endpoint.path;
  return endpoint.address.includes(":") ? `[${endpoint.address}]:${endpoint.port}` : `${endpoint.address}:${endpoint.port}`;
}

const WORDS: Readonly<Record<string, string>> = {
  EADDRINUSE: "another process uses this port or path",
  EADDRNOTAVAIL: "this machine does not have that address",
  EACCES: "permission denied",
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "the peer reset the connection",
  EPIPE: "the peer closed the connection",
  ETIMEDOUT: "the peer did not answer",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the network",
  ENOENT: "there is no such socket",
};

function describe(error: unknown): string {
  const code = codeOf(error);
  if (code === null) return error instanceof Error ? error.message : String(error);
  const words = WORDS[code];
  return words === undefined ? code : `${words} (${code})`;
}

function codeOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  const code = (error as NodeJS.ErrnoException).code;
  return typeof code === "string" ? code : null;
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === "string";
}
