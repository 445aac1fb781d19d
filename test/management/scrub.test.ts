import { afterEach, beforeEach, expect, test } from "bun:test";
import { keys } from "../../src/cluster/schema.ts";
import { ApiFixture, type Api } from "./api-fixture.ts";

let fixture: ApiFixture;
let api: Api;
beforeEach(async () => {
  fixture = new ApiFixture().form();
  api = await fixture.open();
});
afterEach(() => fixture.close());

function wanted(): { lightAtMs: number; deepAtMs: number } {
  return JSON.parse(fixture.store.find(keys.scrubWanted)?.value ?? "null") as { lightAtMs: number; deepAtMs: number };
}

test("a scrub that is started is wanted from now on; a light one does not take back a deep one", async () => {
  expect(await api.call("POST", "/api/v1/scrub", { deep: true })).toMatchObject({ status: 202, body: { deep: true, doneGroups: 0 } });
  const { deepAtMs } = wanted();
  expect(deepAtMs).toBeGreaterThan(0);
  expect(await api.call("POST", "/api/v1/scrub", {})).toMatchObject({ status: 202 });
  expect(wanted().deepAtMs).toBe(deepAtMs);
  expect(wanted().lightAtMs).toBeGreaterThanOrEqual(deepAtMs);
});

test("a scrub of another kind is refused", async () => {
  expect((await api.call("POST", "/api/v1/scrub", { deep: "very" })).status).toBe(400);
  expect(wanted()).toBeNull();
});
