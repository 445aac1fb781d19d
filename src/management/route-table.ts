import { openApi } from "./openapi.ts";
import { API_BASE, route, type Route } from "./route.ts";
import { acceptLossRoutes } from "./routes/accept-loss.ts";
import { alertRoutes } from "./routes/alerts.ts";
import { auditRoutes } from "./routes/audit.ts";
import { clusterRoutes } from "./routes/cluster.ts";
import { driveRoutes } from "./routes/drives.ts";
import { hostRoutes } from "./routes/hosts.ts";
import { loginRoutes } from "./routes/login.ts";
import { leavingRoutes } from "./routes/leaving.ts";
import { loneRoutes } from "./routes/lone.ts";
import { mappingRoutes } from "./routes/mappings.ts";
import { metricsRoutes } from "./routes/metrics.ts";
import { notificationRoutes } from "./routes/notifications.ts";
import { scrubRoutes } from "./routes/scrub.ts";
import { serverRoutes } from "./routes/servers.ts";
import { portalSessionRoutes } from "./routes/sessions.ts";
import { settingsRoutes } from "./routes/settings.ts";
import { statisticsRoutes } from "./routes/statistics.ts";
import { statusRoutes } from "./routes/status.ts";
import { streamRoutes } from "./routes/stream.ts";
import { userRoutes } from "./routes/users.ts";
import { volumeRoutes } from "./routes/volumes.ts";

let document: object | null = null;
const openApiRoute = route({
  method: "GET",
  path: "/openapi.json",
  access: "public",
  summary: "This API as an OpenAPI 3.1 document",
  answer: "the document",
  handle: () => (document ??= openApi(ROUTES, API_BASE)),
});

/** All that the API answers, below API_BASE. Whoever adds a route adds its row to its area's file, and an area's rows here. */
export const ROUTES: readonly Route[] = [
  ...statusRoutes,
  ...clusterRoutes,
  ...volumeRoutes,
  ...hostRoutes,
  ...mappingRoutes,
  ...driveRoutes,
  ...serverRoutes,
  ...leavingRoutes,
  ...scrubRoutes,
  ...settingsRoutes,
  ...loneRoutes,
  ...acceptLossRoutes,
  ...auditRoutes,
  ...alertRoutes,
  ...statisticsRoutes,
  ...portalSessionRoutes,
  ...notificationRoutes,
  ...metricsRoutes,
  ...loginRoutes,
  ...userRoutes,
  ...streamRoutes,
  openApiRoute,
];
