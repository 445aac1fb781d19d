import { afterEach, beforeEach, expect, test } from "bun:test";
import { keys } from "../../src/cluster/schema.ts";
import { ApiFixture, type Api } from "./api-fixture.ts";

const GIB = 2 ** 30;
let fixture: ApiFixture;
let one: Api;
beforeEach(async () => {
  fixture = new ApiFixture().form();
  one = await fixture.open();
  await one.call("POST", "/api/v1/volumes", { name: "db", sizeBytes: GIB });
});
afterEach(() => fixture.close());

test("a volume grows and never shrinks", async () => {
  expect(await one.call("POST", "/api/v1/volumes/db", { sizeBytes: 2 * GIB })).toMatchObject({ status: 200, body: { name: "db", sizeBytes: 2 * GIB } });
  const two = await fixture.open();
  expect((await two.call("GET", "/api/v1/volumes/db")).body).toMatchObject({ sizeBytes: 2 * GIB });
  expect(await two.call("POST", "/api/v1/volumes/db", { sizeBytes: GIB })).toMatchObject({ status: 409, body: { code: "not-possible" } });
  for (const sizeBytes of [0, 2 * GIB + 1, 65 * 2 ** 40, "3GiB"]) expect((await two.call("POST", "/api/v1/volumes/db", { sizeBytes })).status).toBe(400);
  expect((await two.call("POST", "/api/v1/volumes/none", { sizeBytes: GIB })).status).toBe(404);
  expect((await two.call("GET", "/api/v1/volumes/db")).body).toMatchObject({ sizeBytes: 2 * GIB });
});

test("one that grows beyond the drives says so", async () => {
  expect((await one.call("POST", "/api/v1/volumes/db", { sizeBytes: 60 * GIB })).body["warning"]).toContain("Add drives before that");
});

test("R26: it is told when every portal has confirmed, so that all paths show one size", async () => {
  fixture.put(keys.gateway(5), { instance: 5, server: "server-2", serving: true });
  fixture.put(keys.upGateway(5), { instance: 5, server: "server-2", sinceMs: 1 });
  const asked = one.call("POST", "/api/v1/volumes/db", { sizeBytes: 2 * GIB });
  let fence: string | undefined;
  while ((fence = fixture.store.list("fence/")[0]?.key) === undefined) await Bun.sleep(1);
  expect(await Promise.race([asked, Bun.sleep(200).then(() => "waits")])).toBe("waits");
  fixture.put(keys.obeyed(Number(fence.split("/")[1]), 5), 5);
  expect((await asked).status).toBe(200);
});
