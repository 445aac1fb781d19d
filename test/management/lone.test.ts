import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createApp, type ApiApp } from "../../src/management/app.ts";
import type { ClusterView } from "../../src/management/view.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { giveWord, readWord, withdrawWord, withdrawWordAtStart, type LoneWord } from "../../src/role/lone.ts";
import { CREDENTIALS, ApiFixture, fakePlatform, TOKEN, type Api } from "./api-fixture.ts";

let fixture: ApiFixture;
let api: Api;
/** Addresses where something takes connections. */
const alive = new Set<string>();
const given: LoneWord[] = [];
beforeEach(async () => {
  fixture = new ApiFixture().form();
  api = await fixture.open();
  alive.clear();
  given.length = 0;
});
afterEach(() => fixture.close());

/** The API of server-1, whose store answers or not. */
function app(storeAnswers: boolean): ApiApp {
  const network = {
    connect: ({ endpoint }: { endpoint: { address: string } }) => (alive.has(endpoint.address) ? Promise.resolve({}) : Promise.reject(new Error("nothing listens there"))),
  };
  const platform = { clock: fakePlatform().clock, crypto: fakePlatform().crypto, log: fakePlatform().log, network } as unknown as Platform;
  const view = { map: api.view.map, storeAnswers } as unknown as ClusterView;
  return createApp({ platform, store: fixture.store.client("server-1"), view, ...CREDENTIALS, lone: { server: "server-1", askPort: () => Promise.resolve("refused"), give: async (word) => void given.push({ ...word, servers: [...word.servers] }) } });
}
async function post(to: ApiApp, path: string, body: object): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await to.request(`/api/v1${path}`, { method: "POST", headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" }, body: JSON.stringify(body) }, { remote: "127.0.0.9" });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

test("R24: a word on lost servers is taken without a quorum, and names who was not named", async () => {
  const answer = await post(app(false), "/lone-survivor", { servers: ["server-2"] });
  expect(answer).toMatchObject({ status: 200, body: { server: "server-1", servers: ["server-2"], others: ["server-3"] } });
  expect(given.map(({ servers }) => servers)).toEqual([["server-2" as never]]);
});

test("R24: no word is taken while the store answers, on a server that answers, on oneself or on nobody", async () => {
  expect(await post(app(true), "/lone-survivor", { servers: ["server-2", "server-3"] })).toMatchObject({ status: 409, body: { code: "not-possible" } });
  alive.add("127.0.0.3");
  const answer = await post(app(false), "/lone-survivor", { servers: ["server-2", "server-3"] });
  expect(answer).toMatchObject({ status: 409, body: { detail: expect.stringContaining("server-3 answers") } });
  expect(await post(app(false), "/lone-survivor", { servers: ["server-1"] })).toMatchObject({ status: 409 });
  expect(await post(app(false), "/lone-survivor", { servers: ["server-9"] })).toMatchObject({ status: 404 });
  expect(await post(app(false), "/lone-survivor", { servers: [] })).toMatchObject({ status: 400 });
  expect(given).toEqual([]);
});

test("a setting that is not named stays as it is", async () => {
  expect(await post(app(true), "/settings", { strictReads: true })).toMatchObject({ status: 200, body: { loneSurvivor: "confirm", strictReads: true } });
  expect(await post(app(true), "/settings", { loneSurvivor: "auto" })).toMatchObject({ status: 200, body: { loneSurvivor: "auto", strictReads: true } });
  expect(await post(app(true), "/settings", { strictReads: "on" })).toMatchObject({ status: 400 });
  expect(JSON.parse(fixture.store.find("settings")?.value ?? "null")).toMatchObject({ loneSurvivor: "auto", strictReads: true });
});

test("the times after which copies are made anew are kept between ten seconds and a week", async () => {
  expect(await post(app(true), "/settings", { recreateServerAfterMs: 20_000 })).toMatchObject({ status: 200, body: { recreateDriveAfterMs: 60_000, recreateServerAfterMs: 20_000 } });
  for (const body of [{ recreateServerAfterMs: 9_999 }, { recreateDriveAfterMs: 8 * 24 * 3_600_000 }]) expect(await post(app(true), "/settings", body)).toMatchObject({ status: 400 });
  expect(JSON.parse(fixture.store.find("settings")?.value ?? "null")).toMatchObject({ recreateDriveAfterMs: 60_000, recreateServerAfterMs: 20_000 });
});

test("the setting of the lone survivor is kept in the store", async () => {
  expect(await post(app(true), "/settings", { loneSurvivor: "auto" })).toMatchObject({ status: 200, body: { loneSurvivor: "auto" } });
  expect(await post(app(true), "/settings", { loneSurvivor: "always" })).toMatchObject({ status: 400 });
  expect(JSON.parse(fixture.store.find("settings")?.value ?? "null")).toMatchObject({ loneSurvivor: "auto", strictReads: false });
});

test("R24: a word lasts until it is withdrawn, or its server's supervisor starts; what is no word is none", async () => {
  const directory = await mkdtemp(join(tmpdir(), "virtustor-word-"));
  try {
    expect(await readWord(directory)).toBeNull();
    const word = { givenMs: 5, servers: ["server-2" as never] };
    await giveWord(directory, word);
    expect(await readWord(directory)).toEqual(word);
    await withdrawWord(directory);
    expect(await readWord(directory)).toBeNull();
    await giveWord(directory, word);
    withdrawWordAtStart(directory);
    expect(await readWord(directory)).toBeNull();
    await Bun.write(join(directory, "lone-survivor.json"), "{}");
    expect(await readWord(directory)).toBeNull();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
