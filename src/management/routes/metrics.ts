import { EXPOSITION_TYPE } from "../exposition.ts";
import { metricsText } from "../metrics.ts";
import { route, type Route } from "../route.ts";

export const metricsRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/metrics",
    access: "viewer",
    summary: "Metrics of the whole cluster in Prometheus' text format",
    answer: "string",
    handle: ({ context }) => new Response(metricsText(context.view), { headers: { "content-type": EXPOSITION_TYPE } }),
  }),
];
