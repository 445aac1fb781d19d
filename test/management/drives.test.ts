import { afterEach, beforeEach, expect, test } from "bun:test";
import { keys } from "../../src/cluster/schema.ts";
import { drivesText } from "../../src/cli/status.ts";
import type { DrivesAnswer } from "../../src/management/api.ts";
import { ApiFixture, type Api } from "./api-fixture.ts";

const DRIVE = "2".repeat(16);
let fixture: ApiFixture;
let api: Api;
beforeEach(async () => {
  fixture = new ApiFixture().form();
  fixture.put(keys.failed("server-2"), [{ id: DRIVE, directory: "/d", instance: 4, atMs: 1_700_000_000_000, why: "EIO" }]);
  fixture.put(keys.observed("1".repeat(16) as never), { instance: 1, usedBytes: 7 * 2 ** 30, groups: [], parked: { files: 3, bytes: 5000, dropped: 1 } });
  fixture.store.apply({ compares: [], deletes: [keys.upDrive("3".repeat(16) as never)] });
  api = await fixture.open();
});
afterEach(() => fixture.close());

test("drives are listed with what an administrator must know of each", async () => {
  const { body } = await api.call("GET", "/api/v1/drives");
  const { drives } = body as unknown as DrivesAnswer;
  expect(drives.map(({ state, instance, failed, parked }) => [state, instance, failed?.why ?? null, parked?.files ?? null])).toEqual([
    ["up", 1, null, 3],
    ["failed", 1, "EIO", null],
    ["down", 1, null, null],
  ]);
  expect(drives[0]?.alerts).toHaveLength(2);
  const text = drivesText(drives);
  expect(text).toContain(`Failed: ${DRIVE} of server-2 at 2023-11-14T22:13:20.000Z: EIO`);
  expect(text).toContain("FAILED");
  expect(text).toContain("is 87 % full");
});

test("a drive that failed is released for the failure that is listed; no other drive can be", async () => {
  expect(await api.call("POST", `/api/v1/drives/${DRIVE}/release`, {})).toMatchObject({ status: 202, body: { id: DRIVE, server: "server-2", serverIsUp: true } });
  expect(fixture.read(keys.release(DRIVE as never))).toMatchObject({ failedAtMs: 1_700_000_000_000 });
  expect((await api.call("POST", `/api/v1/drives/${"1".repeat(16)}/release`, {})).body).toMatchObject({ code: "not-possible", detail: expect.stringContaining("has not failed") });
  expect((await api.call("POST", "/api/v1/drives/nobody/release", {})).status).toBe(404);
  expect(fixture.read(keys.release("1".repeat(16) as never))).toBeNull();
});

test("a drive that does not obey the cluster store says why", async () => {
  const id = "3".repeat(16);
  fixture.put(keys.recovery(id as never), { drive: id, server: "server-3", instance: 1, round: null, evidence: "it knows more", incarnation: 1, storeId: "", revision: 9, groups: [], purged: [], volumes: [] });
  await Bun.sleep(50);
  const { drives } = (await api.call("GET", "/api/v1/drives")).body as unknown as DrivesAnswer;
  expect(drives[2]).toMatchObject({ state: "not-obeying", why: "it knows more" });
});
