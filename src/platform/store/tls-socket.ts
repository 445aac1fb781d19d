import type { SocketHandler } from "bun";
import type { ConnectOptions, Socket, SocketEvents } from "../platform.ts";
import { RealSocket } from "../socket.ts";

/** PEM texts: who may answer, and who asks. Both ends prove themselves. */
export interface TlsIdentity {
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

/**
 * From the TCP connection to the end of the handshake: a server that is there and busy is waited for. Were it given up as soon as one that is
 * not there, every client would come again and again, and the handshakes alone would keep it busy.
 */
const HANDSHAKE_MS = 5_000;

/** As `Network.connect`, through TLS; rejects as well when the server cannot prove who it is. */
export function connectSecurely(
  options: ConnectOptions & { readonly endpoint: { readonly address: string; readonly port: number } },
  tls: TlsIdentity,
  events: (socket: Socket) => SocketEvents,
): Promise<Socket> {
  const { endpoint, timeoutMs } = options;
  const name = `${endpoint.address}:${endpoint.port}`;
  return new Promise((resolve, reject) => {
    let settled = false;
    const fail = (why: string): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timeout);
      reject(new Error(`cannot connect to ${name}: ${why}`));
    };
    let timeout = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs);
    const socket: SocketHandler<RealSocket | undefined, "buffer"> = {
      binaryType: "buffer",
      open: () => {
        if (settled) return;
        clearTimeout(timeout);
        timeout = setTimeout(() => fail(`no TLS handshake within ${HANDSHAKE_MS} ms`), HANDSHAKE_MS);
      },
      handshake: (raw, success, authorizationError) => {
        if (settled) return void raw.terminate();
        if (!success || authorizationError !== null) {
          raw.terminate();
          return fail(`TLS failed: ${authorizationError?.message ?? "no handshake"}`);
        }
        settled = true;
        clearTimeout(timeout);
        const made = new RealSocket(raw as ConstructorParameters<typeof RealSocket>[0], name, false);
        raw.data = made;
        made.attach(events(made));
        resolve(made);
      },
      data: (raw, chunk) => raw.data?.received(chunk),
      drain: (raw) => raw.data?.writable(),
      end: (raw) => raw.data?.peerEnded(),
      close: (raw, error) => {
        fail("the connection was closed");
        raw.data?.ended(error === undefined || error === null ? null : String(error));
      },
      error: (raw, error) => {
        if (raw.data === undefined) fail(error.message);
        else raw.data.fail(error.message);
      },
      connectError: (_raw, error) => fail(error.message),
    };
    Bun.connect<RealSocket | undefined>({
      hostname: endpoint.address,
      port: endpoint.port,
      tls: { ca: tls.authority, cert: tls.certificate, key: tls.key, serverName: endpoint.address, rejectUnauthorized: true },
      data: undefined,
      socket,
    }).catch((error: unknown) => fail((error as Error).message));
  });
}
