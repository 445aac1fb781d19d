import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { userKeys } from "../../src/cluster/users.ts";
import { ROUTES } from "../../src/management/route-table.ts";
import { API_BASE, type Route } from "../../src/management/route.ts";
import { ApiFixture, TOKEN, type Api } from "./api-fixture.ts";

const PASSWORD = "a long password";
/** All that anybody may ask; whoever adds one here answers for it. */
// A server that joins proves that it knows the join code, and is given nothing before (test/formation/join.test.ts).
const PUBLIC = ["GET /health", "GET /join/hello", "GET /openapi.json", "POST /join/prove", "POST /login"];
/** What a viewer may do that is no reading: it is about the viewer alone. */
const OWN = ["POST /logout", "POST /session/password"];

let fixture: ApiFixture;
let api: Api;
beforeEach(async () => {
  fixture = new ApiFixture().form();
  for (const [name, role] of [["ada", "administrator"], ["vic", "viewer"]] as const) fixture.put(userKeys.user(name), { name, role, hash: `hash of ${PASSWORD}`, generation: 1, changedAtMs: 1 });
  api = await fixture.open();
});
afterEach(() => fixture.close());

const title = ({ method, path }: Route) => `${method} ${path}`;
const rows = ROUTES.map((row) => [title(row), row] as const);
const pathOf = (row: Route) => `${API_BASE}${row.path.replaceAll(/:[a-z]+/g, "x")}`;
/** Fits more rows than one: what is refused is refused before the body is looked at. */
const body = (row: Route) => (row.method === "POST" ? { name: "db", sizeBytes: 4096 } : undefined);

async function cookieOf(name: string): Promise<string> {
  const { headers } = await api.call("POST", `${API_BASE}/login`, { name, password: PASSWORD }, {});
  return (headers.get("set-cookie") ?? "").split(";")[0] ?? "";
}

const bad: [string, Record<string, string>][] = [
  ["no header", {}],
  ["another token", { authorization: "Bearer another-token-of-some-length-01" }],
  ["a beginning of the token", { authorization: `Bearer ${TOKEN.slice(0, -1)}` }],
  ["the token and more", { authorization: `Bearer ${TOKEN}x` }],
  ["two tokens", { authorization: `Bearer ${TOKEN} ${TOKEN}` }],
  ["another scheme", { authorization: `Basic ${btoa(`admin:${TOKEN}`)}` }],
  ["an empty token", { authorization: "Bearer " }],
  ["the bare token", { authorization: TOKEN }],
  ["an empty cookie", { cookie: "__Host-virtustor=" }],
  ["a cookie that nobody signed", { cookie: `__Host-virtustor=${btoa('{"name":"ada"}')}.AAAA`, "x-virtustor": "1" }],
  ["the token as a cookie", { cookie: `__Host-virtustor=${TOKEN}`, "x-virtustor": "1" }],
];

describe("without authentication", () => {
  test("the public routes are these", () => {
    expect(ROUTES.filter(({ access }) => access === "public").map(title).sort()).toEqual(PUBLIC);
  });

  test.each(bad)("with %s every other route is refused, and nothing is changed", async (_, headers) => {
    const before = fixture.store.revision;
    expect(ROUTES.length).toBeGreaterThanOrEqual(25);
    for (const row of ROUTES) {
      if (row.access === "public") continue;
      const answer = await api.call(row.method, pathOf(row), body(row), headers);
      expect({ row: title(row), ...answer }).toMatchObject({ row: title(row), status: 401, type: "application/problem+json", body: { code: "unauthorized", status: 401 } });
    }
    expect(fixture.store.revision).toBe(before);
  });

  test("nor is it told which paths there are", async () => {
    expect((await api.call("GET", "/api/v1/nothing", undefined, {})).status).toBe(401);
    expect((await api.call("GET", "/api/v2/volumes", undefined, {})).status).toBe(401);
    expect((await api.call("PATCH", "/api/v1/volumes", {}, {})).status).toBe(401);
    expect((await api.call("GET", "/api/v1/nothing")).status).toBe(404);
    expect((await api.call("PATCH", "/api/v1/volumes", {})).status).toBe(404);
  });

  test("health tells the state and one sentence, no more", async () => {
    const answer = await api.call("GET", "/api/v1/health", undefined, {});
    expect(Object.keys(answer.body).sort()).toEqual(["sentence", "state"]);
  });
});

describe("a viewer", () => {
  test.each(rows.filter(([, { method }]) => method !== "GET"))("%s changes nothing", async (name, row) => {
    if (PUBLIC.includes(name) || OWN.includes(name)) return;
    expect(row.access).toBe("administrator");
    const cookie = await cookieOf("vic");
    const before = fixture.store.revision;
    const answer = await api.call(row.method, pathOf(row), body(row), { cookie, "x-virtustor": "1" });
    expect(answer).toMatchObject({ status: 403, body: { code: "forbidden" } });
    expect(fixture.store.revision).toBe(before);
  });

  test("reads the status, and is told who it is", async () => {
    const cookie = await cookieOf("vic");
    expect((await api.call("GET", "/api/v1/status", undefined, { cookie })).status).toBe(200);
    expect((await api.call("GET", "/api/v1/session", undefined, { cookie })).body).toMatchObject({ name: "vic", role: "viewer" });
    expect((await api.call("GET", "/api/v1/users", undefined, { cookie })).status).toBe(403);
  });
});

describe("an administrator's browser", () => {
  const made = { name: "db", sizeBytes: 2 ** 30 };

  test("changes something with the cookie and the header", async () => {
    const headers = { cookie: await cookieOf("ada"), "x-virtustor": "1", origin: "https://server", host: "server" };
    expect((await api.call("POST", "/api/v1/volumes", made, headers)).status).toBe(201);
  });

  const foreign: [string, Record<string, string>][] = [
    ["without the header", {}],
    ["from another origin", { "x-virtustor": "1", origin: "https://evil.example", host: "server" }],
    ["from an origin that is hidden", { "x-virtustor": "1", origin: "null", host: "server" }],
    ["from another site of the same name", { "x-virtustor": "1", "sec-fetch-site": "same-site" }],
    ["from another site", { "x-virtustor": "1", "sec-fetch-site": "cross-site" }],
  ];
  test.each(foreign)("%s every change is refused", async (_, headers) => {
    const cookie = await cookieOf("ada");
    const before = fixture.store.revision;
    for (const row of ROUTES) {
      if (row.method === "GET" || row.access === "public") continue;
      expect(await api.call(row.method, pathOf(row), body(row), { cookie, ...headers })).toMatchObject({ status: 403, body: { code: "cross-site" } });
    }
    expect(fixture.store.revision).toBe(before);
  });

  test("a body that is no JSON by its type is refused", async () => {
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", ""]) {
      const answer = await api.call("POST", "/api/v1/volumes", made, { authorization: `Bearer ${TOKEN}`, "content-type": type });
      expect(answer).toMatchObject({ status: 415, body: { code: "wrong-type" } });
    }
  });
});

test("the OpenAPI document has every row of the table, with what its body must be", async () => {
  const { status, body: document } = await api.call("GET", "/api/v1/openapi.json", undefined, {});
  expect(status).toBe(200);
  expect(document["openapi"]).toBe("3.1.0");
  const paths = document["paths"] as Record<string, Record<string, { operationId: string; requestBody?: { content: Record<string, { schema: { properties?: object } }> }; security: object[] }>>;
  const ids = new Set<string>();
  for (const row of ROUTES) {
    const operation = paths[`${API_BASE}${row.path.replaceAll(/:([a-z]+)/g, "{$1}")}`]?.[row.method.toLowerCase()];
    expect({ row: title(row), known: operation !== undefined, body: operation?.requestBody !== undefined }).toEqual({ row: title(row), known: true, body: row.body !== null });
    expect(operation?.security.length === 0).toBe(row.access === "public" || row.access === "setup");
    ids.add(operation?.operationId ?? "");
  }
  expect(ids.size).toBe(ROUTES.length);
  expect(Object.keys(paths["/api/v1/volumes"]?.["post"]?.requestBody?.content["application/json"]?.schema.properties ?? {})).toEqual(["name", "sizeBytes", "factor"]);
});

test("no two rows answer the same request", () => {
  const shapes = ROUTES.map(({ method, path }) => `${method} ${path.replaceAll(/:[a-z]+/g, ":")}`);
  expect(new Set(shapes).size).toBe(shapes.length);
});

test("every answer forbids being framed, guessed at and sent on", async () => {
  for (const path of ["/api/v1/health", "/api/v1/status", "/api/v1/nothing"]) {
    const { headers } = await api.call("GET", path, undefined, {});
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    expect(headers.get("strict-transport-security")).toContain("max-age=");
  }
});
