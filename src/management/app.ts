import { Hono } from "hono";
import type { Log, Platform } from "../platform/platform.ts";
import { type ClusterStore, StoreUnavailable } from "../platform/store.ts";
import { tokenCheck } from "./auth.ts";
import { Problem, problemResponse } from "./problem.ts";
import { addAcceptLossRoutes } from "./routes/accept-loss.ts";
import { addDriveRoutes } from "./routes/drives.ts";
import { addHostRoutes } from "./routes/hosts.ts";
import { addLoneRoutes, type LoneServer } from "./routes/lone.ts";
import { addMappingRoutes } from "./routes/mappings.ts";
import { addScrubRoutes } from "./routes/scrub.ts";
import { addStatusRoutes, HEALTH_PATH } from "./routes/status.ts";
import { addVolumeRoutes } from "./routes/volumes.ts";
import type { ClusterView } from "./view.ts";
import { addWebPages, isWebPath, type WebFiles } from "./web-pages.ts";

/** What the routes work with. */
export interface ApiContext {
  readonly platform: Platform;
  readonly store: ClusterStore;
  readonly view: ClusterView;
  readonly token: string;
  /** R24; without it the word on lost servers cannot be given here. */
  readonly lone?: LoneServer;
  /** The web UI; without it there are no pages. */
  readonly web?: WebFiles;
}

/** `remote`: the client's address. */
export type ApiApp = Hono<{ Bindings: { remote: string } }>;

/** Requests at work at once; an administrator's tools need few, and each may hold a place in the store's queue. */
const REQUESTS_MAX = 64;

/** The API of one server: HTTP requests in, store transactions out. Holds no state that matters. */
export function createApp(context: ApiContext): ApiApp {
  const { log } = context.platform;
  const app: ApiApp = new Hono();
  const authorized = tokenCheck(context.platform.crypto, context.token);
  let working = 0;

  app.use(async (request, next) => {
    // Liveness must be told even when everything else is stuck behind the store.
    if (request.req.path === HEALTH_PATH) return next();
    // The web UI holds no secret; what it shows it asks the API for.
    if (context.web && request.req.method === "GET" && isWebPath(request.req.path)) return next();
    if (!authorized(request.req.header("authorization"))) {
      return problemResponse("unauthorized", "The request needs the header Authorization: Bearer with this cluster's token.");
    }
    if (working >= REQUESTS_MAX) return problemResponse("busy", "This server has too many requests at work. Try again or ask another server.");
    working++;
    try {
      await next();
    } finally {
      working--;
    }
  });
  addStatusRoutes(app, context);
  addVolumeRoutes(app, context);
  addHostRoutes(app, context);
  addMappingRoutes(app, context);
  addLoneRoutes(app, context);
  addAcceptLossRoutes(app, context);
  addScrubRoutes(app, context);
  addDriveRoutes(app, context);
  if (context.web) addWebPages(app, context.platform, context.web);

  app.notFound((request) => problemResponse("not-found", `There is no ${request.req.method} ${request.req.path.slice(0, 128)}.`));
  app.onError((error, request) => answerError(log, error, request.req.method, request.req.path));
  return app;
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
