import { alerts } from "../../cluster/alerts.ts";
import { capacity } from "../../cluster/capacity.ts";
import { driveIsUp, serverIsUp } from "../../cluster/health.ts";
import type { ServerRecord } from "../../cluster/schema.ts";
import type { HealthAnswer, StatusAnswer } from "../api.ts";
import type { ApiApp, ApiContext } from "../app.ts";
import { scrubAnswer } from "./scrub.ts";

/** The one path that needs no token: it tells load balancers and watchdogs nothing but the state. */
export const HEALTH_PATH = "/api/v1/health";

/** All from this server's copy, so that they are answered while the store is not. */
export function addStatusRoutes(app: ApiApp, { view }: ApiContext): void {
  app.get(HEALTH_PATH, (request) => {
    const { state, sentence } = view.health();
    return request.json<HealthAnswer>({ state, sentence });
  });
  app.get("/api/v1/status", (request) => request.json<StatusAnswer>(statusAnswer(view)));
}

function statusAnswer(view: ApiContext["view"]): StatusAnswer {
  const { map } = view;
  const { state, sentence, details } = view.health();
  const { states, shortByMax: _, ...groups } = details.groups;
  return {
    health: { state, sentence },
    cluster: map.cluster && { id: map.cluster.id, name: map.cluster.name, targetName: map.cluster.targetName },
    servers: serversByName(map.servers.values()).map((server) => ({
      name: server.name,
      up: serverIsUp(map, server.name),
      address: server.address,
      portal: endpoint(server.address, server.portalPort),
      api: `https://${endpoint(server.address, server.apiPort)}`,
    })),
    drives: [...map.drives.values()]
      .sort((a, b) => (a.server + a.id < b.server + b.id ? -1 : 1))
      .map(({ id, server, capacityBytes }) => ({
        id,
        server,
        up: driveIsUp(map, id),
        capacityBytes,
        usedBytes: map.observed.get(id)?.usedBytes ?? null,
      })),
    groups: { ...groups, ...states },
    capacity: capacity(map),
    store: { answering: view.storeAnswers, silentMs: view.silentMs },
    alerts: alerts(map),
    scrub: scrubAnswer(map),
    unreadable: [...map.invalid].map(([key, reason]) => ({ key, reason })),
  };
}

export function serversByName(servers: Iterable<ServerRecord>): ServerRecord[] {
  return [...servers].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** "ADDRESS:PORT"; an IPv6 address in brackets (RFC 3986 3.2.2). */
export function endpoint(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
