import { afterEach, beforeEach, expect, test } from "bun:test";
import type { DriveId } from "../../src/base/ids.ts";
import { AUDIT_MAX, groupId, keys, type GroupConfig } from "../../src/cluster/schema.ts";
import { createApp, type ApiApp } from "../../src/management/app.ts";
import { CREDENTIALS, ApiFixture, fakePlatform, TOKEN, type Api } from "./api-fixture.ts";

let fixture: ApiFixture;
let api: Api;
/** What asking a port gives, by address; else it refuses. */
const ports = new Map<string, "open" | "unknown">();
const drive = (n: number): DriveId => String(n).repeat(16) as DriveId;
const GROUP = groupId(1, 0);

function config(index = 0): GroupConfig | null {
  return fixture.read(keys.group(groupId(1, index))) as GroupConfig | null;
}
/** Groups 0 to 3 lie on drives 1 and 2, which are gone; drive 3 has an old copy of group 0. */
beforeEach(async () => {
  fixture = new ApiFixture().form();
  fixture.put(keys.volume(7 as never), { id: 7, name: "db", sizeBytes: 2 ** 30, factor: 1, lineage: 7, createdAtMs: 1 });
  for (let index = 0; index < 4; index += 1)
    fixture.put(keys.group(groupId(1, index)), { incarnation: 1, epoch: 9, primary: drive(1), primaryInstance: 1, members: [drive(1), drive(2)], learners: [], nonce: index });
  const id = { epoch: 4, seq: 100 };
  fixture.put(keys.observed(drive(3)), { instance: 1, usedBytes: 0, groups: [], copies: [{ group: GROUP, epoch: 4, last: id, committed: id, completeThrough: id, incomplete: false, damaged: false }] });
  for (const n of [1, 2]) down(n);
  api = await fixture.open();
  ports.clear();
});
afterEach(() => fixture.close());

function down(n: number): void {
  fixture.store.apply({ compares: [], deletes: [keys.upDrive(drive(n)), keys.upServer(`server-${n}`)] });
}
function app(): ApiApp {
  const askPort = (address: string): Promise<"refused" | "open" | "unknown"> => Promise.resolve(ports.get(address) ?? "refused");
  return createApp({ platform: fakePlatform(), store: fixture.store.client("server-3"), view: api.view, ...CREDENTIALS, lone: { server: "server-3", askPort, give: () => Promise.resolve() } });
}
async function ask(body: object, path = "/accept-loss"): Promise<{ status: number; body: Record<string, unknown> }> {
  const init = path.startsWith("/audit") ? {} : { method: "POST", body: JSON.stringify(body) };
  const response = await app().request(`/api/v1${path}`, { ...init, headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" } }, { remote: "127.0.0.9" });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}
const both = { servers: ["server-1", "server-2"] };

test("R23: without a confirmation it tells what would be given up and which copy goes on, and changes nothing", async () => {
  const { revision } = fixture.store;
  const { status, body } = await ask(both);
  expect(status).toBe(200);
  expect(body).toMatchObject({ done: false, volumes: ["db"], left: [], unproved: [] });
  expect(body["groups"]).toHaveLength(4);
  expect((body["groups"] as object[])[0]).toMatchObject({ group: "1/0", copy: { drive: drive(3), server: "server-3" }, lacks: expect.stringContaining("epoch 4") });
  expect((body["groups"] as object[])[1]).toMatchObject({ group: "1/1", copy: null });
  expect(fixture.store.revision).toBe(revision);
});

test("R23: what is not named may come back, and is not given up", async () => {
  const { body } = await ask({ servers: ["server-1"] });
  expect(body["groups"]).toEqual([]);
  expect(body["left"]).toHaveLength(4);
  expect(await ask({ servers: ["server-1"], confirm: "test" })).toMatchObject({ status: 409 });
});

test("R23: confirmed, every group goes on under a higher epoch with one member, the audit says so, and a repetition finds nothing", async () => {
  expect(await ask({ ...both, confirm: "test" })).toMatchObject({ status: 200, body: { done: true, portalsSilent: [] } });
  for (let index = 0; index < 4; index += 1) {
    const now = config(index);
    expect(now).toMatchObject({ primary: drive(3), primaryInstance: 0, members: [drive(3)], learners: [], loss: { unknownThrough: index === 0 ? null : 7 } });
    expect(now?.loss?.epoch).toBe(now?.epoch as never);
    expect(now?.loss?.drives.map((one) => one.drive)).toEqual([drive(1), drive(2)]);
    expect(now?.epoch).toBeGreaterThan(1000);
  }
  const { body } = await ask({}, "/audit?losses");
  expect(body["records"]).toMatchObject([{ number: 1, from: "127.0.0.9", what: expect.stringContaining("4 groups, 3 of them without any copy, in volumes db") }]);
  expect(await ask({ ...both, confirm: "test" })).toMatchObject({ status: 409, body: { detail: expect.stringContaining("nothing to give up") } });
  expect((await ask({}, "/audit?losses")).body["records"]).toHaveLength(1);
});

test("R23: refused, and nothing is changed, for what is not lost, not proved, not known or not confirmed", async () => {
  const { revision } = fixture.store;
  const refused = async (body: object, status: number, part: string): Promise<void> => {
    expect(await ask(body)).toMatchObject({ status, body: { detail: expect.stringContaining(part) } });
    expect(fixture.store.revision).toBe(revision);
  };
  await refused({ ...both, confirm: "tset" }, 409, "cluster's name");
  await refused({ servers: ["server-3"], confirm: "test" }, 409, "is registered and answers");
  await refused({ servers: ["server-9"] }, 404, "no server server-9");
  await refused({ drives: ["f".repeat(16)] }, 404, "no drive");
  await refused({ drives: ["x"] }, 400, "16 hexadecimal digits");
  await refused({}, 400, "Name the drives");
  ports.set("127.0.0.1", "open");
  await refused({ ...both, confirm: "test", confirmDown: ["server-1"] }, 409, "takes connections");
  ports.set("127.0.0.1", "unknown");
  expect((await ask(both)).body["unproved"]).toEqual(["server-1"]);
  await refused({ ...both, confirm: "test" }, 409, "server-1 is down");
  await refused({ ...both, confirm: "test", confirmDown: ["server-2"] }, 409, "server-1 is down");
  expect(await ask({ ...both, confirm: "test", confirmDown: ["server-1"] })).toMatchObject({ status: 200, body: { done: true } });
});

test("R23: a portal that serves the volumes must have confirmed; that of a lost server cannot", async () => {
  fixture.put(keys.gateway(5), { instance: 5, server: "server-1", serving: true });
  fixture.put(keys.gateway(6), { instance: 6, server: "server-3", serving: true });
  const client = fixture.store.client("portal");
  const watch = client.watch("fence/", {
    snapshot() {},
    changed: (changes) => {
      for (const { key, value } of changes) if (value !== null) void client.transact({ compares: [], puts: [{ key: `obeyed/${key.split("/")[1]}/6`, value: "6" }] });
    },
  });
  const done = ask({ ...both, confirm: "test" });
  // Its supervisor is gone with it; what proves it dead here is a word that a test can give sooner.
  fixture.put(keys.death("5"), { instance: 5, atMs: 1, reason: "test" });
  expect(await done).toMatchObject({ status: 200, body: { done: true, portalsSilent: [] } });
  watch.close();
  expect(fixture.store.list("fence/")).toEqual([]);
}, 20_000);

test("R23: damaged copies that all answer may be given up without naming a drive, and only when that is said", async () => {
  for (const n of [1, 2]) {
    fixture.put(keys.upDrive(drive(n)), { instance: 1, sinceMs: 1 });
    const word = { group: GROUP, epoch: 9, state: "waiting", waitingFor: "damaged-copy", copiedBytes: 0, remainingBytes: 0 };
    const at = (seq: number) => ({ epoch: 9, seq });
    const copy = { group: GROUP, epoch: 9, last: at(70), committed: at(60 + n), completeThrough: at(70), incomplete: false, damaged: true };
    fixture.put(keys.observed(drive(n)), { instance: 1, usedBytes: 0, groups: [word], copies: [copy] });
  }
  expect(await ask({ confirm: "test" })).toMatchObject({ status: 400 });
  const { body } = await ask({ damaged: true, confirm: "test" });
  expect(body).toMatchObject({ done: true, groups: [{ group: "1/0", copy: { drive: drive(2) } }] });
  expect(body["groups"]).toHaveLength(1);
  expect(config(0)).toMatchObject({ primary: drive(2), members: [drive(2)], loss: { drives: [], unknownThrough: null } });
  expect(config(1)?.epoch).toBe(9 as never);
});

test("the audit keeps the newest", async () => {
  for (let number = 1; number <= AUDIT_MAX; number += 1) fixture.put(keys.audit(number), { number, atMs: number, from: "x", what: "before" });
  await ask({ ...both, confirm: "test" });
  const records = (await ask({}, "/audit?losses")).body["records"] as { number: number }[];
  expect(records).toHaveLength(AUDIT_MAX);
  expect(records[0]?.number).toBe(AUDIT_MAX + 1);
  expect(records.at(-1)?.number).toBe(2);
});
