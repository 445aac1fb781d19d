import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { userKeys } from "../../src/cluster/users.ts";
import { Attempts } from "../../src/management/attempts.ts";
import { realClock } from "../../src/platform/clock.ts";
import { createApp } from "../../src/management/app.ts";
import { ApiFixture, CREDENTIALS, fakePlatform, hastyClock, settled, TOKEN, type Answer, type Api } from "./api-fixture.ts";

const PASSWORD = "a long password";
let fixture: ApiFixture;
let one: Api;
let two: Api;
beforeEach(async () => {
  fixture = new ApiFixture().form();
  user("admin", "administrator");
  user("vic", "viewer");
  one = await fixture.open("one");
  two = await fixture.open("two");
});
afterEach(() => fixture.close());

function user(name: string, role: string): void {
  fixture.put(userKeys.user(name), { name, role, hash: `hash of ${PASSWORD}`, generation: 1, changedAtMs: 1 });
}
const login = (api: Api, name = "admin", password = PASSWORD, headers: Record<string, string> = {}): Promise<Answer> => api.call("POST", "/api/v1/login", { name, password }, headers);
const cookieOf = (answer: Answer) => ({ cookie: (answer.headers.get("set-cookie") ?? "").split(";")[0] ?? "", "x-virtustor": "1" });
const who = (api: Api, headers: Record<string, string>): Promise<Answer> => api.call("GET", "/api/v1/session", undefined, headers);

describe("a session", () => {
  test("is a cookie that no script and no other site sees, and any server takes it", async () => {
    const answer = await login(one);
    expect(answer).toMatchObject({ status: 200, body: { name: "admin", role: "administrator" } });
    expect(answer.headers.get("set-cookie")).toMatch(/^__Host-virtustor=[\w.-]+; Path=\/; Secure; HttpOnly; SameSite=Strict; Max-Age=\d+$/);
    expect(JSON.stringify(answer.body)).not.toContain("token");
    expect((await who(two, cookieOf(answer))).body).toMatchObject({ name: "admin", role: "administrator" });
  });

  test("is taken, and begun, while the store does not answer", async () => {
    fixture.close();
    fixture = new ApiFixture({ clock: hastyClock() }).form();
    user("admin", "administrator");
    [one, two] = [await fixture.open("one"), await fixture.open("two")];
    const headers = cookieOf(await login(one));
    fixture.store.setAvailable(false);
    expect((await who(two, headers)).status).toBe(200);
    expect((await login(two)).status).toBe(200);
    expect((await login(two, "admin", "another password")).status).toBe(401);
  });

  test("is for programs a bearer token, without a cookie", async () => {
    const answer = await login(one, "vic", PASSWORD, { "x-virtustor-token": "1" });
    expect(answer.headers.get("set-cookie")).toBeNull();
    expect((await who(two, { authorization: `Bearer ${String(answer.body["token"])}` })).body).toMatchObject({ name: "vic", role: "viewer" });
  });

  test("ends everywhere when its user logs out", async () => {
    const [mine, other] = [cookieOf(await login(one)), cookieOf(await login(one))];
    const out = await one.call("POST", "/api/v1/logout", undefined, mine);
    expect(out).toMatchObject({ status: 200, body: { ended: true } });
    expect(out.headers.get("set-cookie")).toContain("Max-Age=0");
    await settled(() => two.view.people.ended.size === 1);
    expect((await who(two, mine)).status).toBe(401);
    expect((await who(two, other)).status).toBe(200);
  });

  test("ends with all others of its user when very many were ended, and those that are over are forgotten", async () => {
    for (let n = 0; n < 50; n++) fixture.put(userKeys.endedSession(`old${n}`), { expiresAtMs: 1 });
    const other = cookieOf(await login(one));
    await one.call("POST", "/api/v1/logout", undefined, cookieOf(await login(one)));
    expect(fixture.store.list("session-ended/").length).toBe(1);
    for (let n = 0; n < 999; n++) fixture.put(userKeys.endedSession(`new${n}`), { expiresAtMs: Date.now() + 3600_000 });
    expect((await who(one, other)).status).toBe(200);
    expect((await one.call("POST", "/api/v1/logout", undefined, cookieOf(await login(one)))).body).toEqual({ ended: true });
    expect(fixture.store.list("session-ended/").length).toBe(1000);
    expect((await who(one, other)).status).toBe(401);
  });

  test("one that was changed, cut or signed with another key is none", async () => {
    const { cookie } = cookieOf(await login(one));
    const value = cookie.slice(cookie.indexOf("=") + 1);
    const [text = "", signature = ""] = value.split(".");
    const forged = Buffer.from(Buffer.from(text, "base64url").toString().replace('"admin"', '"adm1n"')).toString("base64url");
    for (const bad of [`${forged}.${signature}`, text, `${text}.`, `.${signature}`, `${value}.x`, `${text}.${signature.slice(0, -2)}`, "a".repeat(5000), "..", "%00"]) {
      expect({ bad, ...(await who(one, { cookie: `__Host-virtustor=${bad}` })) }).toMatchObject({ bad, status: 401 });
      if (!/[^\x21-\x7e]/.test(bad)) expect((await who(one, { authorization: `Bearer ${bad}` })).status).toBe(401);
    }
    const app = createApp({ platform: fakePlatform(), store: fixture.store.client("x"), view: one.view, ...CREDENTIALS, clusterKey: new Uint8Array(32).fill(8) });
    expect((await app.request("/api/v1/session", { headers: { cookie } }, { remote: "127.0.0.9" })).status).toBe(401);
  });

  test("cannot be used after its time", async () => {
    const { cookie } = cookieOf(await login(one));
    const later = fakePlatform([], { ...realClock(), wallMs: () => Date.now() + 13 * 3600_000 });
    const app = createApp({ platform: later, store: fixture.store.client("x"), view: one.view, ...CREDENTIALS });
    expect((await app.request("/api/v1/session", { headers: { cookie } }, { remote: "127.0.0.9" })).status).toBe(401);
  });
});

describe("a password", () => {
  test("that is changed ends all other sessions, and the old one is of no use", async () => {
    const [mine, other] = [cookieOf(await login(one)), cookieOf(await login(two))];
    const changed = await one.call("POST", "/api/v1/session/password", { old: PASSWORD, new: "another long one" }, mine);
    expect(changed.status).toBe(200);
    await settled(() => two.view.people.users.get("admin")?.generation === 2);
    expect((await who(two, other)).status).toBe(401);
    expect((await who(two, mine)).status).toBe(401);
    expect((await who(two, cookieOf(changed))).status).toBe(200);
    expect((await login(one)).status).toBe(401);
    expect((await login(one, "admin", "another long one")).status).toBe(200);
  });

  test("is not changed without the old one, nor to one that is easily guessed", async () => {
    const mine = cookieOf(await login(one));
    const before = fixture.read(userKeys.user("admin"));
    const change = (old: string, next: unknown) => one.call("POST", "/api/v1/session/password", { old, new: next }, mine);
    expect((await change("another password", "another long one")).status).toBe(401);
    for (const next of ["short", "", "aaaaaaaaaaaaaaa", "admin12345", "x".repeat(300), 5]) expect({ next, ...(await change(PASSWORD, next)) }).toMatchObject({ next, status: 400 });
    expect(fixture.read(userKeys.user("admin"))).toEqual(before);
  });

  test("is never told, logged or kept as it is", async () => {
    const mine = cookieOf(await login(one));
    const answers = [
      await one.call("POST", "/api/v1/users", { name: "eve", role: "viewer", password: "eves long password" }, mine),
      await one.call("POST", "/api/v1/users/eve", { password: "eves other password" }, mine),
      await login(one, "eve", "eves wrong password"),
      await one.call("GET", "/api/v1/users", undefined, mine),
      await one.call("GET", "/api/v1/audit", undefined, mine),
    ];
    expect(answers.map(({ status }) => status)).toEqual([201, 200, 401, 200, 200]);
    expect(JSON.stringify([answers, one.lines])).not.toMatch(/eves|hash of/);
  });
});

describe("guessing", () => {
  test("an unknown name and a wrong password get the same answer", async () => {
    const [unknown, wrong, odd] = [await login(one, "nobody"), await login(one, "admin", "wrong"), await login(one, "../user/admin\u0000")];
    expect(unknown).toMatchObject({ status: 401, body: { code: "wrong-login" } });
    expect([wrong.body, odd.body]).toEqual([unknown.body, unknown.body]);
  });

  test("is slowed down for the name from that address, with known and unknown names alike, and the right password does not help", async () => {
    for (const name of ["admin", "nobody"]) {
      const codes = [];
      for (let n = 0; n < 8; n++) codes.push((await login(one, name, "wrong")).body["code"]);
      expect(codes).toEqual([...Array(5).fill("wrong-login"), ...Array(3).fill("too-many-attempts")]);
    }
    const answer = await login(one);
    expect(answer).toMatchObject({ status: 429, body: { code: "too-many-attempts" } });
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await login(two)).status).toBe(200);
    expect((await one.call("GET", "/api/v1/audit")).body["records"]).toContainEqual(expect.objectContaining({ who: "admin", from: "127.0.0.9", what: expect.stringContaining("locked out") }));
  });

  test("many tries at once count as many", async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, () => login(one, "admin", "wrong")));
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(5);
  });

  test("delays grow to minutes, the address is bounded for all names, a name for all addresses, and time forgives", () => {
    let now = 0;
    const attempts = new Attempts({ nowMs: () => now } as never);
    const waits: number[] = [];
    for (let n = 0; n < 20; n++) {
      attempts.begun("admin", "10.0.0.1");
      waits.push(attempts.waitMs("admin", "10.0.0.1"));
    }
    expect(waits.slice(0, 8)).toEqual([0, 0, 0, 0, 1000, 2000, 4000, 8000]);
    expect(Math.max(...waits)).toBe(900_000);
    expect(attempts.waitMs("other", "10.0.0.1")).toBeGreaterThan(0);
    expect(attempts.waitMs("admin", "10.0.0.2")).toBe(0);
    for (let n = 0; n < 100; n++) attempts.begun("admin", `10.1.0.${n}`);
    expect(attempts.waitMs("admin", "10.0.0.2")).toBe(30_000);
    now += 3600_001;
    attempts.begun("admin", "10.0.0.1");
    expect(attempts.waitMs("admin", "10.0.0.1")).toBe(0);
    for (let n = 0; n < 30_000; n++) attempts.begun(`user${n}`, `10.2.${n >> 8}.${n & 255}`);
    expect(attempts.waitMs("admin", "10.9.9.9")).toBe(0);
  });
});

describe("users", () => {
  test("are created, listed, changed and deleted; what they may do changes at once", async () => {
    const mine = cookieOf(await login(one));
    expect(await one.call("POST", "/api/v1/users", { name: "eve", role: "viewer", password: "eves long password" }, mine)).toMatchObject({ status: 201, body: { name: "eve", role: "viewer" } });
    expect((await one.call("POST", "/api/v1/users", { name: "eve", role: "viewer", password: "eves long password" }, mine)).body).toMatchObject({ code: "name-taken" });
    expect((await one.call("GET", "/api/v1/users", undefined, mine)).body["users"]).toMatchObject([{ name: "admin" }, { name: "eve" }, { name: "vic" }]);
    const eves = cookieOf(await login(one, "eve", "eves long password"));
    expect((await one.call("POST", "/api/v1/users/eve", { role: "administrator" }, mine)).body).toMatchObject({ role: "administrator" });
    expect((await who(one, eves)).status).toBe(401);
    const again = cookieOf(await login(one, "eve", "eves long password"));
    expect((await one.call("DELETE", "/api/v1/users/eve", undefined, mine)).status).toBe(200);
    expect((await who(one, again)).status).toBe(401);
    await one.call("POST", "/api/v1/users", { name: "eve", role: "viewer", password: "eves long password" }, mine);
    expect((await who(one, again)).status).toBe(401);
  });

  test("the last administrator stays one, whatever two servers are asked at once", async () => {
    expect(await one.call("DELETE", "/api/v1/users/admin")).toMatchObject({ status: 409, body: { detail: expect.stringContaining("last administrator") } });
    expect((await one.call("POST", "/api/v1/users/admin", { role: "viewer" })).status).toBe(409);
    user("bea", "administrator");
    const answers = await Promise.all([one.call("DELETE", "/api/v1/users/admin"), two.call("POST", "/api/v1/users/bea", { role: "viewer" })]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
  });

  test.each(["", "Admin", "a b", "a/b", "../x", "ä", "9a", "a".repeat(33)])("the name %j is refused", async (name) => {
    expect((await one.call("POST", "/api/v1/users", { name, role: "viewer", password: PASSWORD })).status).toBe(400);
  });
});

test("the audit log says who, from where, what and how it ended, on every server, and keeps the newest", async () => {
  const mine = cookieOf(await login(one));
  await one.call("POST", "/api/v1/volumes", { name: "db", sizeBytes: 2 ** 30 }, mine);
  await two.call("DELETE", "/api/v1/volumes/none", undefined, { authorization: `Bearer ${TOKEN}` });
  const records = (await two.call("GET", "/api/v1/audit")).body["records"] as object[];
  expect(records).toMatchObject([
    { number: 2, who: "admin", from: "127.0.0.9", server: "server-1", what: expect.stringMatching(/^volume created: volume db, .*sizeBytes 1073741824/), result: "done" },
    { number: 1, who: "admin", what: expect.stringContaining("logged in") },
  ]);
  fixture.put(userKeys.auditLogNewest, 1005);
  for (let number = 3; number <= 1005; number++) fixture.put(userKeys.auditLog(number), { number, atMs: 1, who: "x", from: "x", server: "x", what: "x", result: "done" });
  fixture.store.apply({ compares: [], deletes: [1, 2, 3, 4, 5].map(userKeys.auditLog) });
  await one.call("POST", "/api/v1/volumes", { name: "db2", sizeBytes: 2 ** 30 }, mine);
  const newest = (await two.call("GET", "/api/v1/audit")).body["records"] as { number: number }[];
  expect([newest.length, newest[0]?.number, newest.at(-1)?.number]).toEqual([1000, 1006, 7]);
});
