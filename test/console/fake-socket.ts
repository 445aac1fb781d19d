import { LocalProblem } from "../../src/console/local-server.ts";
import type { FakeServer } from "./fake-server.ts";

/** Serves a fake server on a Unix socket, as the real one serves its own. */
export function serveFake(server: FakeServer, path: string): { stop(): Promise<void> } {
  const routes: Record<string, (body: never, url: URL) => Promise<object>> = {
    "GET /local/state": () => server.state(),
    "POST /local/create": (body) => server.create(body),
    "POST /local/join": (body) => server.join(body),
    "POST /local/retry": () => server.retry(),
    "POST /local/abandon": () => server.abandon(),
    "GET /local/drives": () => server.freeDrives(),
    "POST /local/drives": (body) => server.addDrive(body),
    "POST /local/join-code": () => server.joinCode(),
    "POST /local/password": ({ password }: { password: string }) => server.setPassword(password),
    "POST /local/restart": ({ confirm }: { confirm: boolean }) => server.restart(confirm),
    "POST /local/power-off": ({ confirm }: { confirm: boolean }) => server.powerOff(confirm),
    "GET /local/log": (_, url) => server.log(Number(url.searchParams.get("lines"))),
    "GET /local/discover": () => server.discover(),
  };
  const served = Bun.serve({
    unix: path,
    async fetch(request) {
      const url = new URL(request.url, "http://x");
      const route = routes[`${request.method} ${url.pathname}`];
      if (route === undefined) return Response.json({ detail: `There is no ${url.pathname}.` }, { status: 404 });
      try {
        return Response.json(await route((request.method === "POST" ? await request.json() : undefined) as never, url));
      } catch (error) {
        if (!(error instanceof LocalProblem)) throw error;
        return Response.json({ type: "about:blank", title: "Refused", status: 409, detail: error.message, code: "not-possible" }, { status: 409 });
      }
    },
  });
  return { stop: () => served.stop(true) };
}
