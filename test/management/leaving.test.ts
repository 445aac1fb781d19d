import { afterEach, beforeEach, expect, test } from "bun:test";
import type { DriveId } from "../../src/base/ids.ts";
import { addingKeys } from "../../src/cluster/adding.ts";
import { leavingKeys } from "../../src/cluster/leaving.ts";
import { groupId, keys } from "../../src/cluster/schema.ts";
import { ApiFixture, type Api } from "./api-fixture.ts";

const drive = (n: number) => String(n).repeat(16) as DriveId;
let fixture: ApiFixture;
let api: Api;
beforeEach(async () => {
  fixture = new ApiFixture().form(4);
  for (let index = 0; index < 4; index++) group(index, [1 + index, 1 + ((index + 1) % 4)]);
  api = await fixture.open();
});
afterEach(() => fixture.close());

function group(index: number, members: readonly number[]): void {
  fixture.put(keys.group(groupId(1, index)), { incarnation: 1, epoch: 1, primary: drive(members[0] as number), primaryInstance: 1, members: members.map(drive), learners: [], nonce: 1 });
  fixture.put(keys.groupPlan(groupId(1, index)), { wanted: members.map(drive) });
}
/** All groups lie elsewhere. */
function leave(n: number): void {
  const others = [1, 2, 3, 4].filter((one) => one !== n);
  for (let index = 0; index < 4; index++) group(index, [others[index % 3] as number, others[(index + 1) % 3] as number]);
}
const post = (path: string, body: object = {}) => api.call("POST", `/api/v1${path}`, body);

test("a drive is drained, the drain is taken back, and it is removed when it holds nothing", async () => {
  expect((await post(`/drives/${drive(1)}/remove`, { confirm: drive(1) })).body).toMatchObject({ code: "not-possible", detail: expect.stringContaining("still holds copies of 2 groups. Drain it first.") });
  expect(await post(`/drives/${drive(1)}/drain`)).toMatchObject({ status: 202, body: { id: drive(1), drain: { groupsLeft: 2 } } });
  expect(await api.call("DELETE", `/api/v1/drives/${drive(1)}/drain`)).toMatchObject({ status: 200, body: { drain: null } });
  expect(fixture.read(leavingKeys.drainDrive(drive(1)))).toBeNull();
  expect((await api.call("DELETE", `/api/v1/drives/${drive(1)}/drain`)).body).toMatchObject({ detail: expect.stringContaining("is not being drained") });
  await post(`/drives/${drive(1)}/drain`);
  leave(1);
  expect((await post(`/drives/${drive(1)}/remove`, { confirm: "yes" })).body).toMatchObject({ detail: expect.stringContaining("Nothing was changed") });
  expect(await post(`/drives/${drive(1)}/remove`, { confirm: drive(1) })).toMatchObject({ status: 200, body: { removed: drive(1) } });
  expect(fixture.read(keys.drive(drive(1)))).toBeNull();
  expect(fixture.read(leavingKeys.drainDrive(drive(1)))).toBeNull();
  expect(fixture.read(leavingKeys.removedDrive(drive(1)))).toMatchObject({ server: "server-1", port: 7000, stopped: false });
  expect((await post(`/drives/${drive(1)}/drain`)).status).toBe(404);
});

test("what the rest cannot hold is not drained, and nothing is changed", async () => {
  fixture.put(keys.pool(2), { factor: 2, groupCount: 4 });
  await post(`/servers/server-4/drain`);
  expect((await post(`/servers/server-3/drain`)).body).toMatchObject({ code: "not-possible", detail: expect.stringContaining("only 2 servers have drives") });
  expect(fixture.read(leavingKeys.drainServer("server-3"))).toBeNull();
});

test("a server that was drained is removed with its drives; its own API refuses to do it", async () => {
  expect((await post("/servers/server-2/remove", { confirm: "server-2" })).body).toMatchObject({ detail: "server-2 is not drained. Drain it first." });
  expect(await post("/servers/server-2/drain")).toMatchObject({ status: 202, body: { name: "server-2", drain: { groupsLeft: 2 } } });
  leave(2);
  expect(await post("/servers/server-2/remove", { confirm: "server-2" })).toMatchObject({ status: 200 });
  for (const key of [keys.server("server-2"), keys.drive(drive(2)), leavingKeys.drainServer("server-2")]) expect(fixture.read(key)).toBeNull();
  expect(fixture.read(leavingKeys.removedServer("server-2"))).not.toBeNull();
  expect(fixture.read(leavingKeys.removedDrive(drive(2)))).not.toBeNull();
  // Three are left, and needed.
  await post("/servers/server-3/drain");
  expect((await post("/servers/server-3/remove", { confirm: "server-3" })).body).toMatchObject({ detail: expect.stringContaining("needs at least 3") });
});

test("a server is removed as lost only when it does not answer, and no group needs it", async () => {
  const lost = { confirm: "server-2", lost: true };
  expect((await post("/servers/server-2/remove", lost)).body).toMatchObject({ detail: expect.stringContaining("answers, so it is not lost") });
  fixture.store.apply({ compares: [], deletes: [keys.upServer("server-2"), keys.upDrive(drive(2))] });
  expect((await post("/servers/server-2/remove", lost)).body).toMatchObject({ detail: expect.stringContaining("still belongs to 2 groups") });
  leave(2);
  group(0, [2]);
  expect((await post("/servers/server-2/remove", lost)).body).toMatchObject({ detail: expect.stringContaining("holds the last copy that is known of 1 group") });
  expect(fixture.read(keys.server("server-2"))).not.toBeNull();
  leave(2);
  expect(await post("/servers/server-2/remove", lost)).toMatchObject({ status: 200 });
});

test("a drive is added by its server, whichever server was asked; what that says is told", async () => {
  const asked = post("/servers/server-3/drives", { directory: "/mnt/disk", capacityBytes: 2 ** 30 });
  const wish = async (): Promise<{ key: string; value: object }> => {
    for (;;) {
      const [found] = fixture.store.list("add-drive/server-3/");
      if (found) return { key: found.key, value: JSON.parse(found.value) as object };
      await Bun.sleep(5);
    }
  };
  const { key, value } = await wish();
  expect(value).toMatchObject({ place: "/mnt/disk", wipe: false, capacityBytes: 2 ** 30 });
  fixture.store.apply({ compares: [], deletes: [key] });
  const { status, body } = await asked;
  expect([status, body["device"], addingKeys.addDrive("server-3", String(body["id"]))]).toEqual([202, "/mnt/disk", key]);

  const refused = post("/servers/server-3/drives", { directory: "/home", wipe: "/home" });
  const second = await wish();
  fixture.put(second.key, { ...second.value, failed: "/home is not empty (it holds mail)." });
  expect((await refused).body).toMatchObject({ code: "not-possible", detail: "server-3 cannot add this drive: /home is not empty (it holds mail)." });
  expect(fixture.store.list("add-drive/")).toEqual([]);
  expect((await post("/servers/server-3/drives", { directory: "/home", wipe: "/" })).body).toMatchObject({ detail: expect.stringContaining("Nothing was changed") });
  expect((await post("/servers/server-9/drives", { directory: "/home" })).status).toBe(404);
  expect((await post("/servers/server-3/drives", {})).status).toBe(400);
});

test("servers are listed with what they have, and what is being copied is told", async () => {
  fixture.put(keys.observed(drive(1)), { instance: 1, usedBytes: 2 ** 30, groups: [] });
  fixture.put(keys.groupPlan(groupId(1, 0)), { wanted: [drive(1), drive(3)] });
  await Bun.sleep(50);
  const { body } = await api.call("GET", "/api/v1/servers");
  expect((body["servers"] as object[])[0]).toMatchObject({ name: "server-1", up: true, drives: [drive(1)], capacityBytes: 8 * 2 ** 30, usedBytes: 2 ** 30, storeMember: false, drain: null });
  expect((await api.call("GET", "/api/v1/recovery")).body).toMatchObject({ groups: 1, remainingBytes: 2 ** 27 });
});
