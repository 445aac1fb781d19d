import type { Route } from "./route.ts";
import { acceptLossRoutes } from "./routes/accept-loss.ts";
import { alertRoutes } from "./routes/alerts.ts";
import { auditRoutes } from "./routes/audit.ts";
import { driveRoutes } from "./routes/drives.ts";
import { hostRoutes } from "./routes/hosts.ts";
import { loneRoutes } from "./routes/lone.ts";
import { mappingRoutes } from "./routes/mappings.ts";
import { metricsRoutes } from "./routes/metrics.ts";
import { notificationRoutes } from "./routes/notifications.ts";
import { scrubRoutes } from "./routes/scrub.ts";
import { settingsRoutes } from "./routes/settings.ts";
import { statisticsRoutes } from "./routes/statistics.ts";
import { statusRoutes } from "./routes/status.ts";
import { volumeRoutes } from "./routes/volumes.ts";

/** All that the API answers, below API_BASE. Whoever adds a route adds its row to its area's file, and an area's rows here. */
export const ROUTES: readonly Route[] = [
  ...statusRoutes,
  ...volumeRoutes,
  ...hostRoutes,
  ...mappingRoutes,
  ...driveRoutes,
  ...scrubRoutes,
  ...settingsRoutes,
  ...loneRoutes,
  ...acceptLossRoutes,
  ...auditRoutes,
  ...alertRoutes,
  ...statisticsRoutes,
  ...notificationRoutes,
  ...metricsRoutes,
];
