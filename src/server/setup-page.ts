import { VERSION } from "../base/version.ts";
import { problemResponse } from "../management/problem.ts";
import { issueForServer, makeAuthority, type Certified } from "../platform/certificates.ts";
import { serveHttp, type HttpServer } from "../platform/http.ts";
import type { ApplianceOptions } from "./appliance.ts";

const HEADERS = { "cache-control": "no-store", "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" };

/** What a server that belongs to no cluster answers over the network: that it is one, and where to go on. */
export class SetupPage {
  readonly #options: Pick<ApplianceOptions, "platform" | "ports" | "setupAddress">;
  #server: HttpServer | null = null;
  #certified: Promise<Certified> | null = null;
  #wanted = false;

  constructor(options: Pick<ApplianceOptions, "platform" | "ports" | "setupAddress">) {
    this.#options = options;
  }

  /** That the port cannot be had is said in the log and stops nothing: the console is where a server is set up. */
  async open(): Promise<void> {
    const { platform, ports, setupAddress } = this.#options;
    this.#wanted = true;
    // Signed by nobody that anybody knows; the cluster's takes its place.
    this.#certified ??= makeAuthority("not formed yet", platform.clock.wallMs()).then((authority) => issueForServer(authority, { name: "unconfigured", addresses: [] }));
    const tls = await this.#certified;
    if (!this.#wanted || this.#server !== null) return;
    try {
      this.#server = serveHttp({ address: setupAddress, port: ports.api, tls, fetch: answer, onError: (error) => platform.log.error("the setup page failed on a request", { error }) });
    } catch (error) {
      platform.log.warn("This server does not show over the network that it is not set up", { error: (error as Error).message });
    }
  }

  async close(): Promise<void> {
    this.#wanted = false;
    const server = this.#server;
    this.#server = null;
    await server?.stop();
  }
}

function answer(request: Request): Response {
  const path = URL.parse(request.url)?.pathname ?? "";
  const { method } = request;
  if (path === "/api/v1/health" && method === "GET") return json({ state: "unconfigured", sentence: "This server belongs to no cluster yet. Set it up on its console." });
  if (path === "/api/v1/setup" && method === "GET") return json({ phase: "unconfigured", version: VERSION });
  if (path === "/" && method === "GET") return new Response(PAGE, { headers: { ...HEADERS, "content-type": "text/html; charset=utf-8" } });
  return problemResponse("not-found", "This server belongs to no cluster yet. Set it up on its console.");
}

function json(value: object): Response {
  return new Response(JSON.stringify(value), { headers: { ...HEADERS, "content-type": "application/json" } });
}

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>VirtuStor</title>
<style>
  :root { color-scheme: light dark; font: 1.05rem/1.6 system-ui, sans-serif }
  body { max-width: 34rem; margin: 18vh auto; padding: 0 1.5rem }
  h1 { font-size: 1.5rem }
  small { opacity: .7 }
</style>
<h1>This VirtuStor server is not set up yet</h1>
<p>Go to its console: the screen and keyboard of the machine, or its serial line. There you create a cluster, or let this server join one.</p>
<p>Afterwards this address shows the cluster.</p>
<p><small>VirtuStor ${VERSION}</small></p>
</html>
`;
