import { Hono } from "hono";
import { StoreUnavailable, type ClusterStore } from "../platform/store.ts";
import type { Log, Platform } from "../platform/platform.ts";
import { audit, type Audited } from "./audit.ts";
import { tokenCheck } from "./auth.ts";
import { readBody } from "./bodies.ts";
import type { Monitoring } from "./monitoring.ts";
import { Problem, problemResponse } from "./problem.ts";
import { ROUTES } from "./route-table.ts";
import type { Answer, Call, Caller, Route } from "./route.ts";
import type { LoneServer } from "./routes/lone.ts";
import { HEALTH } from "./routes/status.ts";
import type { ClusterView } from "./view.ts";
import { addWebPages, type WebFiles } from "./web-pages.ts";

/** What the routes work with. */
export interface ApiContext {
  readonly platform: Platform;
  readonly store: ClusterStore;
  readonly view: ClusterView;
  readonly token: string;
  /** R24; without it the word on lost servers cannot be given here. */
  readonly lone?: LoneServer;
  /** History, and the ways out for notifications; without it neither is there. */
  readonly monitoring?: Monitoring;
  /** The web UI; without it there are no pages. */
  readonly web?: WebFiles;
}

/** `remote`: the client's address. */
export type ApiApp = Hono<{ Bindings: { remote: string } }>;

export const API_BASE = "/api/v1";
/** Requests at work at once; an administrator's tools need few, and each may hold a place in the store's queue. */
const REQUESTS_MAX = 64;

/** The API of one server: HTTP requests in, store transactions out. Holds no state that matters. */
export function createApp(context: ApiContext): ApiApp {
  const { log } = context.platform;
  const app: ApiApp = new Hono();
  const authorized = tokenCheck(context.platform.crypto, context.token);
  let working = 0;

  const callerOf = (request: Request, from: string): Caller | null =>
    authorized(request.headers.get("authorization") ?? undefined) ? { name: "token", role: "administrator", from, session: null } : null;

  for (const row of ROUTES) {
    app.on(row.method, `${API_BASE}${row.path}`, async (hono) => {
      // Liveness must be told even when everything else is stuck behind the store.
      if (row === HEALTH) return json(await row.handle({ context } as Call<never>), 200);
      const from = hono.env.remote;
      const request = hono.req.raw;
      const caller = row.access === "public" ? { name: "", role: null, from, session: null } : callerOf(request, from);
      if (caller === null) return unauthorized();
      if (working >= REQUESTS_MAX) return problemResponse("busy", "This server has too many requests at work. Try again or ask another server.");
      working++;
      try {
        return await answer(context, row, { request, params: hono.req.param(), query: new URL(request.url).searchParams, caller });
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
  app.onError((error, hono) => answerError(log, error, hono.req.method, hono.req.path));
  return app;
}

async function answer(context: ApiContext, row: Route, given: Pick<Call<never>, "request" | "params" | "query" | "caller">): Promise<Response> {
  let told: Audited = { what: row.summary, fields: {} };
  const headers = new Headers();
  try {
    const body = row.body === null ? null : await readBody(given.request, row.body);
    const call = { ...given, context, body, headers, audit: (what: string, fields = {}) => void (told = { what, fields }) };
    const response = json(await row.handle(call as Call<never>), row.status ?? 200);
    for (const [name, value] of headers) response.headers.append(name, value);
    if (row.method !== "GET") await audit(context, given.caller, told, "done");
    return response;
  } catch (error) {
    if (row.method !== "GET") await audit(context, given.caller, told, error instanceof Problem ? error.code : "failed");
    throw error;
  }
}

function json(value: Answer, status: number): Response {
  if (value instanceof Response) return value;
  return new Response(JSON.stringify(value), { status, headers: { "content-type": "application/json", "cache-control": "no-store" } });
}

function unauthorized(): Response {
  return problemResponse("unauthorized", "The request needs the header Authorization: Bearer with this cluster's token.");
}

function answerError(log: Log, error: Error, method: string, path: string): Response {
  if (error instanceof Problem) {
    if (error.code === "outcome-unknown") log.warn("a change of the cluster has an unknown outcome", { method, path, detail: error.message });
    return problemResponse(error.code, error.message);
  }
  if (error instanceof StoreUnavailable) {
    return problemResponse("store-unavailable", "The cluster store does not answer this server, so nothing can be changed now. Check that most of the servers are up.");
  }
  log.error("a request failed by a bug or an unreadable value in the cluster store", { method, path, error });
  return problemResponse("bug", "The request failed inside VirtuStor; the server's log says why.");
}
