import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { ApiFixture, TOKEN, type Api } from "./api-fixture.ts";

const GIB = 2 ** 30;
const IQN = "iqn.2024-01.org.example:host-1";
let fixture: ApiFixture;
let api: Api;
beforeEach(async () => {
  fixture = new ApiFixture().form();
  api = await fixture.open();
});
afterEach(() => fixture.close());

function stored(): number {
  return fixture.store.revision;
}

describe("bodies that are not valid", () => {
  const volume = { name: "db", sizeBytes: GIB };
  const host = { name: "esx", iqns: [IQN] };
  const chap = (user: unknown, secret: unknown) => ({ ...host, chap: { user, secret } });
  const cases: [path: string, body: unknown, detail: string][] = [
    ["volumes", "", "not valid JSON"],
    ["volumes", "{", "not valid JSON"],
    ["volumes", "\u0000\u00ff", "not valid JSON"],
    ["volumes", "[]", "lacks the key name"],
    ["volumes", "null", "JSON object"],
    ["volumes", '"db"', "JSON object"],
    ["volumes", {}, "lacks the key name"],
    ["volumes", { name: "db" }, "lacks the key sizeBytes"],
    ["volumes", { ...volume, facter: 2 }, "unknown key: facter"],
    ["volumes", '{"name":"db","sizeBytes":4096,"__proto__":{"factor":2}}', "unknown key"],
    ["volumes", { ...volume, sizeBytes: 0 }, "more than 0"],
    ["volumes", { ...volume, sizeBytes: -4096 }, "more than 0"],
    ["volumes", { ...volume, sizeBytes: 4097 }, "multiple of 4096"],
    ["volumes", { ...volume, sizeBytes: 64 * 2 ** 40 + 4096 }, "at most 64 TiB"],
    ["volumes", { ...volume, sizeBytes: 4096.5 }, "whole number"],
    ["volumes", { ...volume, sizeBytes: "1GiB" }, "number of bytes"],
    ["volumes", '{"name":"db","sizeBytes":1e400}', "whole number"],
    ["volumes", { ...volume, factor: 3 }, "replication factor is 1"],
    ["volumes", { ...volume, factor: 3 }, "replication factor is 1"],
    ["volumes", { ...volume, factor: "1" }, "replication factor is 1"],
    ...["", "-db", "a b", "a/b", "../db", "ä", "x".repeat(64), "db\n", 5, null].map((name): [string, unknown, string] => [
      "volumes",
      { ...volume, name },
      "1 to 63 letters",
    ]),
    ["hosts", { name: "esx" }, "lacks the key iqns"],
    ["hosts", { ...host, iqns: [] }, "at least one"],
    ["hosts", { ...host, iqns: IQN }, "a list"],
    ["hosts", { ...host, iqns: Array.from({ length: 33 }, (_, n) => `${IQN}-${n}`) }, "at most 32"],
    ...["iqn", "iqn.2024-13.org.example", "iqn.2024-01.", "iqn.2024-01.org.example:", "iqn.2024-01.org.exa mple", "eui.0123", "naa.xyz", `${IQN}${"x".repeat(223)}`, "", 7].map(
      (iqn): [string, unknown, string] => ["hosts", { ...host, iqns: [iqn] }, "initiator name is"],
    ),
    ["hosts", { ...host, name: "a/b" }, "A host's name is 1 to 63"],
    ["hosts", chap("user", "short"), "12 to 255"],
    ["hosts", chap("user", "x".repeat(256)), "12 to 255"],
    ["hosts", chap("user", "with a new\nline"), "printable"],
    ["hosts", chap("", "long-enough-secret"), "CHAP user has 1 to"],
    ["hosts", chap(7, "long-enough-secret"), "CHAP user has 1 to"],
    ["hosts", { ...host, chap: { user: "u" } }, "lacks the key chap.secret"],
    ["hosts", { ...host, chap: "u:secret" }, "no object under the key chap"],
    ["mappings", {}, "lacks the key volume"],
    ["mappings", { volume: "db", host: "esx", lun: 256 }, "0 to 255"],
    ["mappings", { volume: "db", host: "esx", lun: -1 }, "0 to 255"],
    ["mappings", { volume: "db", host: "esx", lun: 1.5 }, "0 to 255"],
    ["mappings", { volume: "db", host: "esx", lun: "1" }, "0 to 255"],
  ];

  test.each(cases)("POST %s %j", async (path, body, detail) => {
    const before = stored();
    const answer = await api.call("POST", `/api/v1/${path}`, body);
    expect(answer).toMatchObject({ status: 400, type: "application/problem+json", body: { type: "about:blank", status: 400, code: "bad-request" } });
    expect(answer.body["detail"]).toContain(detail);
    expect(stored()).toBe(before);
  });

  test("a huge body is refused, whether its length is said or not", async () => {
    const huge = JSON.stringify({ ...volume, name: "x".repeat(70_000) });
    expect(await api.call("POST", "/api/v1/volumes", huge)).toMatchObject({ status: 413, body: { code: "body-too-large" } });
    const stream = new Response(huge).body;
    const request = new Request("http://server/api/v1/volumes", { method: "POST", headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" }, body: stream });
    expect((await api.app.fetch(request, { remote: "127.0.0.9" })).status).toBe(413);
  });

  test("an error never repeats a secret", async () => {
    const answer = await api.call("POST", "/api/v1/hosts", chap("user", "s3cret"));
    expect(JSON.stringify(answer) + JSON.stringify(api.lines)).not.toContain("s3cret");
  });
});

describe("names in paths", () => {
  const paths = ["volumes/none", "volumes/a%2Fb", "volumes/%00", "volumes/..%2F..", `volumes/${"x".repeat(5000)}`, "volumes/%C3%A4", "hosts/none", "mappings/none/none"];
  test.each(paths)("DELETE %s: not found", async (path) => {
    expect(await api.call("DELETE", `/api/v1/${path}`)).toMatchObject({ status: 404, body: { code: "not-found" } });
  });
});

test("a value in the store that cannot be read is an error without details, and the log says which", async () => {
  fixture.put("volume-name/db", 7);
  fixture.put("volume/7", { wrong: true });
  const answer = await api.call("DELETE", "/api/v1/volumes/db");
  expect(answer).toMatchObject({ status: 500, body: { code: "bug" } });
  expect(api.lines.find((line) => line.level === "error")?.fields["error"]).toMatchObject({ message: expect.stringContaining("volume/7") });
  expect((await api.call("GET", "/api/v1/status")).body).toMatchObject({ unreadable: [{ key: "volume/7" }] });
});

test("a body that breaks off is a bad request, and no bug is logged", async () => {
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('{"name":'));
      controller.error(new Error("Request body exceeded maxRequestBodySize"));
    },
  });
  const answer = await api.app.request("/api/v1/volumes", { method: "POST", body, headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" } }, { remote: "127.0.0.1" });
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ code: "bad-request", detail: "The request's body did not arrive whole." });
});
