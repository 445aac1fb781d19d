import { VERSION } from "../../base/version.ts";
import { alerts } from "../../cluster/alerts.ts";
import { capacity } from "../../cluster/capacity.ts";
import { driveIsUp, serverIsUp } from "../../cluster/health.ts";
import type { ServerRecord } from "../../cluster/schema.ts";
import type { HealthAnswer, StatusAnswer } from "../api.ts";
import type { VersionAnswer } from "../api/cluster.ts";
import type { ApiContext } from "../app.ts";
import { route, type Route } from "../route.ts";
import { scrubAnswer } from "./scrub.ts";

/** It tells load balancers and watchdogs nothing but the state. */
export const HEALTH = route({
  method: "GET",
  path: "/health",
  access: "public",
  summary: "The cluster's health as one sentence, from this server's copy",
  answer: "HealthAnswer",
  handle({ context }): HealthAnswer {
    const { state, sentence } = context.view.health();
    return { state, sentence };
  },
});

/** All from this server's copy, so that they are answered while the store is not. */
export const statusRoutes: readonly Route[] = [
  HEALTH,
  route({
    method: "GET",
    path: "/status",
    access: "viewer",
    summary: "Health, servers, drives, groups, capacity",
    answer: "StatusAnswer",
    handle: ({ context }) => statusAnswer(context.view),
  }),
  route({
    method: "GET",
    path: "/version",
    access: "viewer",
    summary: "Which VirtuStor this server runs",
    answer: "VersionAnswer",
    handle: (): VersionAnswer => ({ product: "VirtuStor", version: VERSION }),
  }),
];

function statusAnswer(view: ApiContext["view"]): StatusAnswer {
  const { map } = view;
  const { state, sentence, details } = view.health();
  const { states, shortByMax: _, ...groups } = details.groups;
  return {
    health: { state, sentence },
    cluster: map.cluster && { id: map.cluster.id, name: map.cluster.name, targetName: map.cluster.targetName, evaluation: map.cluster.evaluation === true },
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
