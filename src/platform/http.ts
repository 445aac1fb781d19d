import { mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type { Certified } from "./certificates.ts";

export interface HttpOptions {
  readonly address: string;
  /** 0: any free port. */
  readonly port: number;
  readonly tls: Certified;
  /** `remote` is the client's address. */
  fetch(request: Request, remote: string): Promise<Response> | Response;
  /** Told of what `fetch` threw; the client gets a bare 500. */
  onError(error: Error): void;
}

export interface HttpServer {
  readonly port: number;
  /** Closes the port and every connection at once. */
  stop(): Promise<void>;
}

/** The largest body that is read. Administrators send small JSON; anything larger is a mistake or an attack. */
export const HTTP_BODY_BYTES_MAX = 64 * 1024;
/** A connection that says nothing for so long is closed, so that idle ones cannot pile up. */
const HTTP_IDLE_SECONDS = 30;

/**
 * Serves HTTPS. Bytes that are no HTTPS, and bodies over the limit, end only their own connection. Nothing of the source is
 * ever sent. Throws an Error that names address and port when it cannot listen.
 */
export function serveHttp(options: HttpOptions): HttpServer {
  const server = listen(options);
  return {
    port: server.port ?? options.port,
    stop: () => server.stop(true),
  };
}

/** As `serveHttp`, on a Unix socket that only this user (root, on an appliance) may open; a file of that name is removed first. */
export function serveLocalHttp(options: Pick<HttpOptions, "onError"> & { readonly path: string; fetch(request: Request): Promise<Response> | Response }): Pick<HttpServer, "stop"> {
  mkdirSync(dirname(options.path), { recursive: true, mode: 0o700 });
  rmSync(options.path, { force: true });
  // From the first moment on nobody else may open it.
  const before = process.umask(0o077);
  try {
    const server = Bun.serve({
      unix: options.path,
      development: false,
      maxRequestBodySize: HTTP_BODY_BYTES_MAX,
      fetch: (request) => options.fetch(request),
      error(error) {
        options.onError(error);
        return new Response(null, { status: 500 });
      },
    });
    return { stop: () => server.stop(true) };
  } catch (error) {
    throw new Error(`cannot serve the local socket ${options.path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  } finally {
    process.umask(before);
  }
}

function listen(options: HttpOptions): Bun.Server<undefined> {
  try {
    return Bun.serve({
      hostname: options.address,
      port: options.port,
      tls: { cert: options.tls.certificate, key: options.tls.key },
      development: false,
      // Left out, Bun 1.4 lets a second process listen on the same port, and each gets some of the connections.
      reusePort: false,
      maxRequestBodySize: HTTP_BODY_BYTES_MAX,
      idleTimeout: HTTP_IDLE_SECONDS,
      fetch(request, self) {
        const named = withAddress(request, options);
        // Nobody can say what is asked of whom.
        return named === null ? new Response(null, { status: 400 }) : options.fetch(named, self.requestIP(request)?.address ?? "unknown");
      },
      error(error) {
        options.onError(error);
        return new Response(null, { status: 500 });
      },
    });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`cannot serve HTTPS on ${options.address} port ${options.port}: ${why}`, { cause: error });
  }
}

/** HTTP/1.0 needs no Host, and others send one that is none: Bun gives a URL without a server then, whose path nobody reads right. */
function withAddress(request: Request, { address }: HttpOptions): Request | null {
  if (URL.canParse(request.url)) return request;
  const url = `https://${address.includes(":") ? `[${address}]` : address}${request.url}`;
  return request.url.startsWith("/") && URL.canParse(url) ? new Request(url, request) : null;
}
