import { afterEach, beforeEach, expect, test } from "bun:test";
import { userKeys } from "../../src/cluster/users.ts";
import { serveHttp, type HttpServer } from "../../src/platform/http.ts";
import { tls, trusting } from "../certificates.ts";
import { ApiFixture, settled, TOKEN, type Api } from "./api-fixture.ts";

const CLIENTS_MAX = 64;
let fixture: ApiFixture;
let api: Api;
let server: HttpServer;
beforeEach(async () => {
  fixture = new ApiFixture().form();
  fixture.put(userKeys.user("vic"), { name: "vic", role: "viewer", hash: "hash of a long password", generation: 1, changedAtMs: 1 });
  api = await fixture.open();
  server = serveHttp({ address: "127.0.0.1", port: 0, tls, fetch: (request, remote) => api.app.fetch(request, { remote }), onError: () => {} });
});
afterEach(async () => {
  fixture.close();
  await server.stop();
});

function listen(headers: Record<string, string> = { authorization: `Bearer ${TOKEN}` }, init: RequestInit = {}): Promise<Response> {
  return fetch(`https://127.0.0.1:${server.port}/api/v1/events-stream`, { ...trusting, ...init, headers });
}
async function read(response: Response, part: string): Promise<string> {
  const reader = response.body?.getReader();
  let text = "";
  for (;;) {
    const { value, done } = (await reader?.read()) ?? { done: true };
    text += new TextDecoder().decode(value);
    if (text.includes(part) || done) {
      reader?.releaseLock();
      return text;
    }
  }
}

test("what has changed is told, gathered, and nothing else", async () => {
  const response = await listen();
  expect(await read(response, "\n\n")).toStartWith('event: changed\ndata: {"topics":["status","alerts",');
  for (let n = 0; n < 50; n++) fixture.put(`volume-name/x${n}`, n + 1);
  fixture.put("host/esx", { name: "esx", iqns: [], chap: null });
  fixture.put(userKeys.user("eve"), { name: "eve", role: "viewer", hash: "x", generation: 1, changedAtMs: 1 });
  const told = await read(response, '"users"');
  expect(told).toContain('"hosts"');
  expect(told.split("event: changed").length - 1).toBeLessThan(5);
  expect(told).not.toContain("esx");
  await response.body?.cancel();
});

test("clients are bounded, and one that goes away leaves its place", async () => {
  const here = (method = "GET") => api.app.request("/api/v1/events-stream", { method, headers: { authorization: `Bearer ${TOKEN}` } }, { remote: "127.0.0.9" });
  const stop = new AbortController();
  await read(await listen(undefined, { signal: stop.signal }), "\n\n");
  const open: Response[] = [];
  for (let n = 1; n < CLIENTS_MAX; n++) open.push(await here());
  expect(open.map(({ status }) => status)).toEqual(open.map(() => 200));
  expect((await here()).status).toBe(503);
  for (let n = 0; n < 3; n++) expect((await here("HEAD")).status).toBe(200);
  // One of this process, and one over the network.
  await open.pop()?.body?.cancel();
  open.push(await here());
  expect(open.at(-1)?.status).toBe(200);
  stop.abort();
  let again = await here();
  while (again.status === 503) {
    await Bun.sleep(10);
    again = await here();
  }
  expect(again.status).toBe(200);
  for (const response of [...open, again]) await response.body?.cancel();
});

test("a stream ends when its user's session does", async () => {
  const login = await api.call("POST", "/api/v1/login", { name: "vic", password: "a long password" }, { "x-virtustor-token": "1" });
  const response = await listen({ authorization: `Bearer ${String(login.body["token"])}` });
  await read(response, "\n\n");
  fixture.store.apply({ compares: [], deletes: [userKeys.user("vic")] });
  await settled(() => api.view.people.users.size === 0);
  // Ends by itself: what is looked for never comes.
  expect(await read(response, "never")).not.toContain('"users"');
});
