import { serverIsUp } from "../../cluster/health.ts";
import type { SessionsAnswer } from "../api/sessions.ts";
import { route, type Route } from "../route.ts";

/** From this server's copy of what the portals tell. */
export const portalSessionRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/sessions",
    access: "viewer",
    summary: "iSCSI sessions of all portals",
    answer: "SessionsAnswer",
    handle({ context: { view } }): SessionsAnswer {
      const { map, portals } = view;
      const luns = new Map<string, number[]>();
      for (const { host, lun } of map.mappings.values()) luns.set(host, [...(luns.get(host) ?? []), lun]);
      const sessions = [...portals.sessions].flatMap(([server, told]) =>
        told.sessions.map(({ host, initiator, address, sinceMs }) => ({ host, initiator, server, address: address.replace(/:\d+$/, ""), sinceMs, luns: (luns.get(host) ?? []).sort((a, b) => a - b) })),
      );
      const silent = [...map.servers.keys()].filter((name) => serverIsUp(map, name) && !portals.sessions.has(name)).sort();
      return { sessions: sessions.sort((a, b) => (a.host + a.server < b.host + b.server ? -1 : 1)), silent };
    },
  }),
];
