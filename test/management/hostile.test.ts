import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { COMPILED_TOKEN, CompiledApi } from "./compiled.ts";

const api = new CompiledApi();
beforeAll(() => api.start({ admin: { role: "administrator", password: "a long password" } }), 60_000);
afterAll(() => api.stop());

const HOST = "Host: 127.0.0.1\r\nConnection: close\r\n";
const KNOWN = `${HOST}Authorization: Bearer ${COMPILED_TOKEN}\r\n`;
const post = (path: string, body: string, headers = HOST, type = "Content-Type: application/json\r\n") => `POST ${path} HTTP/1.1\r\n${headers}${type}Content-Length: ${body.length}\r\n\r\n${body}`;

/** What a program's inside looks like from outside. */
const INSIDE = /\bat \S+ \(|\.ts\b|\$bunfs|node_modules|node:|sourceMappingURL|bun-error|Bun\.|\bBun\b|Error:|stack|\/work|\/tmp|\/root|server\.json|undefined is not|argon2|sealed:/i;

/** `status` null: the connection is closed without an answer. */
const cases: [what: string, bytes: string, status: number | null][] = [
  ["no Host", "GET /api/v1/status HTTP/1.1\r\nConnection: close\r\n\r\n", 400],
  ["an empty Host, of a public path", "GET /api/v1/health HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n", 200],
  ["an empty Host, of another", "GET /api/v1/status HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n", 401],
  ["a Host that is none", "GET /api/v1/status HTTP/1.1\r\nHost: a b/%zz:99999\r\nConnection: close\r\n\r\n", 401],
  ["a Host with a path", "GET /status HTTP/1.1\r\nHost: 127.0.0.1/api/v1\r\nConnection: close\r\n\r\n", 200],
  ["two Hosts", "GET /api/v1/status HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n", 401],
  ["the absolute form", `GET http://evil.example/api/v1/status HTTP/1.1\r\n${HOST}\r\n`, 401],
  ["an absolute form that is no URL", `GET http://[::bad/api/v1/status HTTP/1.1\r\n${HOST}\r\n`, 401],
  ["the asterisk form", `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`, 400],
  ["the authority form", `CONNECT evil.example:443 HTTP/1.1\r\n${HOST}\r\n`, 401],
  ["HTTP/1.0 without Host", "GET /api/v1/health HTTP/1.0\r\n\r\n", 200],
  ["HTTP/1.0 without Host, of another path", "GET /api/v1/status HTTP/1.0\r\n\r\n", 401],
  ["HTTP/1.0 with a path that hides another", "GET /x/api/v1/health HTTP/1.0\r\n\r\n", 200],
  ["HTTP/0.9", "GET /api/v1/health\r\n\r\n", 505],
  ["HTTP/2 without agreement", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
  ["HTTP/9.9", `GET / HTTP/9.9\r\n${HOST}\r\n`, 505],
  ["bare line feeds", "GET /api/v1/health HTTP/1.1\nHost: x\n\n", 505],
  ["no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", 400],
  ["a path with a null byte", `GET /api/v1/\0status HTTP/1.1\r\n${HOST}\r\n`, 505],
  ["a path with an encoded null byte", `GET /assets/%00 HTTP/1.1\r\n${HOST}\r\n`, 404],
  ["a header with a null byte", `GET /api/v1/health HTTP/1.1\r\n${HOST}X: a\0b\r\n\r\n`, 400],
  ["a path that climbs", `GET /assets/../../../../etc/passwd HTTP/1.1\r\n${HOST}\r\n`, 200],
  ["a path that climbs, encoded", `GET /assets/..%2f..%2fetc/passwd HTTP/1.1\r\n${HOST}\r\n`, 404],
  ["a path that is encoded wrongly", `GET /api/v1/volumes/%zz%ff HTTP/1.1\r\n${KNOWN}\r\n`, 404],
  ["a path of other letters", `GET /api/v1/st\xe4tus HTTP/1.1\r\n${HOST}\r\n`, 401],
  ["no path", `GET  HTTP/1.1\r\n${HOST}\r\n`, 400],
  ["a path with a backslash", `GET \\\\evil.example HTTP/1.1\r\n${HOST}\r\n`, 400],
  ["a path with two slashes", `GET //api/v1/status HTTP/1.1\r\n${HOST}\r\n`, 200],
  ["an encoded API path", `GET /%61pi/v1/status HTTP/1.1\r\n${HOST}\r\n`, 401],
  ["a query of nonsense", `GET /api/v1/health?%zz&a[]=1&__proto__=1 HTTP/1.1\r\n${HOST}\r\n`, 200],
  ["a long path", `GET /api/v1/${"a".repeat(12_000)} HTTP/1.1\r\n${KNOWN}\r\n`, 404],
  ["a huge path", `GET /${"a".repeat(100_000)} HTTP/1.1\r\n${HOST}\r\n`, 431],
  ["a huge header", `GET /api/v1/health HTTP/1.1\r\n${HOST}X: ${"a".repeat(200_000)}\r\n\r\n`, 431],
  ["many headers", `GET /api/v1/health HTTP/1.1\r\n${HOST}${Array.from({ length: 5000 }, (_, n) => `X${n}: a\r\n`).join("")}\r\n`, 431],
  ["a method that does not exist", `BREW /api/v1/status HTTP/1.1\r\n${HOST}\r\n`, null],
  ["a method that does not fit", `PUT /api/v1/status HTTP/1.1\r\n${KNOWN}Content-Length: 0\r\n\r\n`, 404],
  ["TRACE", `TRACE /api/v1/health HTTP/1.1\r\n${HOST}X-Secret: y\r\n\r\n`, 401],
  ["HEAD", `HEAD /api/v1/status HTTP/1.1\r\n${HOST}\r\n`, 401],
  ["an upgrade", `GET /api/v1/status HTTP/1.1\r\n${HOST.replace("close", "close, Upgrade")}Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`, 401],
  ["a length and chunks", `POST /api/v1/login HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n`, 400],
  ["a negative length", `POST /api/v1/login HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: -5\r\n\r\n`, 400],
  ["a chunk without a length", `POST /api/v1/login HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`, 400],
  ["a huge body", post("/api/v1/login", "x".repeat(70_000)), 413],
  ["deep lists", post("/api/v1/login", "[".repeat(30_000) + "]".repeat(30_000)), 400],
  ["deep objects", post("/api/v1/login", '{"a":'.repeat(9_000) + "1" + "}".repeat(9_000)), 400],
  ["deep objects of an administrator", post("/api/v1/volumes", '{"name":'.repeat(7_000) + "1" + "}".repeat(7_000), KNOWN), 400],
  ["no JSON", post("/api/v1/login", "name=admin&password=x"), 400],
  ["another type", post("/api/v1/login", "{}", HOST, "Content-Type: text/plain\r\n"), 415],
  ["no type", post("/api/v1/login", "{}", HOST, ""), 415],
  ["a body of null bytes", post("/api/v1/login", "\0".repeat(100)), 400],
  ["a prototype in the body", post("/api/v1/login", '{"__proto__":{"name":"admin"},"constructor":1}'), 400],
  ["a name of null bytes", post("/api/v1/login", '{"name":"\\u0000","password":"\\u0000"}'), 401],
  ["credentials that are no text", `GET /api/v1/status HTTP/1.1\r\n${HOST}Authorization: Bearer \xff\xfe\r\nCookie: __Host-virtustor=\xff.\xfe\r\n\r\n`, 401],
  ["a cookie of dots", `GET /api/v1/status HTTP/1.1\r\n${HOST}Cookie: ;;=;__Host-virtustor=...;\r\n\r\n`, 401],
];

describe("the compiled executable", () => {
  test.each(cases)("%s: leaks nothing", async (_, bytes, status) => {
    const answer = await api.exchange(Buffer.from(bytes, "latin1"), status === null ? 1000 : undefined);
    if (status === null) expect(answer).toBe("");
    else expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    // The page of the web UI names its own files, and nothing else.
    expect(answer.replace(/src="\/assets\/[^"]*"/g, "")).not.toMatch(INSIDE);
    if (status === 401) expect(answer).not.toContain("virtustor:cluster");
  });

  test("afterwards it answers as before", async () => {
    expect((await api.ask("/api/v1/health")).status).toBe(200);
    const { status, headers } = await api.ask("/api/v1/status", { headers: { authorization: `Bearer ${COMPILED_TOKEN}` } });
    expect([status, headers.get("server"), headers.get("x-powered-by")]).toEqual([200, null, null]);
  });

  test("a user logs in with argon2id, and a wrong password does not", async () => {
    const login = (password: string) => api.ask("/api/v1/login", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ name: "admin", password }) });
    expect((await login("a wrong password")).status).toBe(401);
    const { status, headers } = await login("a long password");
    expect(status).toBe(200);
    const cookie = (headers.get("set-cookie") ?? "").split(";")[0] ?? "";
    expect((await api.ask("/api/v1/session", { headers: { cookie } })).status).toBe(200);
  });

  test("the page's policy allows its own files alone", async () => {
    const page = await api.ask("/");
    expect(page.headers.get("content-security-policy")).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self' 'nonce-[0-9a-f]{32}'; .*frame-ancestors 'none'$/);
    expect(page.headers.get("strict-transport-security")).toContain("max-age=");
    const script = /src="(\/assets\/[^"]+)"/.exec(await page.text())?.[1] ?? "";
    const { status, headers } = await api.ask(script);
    expect([status, headers.get("cache-control"), headers.get("x-content-type-options")]).toEqual([200, "public, max-age=31536000, immutable", "nosniff"]);
  });

  test("live changes come as events, and end with the session", async () => {
    const bearer = { authorization: `Bearer ${COMPILED_TOKEN}` };
    const response = await api.ask("/api/v1/events-stream", { headers: bearer });
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
    const reader = response.body?.getReader();
    const next = async () => new TextDecoder().decode((await reader?.read())?.value);
    expect(await next()).toContain('"topics":["status",');
    const changed = await api.ask("/api/v1/settings", { method: "POST", headers: { ...bearer, "content-type": "application/json" }, body: JSON.stringify({ strictReads: true }) });
    expect(changed.status).toBe(200);
    let text = "";
    while (!text.includes('"settings"')) text += await next();
    expect(text).toContain("event: changed\n");
    await reader?.cancel();
  });
});
