import { route, type Route } from "../route.ts";

export const streamRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/events-stream",
    access: "viewer",
    summary: "Server-sent events: which answers may have changed",
    answer: "ChangedEvent",
    handle: ({ context, allowed }) => context.streams.open(allowed),
  }),
];
