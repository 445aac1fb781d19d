import { route, type Route } from "../route.ts";

export const streamRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/events-stream",
    access: "viewer",
    summary: "Server-sent events: which answers may have changed",
    answer: "ChangedEvent",
    // To HEAD nobody would ever read the stream, nor close it.
    handle: ({ context, request, allowed }) => (request.method === "HEAD" ? new Response(null, { headers: { "content-type": "text/event-stream" } }) : context.streams.open(allowed)),
  }),
];
