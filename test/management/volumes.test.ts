import { afterEach, describe, expect, test } from "bun:test";
import { keys } from "../../src/cluster/schema.ts";
import type { VolumeId } from "../../src/base/ids.ts";
import { ApiFixture, hastyClock, settled } from "./api-fixture.ts";

const GIB = 2 ** 30;
const IQN = "iqn.2024-01.org.example:host-1";
let fixture = new ApiFixture();
afterEach(() => fixture.close());

function formed(servers = 3): ApiFixture {
  fixture = new ApiFixture().form(servers);
  return fixture;
}

describe("volumes", () => {
  test("a created volume is listed and shown, also by another server", async () => {
    const [one, two] = [await formed().open(), await fixture.open()];
    const created = await one.call("POST", "/api/v1/volumes", { name: "db", sizeBytes: 2 * GIB });
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({ id: 2 ** 32 + 1, name: "db", sizeBytes: 2 * GIB, factor: 1, copies: 2, mappings: [] });
    expect(created.body["warning"]).toBeUndefined();
    expect((await two.call("GET", "/api/v1/volumes")).body).toMatchObject({ volumes: [{ name: "db" }], source: "store" });
    expect((await two.call("GET", "/api/v1/volumes/db")).body).toMatchObject({ name: "db", factor: 1 });
    expect(one.lines.filter((line) => line.fields["audit"] === true)).toMatchObject([{ message: "audit: volume created", fields: { volume: "db", from: "127.0.0.9" } }]);
  });

  test("no id is issued twice, and ids bear the incarnation", async () => {
    const api = await formed().open();
    const ids: unknown[] = [];
    for (const name of ["a", "b"]) ids.push((await api.call("POST", "/api/v1/volumes", { name, sizeBytes: GIB })).body["id"]);
    await api.call("DELETE", "/api/v1/volumes/b");
    fixture.put(keys.cluster, { ...(fixture.read(keys.cluster) as object), incarnation: 2 });
    for (const name of ["b", "c"]) ids.push((await api.call("POST", "/api/v1/volumes", { name, sizeBytes: GIB })).body["id"]);
    expect(ids).toEqual([2 ** 32 + 1, 2 ** 32 + 2, 2 * 2 ** 32 + 3, 2 * 2 ** 32 + 4]);
  });

  test("the first volume of factor 2 asks for its pool, with as many groups as the first pool", async () => {
    const api = await formed().open();
    expect((await api.call("POST", "/api/v1/volumes", { name: "a", sizeBytes: GIB, factor: 2 })).body).toMatchObject({ factor: 2, copies: 3 });
    expect(fixture.read(keys.pool(2))).toEqual({ factor: 2, groupCount: 4 });
    expect((await api.call("POST", "/api/v1/volumes", { name: "b", sizeBytes: GIB, factor: 2 })).status).toBe(201);
  });

  test("a volume larger than the drives is created, with a warning", async () => {
    const api = await formed().open();
    const { status, body } = await api.call("POST", "/api/v1/volumes", { name: "big", sizeBytes: 2 ** 40 });
    expect(status).toBe(201);
    expect(body["warning"]).toContain("larger than all that the drives can hold");
  });

  test("volumes that together promise too much are created, with a warning", async () => {
    const api = await formed().open();
    expect((await api.call("POST", "/api/v1/volumes", { name: "a", sizeBytes: 8 * GIB })).body["warning"]).toBeUndefined();
    expect((await api.call("POST", "/api/v1/volumes", { name: "b", sizeBytes: 8 * GIB })).body["warning"]).toContain("together promise more");
  });

  test.each([1, 2])("a factor that needs more servers than have drives is refused (%d servers)", async (servers) => {
    const api = await formed(servers).open();
    const { status, body } = await api.call("POST", "/api/v1/volumes", { name: "a", sizeBytes: GIB, factor: servers === 1 ? 1 : 2 });
    expect(status).toBe(409);
    expect(body).toMatchObject({ code: "too-few-servers" });
    expect(body["detail"]).toContain(`only ${servers} of this cluster's servers have drives`);
  });

  test("a duplicate name is refused", async () => {
    const api = await formed().open();
    await api.call("POST", "/api/v1/volumes", { name: "db", sizeBytes: GIB });
    const again = await api.call("POST", "/api/v1/volumes", { name: "db", sizeBytes: GIB });
    expect(again).toMatchObject({ status: 409, type: "application/problem+json", body: { code: "name-taken", detail: "There is a volume db already." } });
  });

  test("of two servers that create the same name at once, one succeeds", async () => {
    const [one, two] = [await formed().open(), await fixture.open()];
    for (let round = 0; round < 8; round++) {
      const answers = await Promise.all([one, two, one, two].map((api) => api.call("POST", "/api/v1/volumes", { name: `v${round}`, sizeBytes: GIB })));
      expect(answers.map((answer) => answer.status).sort()).toEqual([201, 409, 409, 409]);
    }
    expect(fixture.store.list("volume/").length).toBe(8);
    expect(fixture.store.list("volume-name/").length).toBe(8);
  });

  test("many different volumes created at once through two servers all get ids of their own", async () => {
    const [one, two] = [await formed().open(), await fixture.open()];
    const answers = await Promise.all(Array.from({ length: 16 }, (_, n) => (n % 2 ? one : two).call("POST", "/api/v1/volumes", { name: `v${n}`, sizeBytes: GIB })));
    expect(answers.every((answer) => answer.status === 201)).toBe(true);
    expect(new Set(answers.map((answer) => answer.body["id"])).size).toBe(16);
  });

  test("a deleted volume leaves a tombstone and frees its name", async () => {
    const api = await formed().open();
    const id = (await api.call("POST", "/api/v1/volumes", { name: "db", sizeBytes: GIB })).body["id"] as VolumeId;
    expect(await api.call("DELETE", "/api/v1/volumes/db")).toMatchObject({ status: 200, body: { name: "db", id } });
    expect(fixture.read(keys.volume(id))).toBeNull();
    expect(fixture.read(keys.volumeName("db"))).toBeNull();
    expect(fixture.read(keys.tombstone(id))).toMatchObject({ id, name: "db", factor: 1, lineage: id });
    expect((await api.call("DELETE", "/api/v1/volumes/db")).status).toBe(404);
    expect((await api.call("POST", "/api/v1/volumes", { name: "db", sizeBytes: GIB })).status).toBe(201);
  });

  test("a mapped volume is not deleted", async () => {
    const api = await formed().open();
    await api.call("POST", "/api/v1/volumes", { name: "db", sizeBytes: GIB });
    await api.call("POST", "/api/v1/hosts", { name: "esx", iqns: [IQN] });
    await api.call("POST", "/api/v1/mappings", { volume: "db", host: "esx" });
    const { status, body } = await api.call("DELETE", "/api/v1/volumes/db");
    expect(status).toBe(409);
    expect(body["detail"]).toBe("The volume db is mapped to the host esx as LUN 0. Unmap it first.");
  });

  test("a volume is never both deleted and mapped, whoever comes first", async () => {
    const [one, two] = [await formed().open(), await fixture.open()];
    await one.call("POST", "/api/v1/hosts", { name: "esx", iqns: [IQN] });
    for (let round = 0; round < 16; round++) {
      await one.call("POST", "/api/v1/volumes", { name: "db", sizeBytes: GIB });
      const [mapped, deleted] = await Promise.all([
        one.call("POST", "/api/v1/mappings", { volume: "db", host: "esx" }),
        two.call("DELETE", "/api/v1/volumes/db"),
      ]);
      expect([mapped.status, deleted.status]).toEqual(mapped.status === 201 ? [201, 409] : [404, 200]);
      await one.call("DELETE", "/api/v1/mappings/db/esx");
      await one.call("DELETE", "/api/v1/volumes/db");
    }
  });
});

describe("a cluster store that does not answer clearly", () => {
  test("a creation whose answer was lost is settled and reported as made", async () => {
    let lose = true;
    fixture = new ApiFixture({ clock: hastyClock(), fate: () => (lose ? ((lose = false), "unanswered") : "normal") }).form();
    const api = await fixture.open();
    expect((await api.call("POST", "/api/v1/volumes", { name: "db", sizeBytes: GIB })).status).toBe(201);
    expect(fixture.store.list("volume/").length).toBe(1);
  });

  test("a creation that stays unknown says so", async () => {
    fixture = new ApiFixture({ clock: hastyClock(), fate: () => "lost" }).form();
    const api = await fixture.open();
    const { status, body } = await api.call("POST", "/api/v1/volumes", { name: "db", sizeBytes: GIB });
    expect(status).toBe(503);
    expect(body["code"]).toBe("outcome-unknown");
    expect(body["detail"]).toContain("create the volume db");
  });

  test("without a quorum changes are refused, and status and lists come from what is known", async () => {
    fixture = new ApiFixture({ clock: hastyClock() }).form();
    const api = await fixture.open();
    await api.call("POST", "/api/v1/volumes", { name: "db", sizeBytes: GIB });
    await settled(() => api.view.map.volumes.size === 1);
    fixture.store.setAvailable(false);
    const [created, listed, status] = await Promise.all([
      api.call("POST", "/api/v1/volumes", { name: "other", sizeBytes: GIB }),
      api.call("GET", "/api/v1/volumes"),
      api.call("GET", "/api/v1/status"),
    ]);
    expect(created).toMatchObject({ status: 503, body: { code: "store-unavailable" } });
    expect(listed).toMatchObject({ status: 200, body: { source: "last-known", volumes: [{ name: "db" }] } });
    expect(status.body).toMatchObject({ servers: [{ name: "server-1" }, { name: "server-2" }, { name: "server-3" }] });
  });

  test("a server that has read nothing yet says so", async () => {
    fixture = new ApiFixture();
    const api = await fixture.open();
    expect(await api.call("POST", "/api/v1/volumes", { name: "db", sizeBytes: GIB })).toMatchObject({ status: 503, body: { code: "not-ready" } });
    expect((await api.call("GET", "/api/v1/health")).body).toMatchObject({ state: "unavailable" });
  });
});

// X30
test("no volume is created while the cluster store was restored and the drives have not told what they hold", async () => {
  const fixture = new ApiFixture().form();
  const cluster = fixture.read(keys.cluster) as Record<string, unknown>;
  fixture.put(keys.cluster, { ...cluster, storeId: "the one before" });
  const api = await fixture.open();
  expect((await api.call("POST", "/api/v1/volumes", { name: "new", sizeBytes: 2 ** 30 })).status).toBe(503);
  fixture.put(keys.cluster, { ...cluster, incarnation: 2, restore: { round: 1, done: false, why: "" } });
  expect((await api.call("POST", "/api/v1/volumes", { name: "new", sizeBytes: 2 ** 30 })).status).toBe(503);
  fixture.put(keys.cluster, { ...cluster, incarnation: 2, restore: { round: 1, done: true, why: "" } });
  const { status, body } = await api.call("POST", "/api/v1/volumes", { name: "new", sizeBytes: 2 ** 30 });
  expect(status).toBe(201);
  expect(body["id"]).toBe(2 * 2 ** 32 + 1);
  fixture.close();
});
