import { Hono } from "hono";
import { derivedKey, realSealer, type Sealer } from "../platform/seal.ts";
import type { Passwords } from "../platform/passwords.ts";
import { StoreUnavailable, type ClusterStore } from "../platform/store.ts";
import type { Log, Platform } from "../platform/platform.ts";
import { Attempts } from "./attempts.ts";
import { audit, type Audited } from "./audit.ts";
import { authorization, refuseOtherSites } from "./auth.ts";
import { readBody } from "./bodies.ts";
import type { Monitoring } from "./monitoring.ts";
import { PasswordGate } from "./password-gate.ts";
import { Problem, problemResponse } from "./problem.ts";
import { ROUTES } from "./route-table.ts";
import { API_BASE, type Answer, type Call, type Caller, type Route } from "./route.ts";
import type { Joining } from "./routes/cluster.ts";
import type { LoneServer } from "./routes/lone.ts";
import { HEALTH } from "./routes/status.ts";
import { Sessions } from "./sessions.ts";
import { Streams } from "./streams.ts";
import type { ClusterView } from "./view.ts";
import { addWebPages, type WebFiles } from "./web-pages.ts";

/** What an API is made of. */
export interface ApiOptions {
  readonly platform: Platform;
  readonly store: ClusterStore;
  readonly view: ClusterView;
  /** The server that answers. */
  readonly server: string;
  /** Bearer token of the cluster, for programs. */
  readonly token: string;
  /** Sessions and secrets are kept with keys derived from it. */
  readonly clusterKey: Uint8Array;
  readonly passwords: Passwords;
  /** R24; without it the word on lost servers cannot be given here. */
  readonly lone?: LoneServer;
  /** History, and the ways out for notifications; without it neither is there. */
  readonly monitoring?: Monitoring;
  /** How servers join; without it none can. */
  readonly joining?: Joining;
  /** The web UI; without it there are no pages. */
  readonly web?: WebFiles;
}
/** What the routes work with. */
export interface ApiContext extends Omit<ApiOptions, "clusterKey" | "passwords"> {
  readonly sessions: Sessions;
  readonly passwords: PasswordGate;
  readonly attempts: Attempts;
  readonly sealer: Sealer;
  readonly streams: Streams;
}

/** `remote`: the client's address. */
export type ApiApp = Hono<{ Bindings: { remote: string } }>;

/** Requests at work at once; an administrator's tools need few, and each may hold a place in the store's queue. */
const REQUESTS_MAX = 64;
/** On every answer; a page has its own policy. Over plain HTTP browsers ignore the first. */
const HEADERS: readonly (readonly [string, string])[] = [
  ["strict-transport-security", "max-age=31536000"],
  ["x-content-type-options", "nosniff"],
  ["referrer-policy", "no-referrer"],
  ["content-security-policy", "default-src 'none'; frame-ancestors 'none'"],
];

function contextOf({ clusterKey, passwords, ...rest }: ApiOptions): ApiContext {
  const { platform } = rest;
  const context: Omit<ApiContext, "streams"> = {
    ...rest,
    sessions: new Sessions(platform, derivedKey(clusterKey, "sessions of the API")),
    passwords: new PasswordGate(passwords),
    attempts: new Attempts(platform.clock),
    sealer: realSealer(clusterKey),
  };
  return { ...context, streams: new Streams(rest) };
}

/** The API of one server: HTTP requests in, store transactions out. Holds no state that matters. */
export function createApp(options: ApiOptions): ApiApp {
  const context = contextOf(options);
  const app: ApiApp = new Hono();
  const callerOf = authorization(context);
  let working = 0;

  app.use(async (hono, next) => {
    await next();
    for (const [name, value] of HEADERS) if (!hono.res.headers.has(name)) hono.res.headers.set(name, value);
  });
  for (const row of ROUTES) {
    app.on(row.method, `${API_BASE}${row.path}`, async (hono) => {
      // Liveness must be told even when everything else is stuck behind the store.
      if (row === HEALTH) return json(await row.handle({ context } as Call<never>), 200);
      const from = hono.env.remote;
      const request = hono.req.raw;
      const caller = row.access === "public" ? { name: "", role: null, from, session: null } : callerOf(request, from);
      // A cluster's server is set up already.
      if (caller === null || row.access === "setup") return unauthorized();
      if (row.method !== "GET") refuseOtherSites(request);
      if (row.access === "administrator" && caller.role !== "administrator") return forbidden(context, caller, row);
      if (working >= REQUESTS_MAX) return problemResponse("busy", "This server has too many requests at work. Try again or ask another server.");
      working++;
      try {
        const question = request.url.indexOf("?");
        const query = new URLSearchParams(question < 0 ? "" : request.url.slice(question + 1));
        return await answer(context, row, { request, params: hono.req.param(), query, caller, allowed: () => callerOf(request, from) !== null });
      } finally {
        working--;
      }
    });
  }
  if (context.web) addWebPages(app, context.platform, context.web);
  app.notFound((hono) => {
    // Which paths there are is nobody's business either.
    if (callerOf(hono.req.raw, hono.env.remote) === null) return unauthorized();
    return problemResponse("not-found", `There is no ${hono.req.method} ${hono.req.path.slice(0, 128)}.`);
  });
  app.onError((error, hono) => answerError(context.platform.log, error, hono.req.method, hono.req.path));
  return app;
}

async function answer(context: ApiContext, row: Route, given: Pick<Call<never>, "request" | "params" | "query" | "caller" | "allowed">): Promise<Response> {
  let told: Audited | null = { what: row.summary, fields: {} };
  const headers = new Headers();
  const tell = async (result: string) => {
    if (row.method !== "GET" && row.ownAudit !== true && told !== null) await audit(context, given.caller, told, result);
  };
  try {
    const body = row.body === null ? null : await readBody(given.request, row.body);
    const call = { ...given, context, body, headers, audit: (what: string | null, fields = {}) => void (told = what === null ? null : { what, fields }) };
    const response = json(await row.handle(call as Call<never>), row.status ?? 200);
    for (const [name, value] of headers) response.headers.append(name, value);
    await tell("done");
    return response;
  } catch (error) {
    await tell(error instanceof Problem ? error.code : error instanceof StoreUnavailable ? "store-unavailable" : "bug");
    throw error;
  }
}

function json(value: Answer, status: number): Response {
  if (value instanceof Response) return value;
  return new Response(JSON.stringify(value), { status, headers: { "content-type": "application/json", "cache-control": "no-store" } });
}

function unauthorized(): Response {
  return problemResponse("unauthorized", "Log in first: the request needs a session, or the header Authorization: Bearer with this cluster's token.");
}

function forbidden({ platform }: ApiContext, { name, from }: Caller, row: Route): Response {
  platform.log.warn("a viewer's request was refused", { audit: true, who: name, from, what: row.summary });
  return problemResponse("forbidden", `${name} is a viewer and changes nothing. Ask an administrator to do it, or to make ${name} one.`);
}

function answerError(log: Log, error: Error, method: string, path: string): Response {
  if (error instanceof Problem) {
    if (error.code === "outcome-unknown") log.warn("a change of the cluster has an unknown outcome", { method, path, detail: error.message });
    return problemResponse(error.code, error.message, error.retryAfterMs);
  }
  if (error instanceof StoreUnavailable) {
    return problemResponse("store-unavailable", "The cluster store does not answer this server, so nothing can be changed now. Check that most of the servers are up.");
  }
  log.error("a request failed by a bug or an unreadable value in the cluster store", { method, path, error });
  return problemResponse("bug", "The request failed inside VirtuStor; the server's log says why.");
}
