import { afterEach, beforeEach, expect, test } from "bun:test";
import { keys, type HostRecord } from "../../src/cluster/schema.ts";
import { realSealer, SECRET_OF } from "../../src/platform/seal.ts";
import { ApiFixture, CREDENTIALS, type Api } from "./api-fixture.ts";

const GIB = 2 ** 30;
const IQN = "iqn.2024-01.org.example:host-1";
const SECRET = "twelve-or-more";
let fixture: ApiFixture;
let one: Api;
let two: Api;
beforeEach(async () => {
  fixture = new ApiFixture().form();
  one = await fixture.open();
  two = await fixture.open();
});
afterEach(() => fixture.close());

async function volumes(...names: string[]): Promise<void> {
  for (const name of names) await one.call("POST", "/api/v1/volumes", { name, sizeBytes: GIB });
}

test("a host is created with its initiator names in lower case, once each", async () => {
  const { status, body } = await one.call("POST", "/api/v1/hosts", { name: "esx", iqns: [IQN.toUpperCase(), IQN, "eui.0123456789ABCDEF"] });
  expect(status).toBe(201);
  expect(body).toEqual({ name: "esx", iqns: [IQN, "eui.0123456789abcdef"], chapUser: null, mappings: [] });
  expect(fixture.read(keys.iqn(IQN))).toBe("esx");
  expect((await two.call("GET", "/api/v1/hosts")).body).toMatchObject({ hosts: [{ name: "esx" }] });
});

test("a CHAP secret is kept for the portals and never told or logged", async () => {
  await volumes("db");
  await one.call("POST", "/api/v1/hosts", { name: "esx", iqns: [IQN], chap: { user: "esx", secret: SECRET } });
  const kept = (fixture.read(keys.host("esx")) as HostRecord).chap;
  expect(kept).toEqual({ user: "esx", secret: expect.stringMatching(/^sealed:1:/) });
  expect(realSealer(CREDENTIALS.clusterKey).open(kept?.secret ?? "", SECRET_OF.chap("esx"))).toBe(SECRET);
  expect(JSON.stringify(fixture.store.list(""))).not.toContain(SECRET);
  const answers = [
    await one.call("GET", "/api/v1/hosts"),
    await one.call("POST", "/api/v1/mappings", { volume: "db", host: "esx" }),
    await one.call("GET", "/api/v1/mappings"),
    await one.call("GET", "/api/v1/status"),
    await one.call("DELETE", "/api/v1/mappings/db/esx"),
    await one.call("DELETE", "/api/v1/hosts/esx"),
  ];
  expect(answers.map((answer) => answer.status)).toEqual([200, 201, 200, 200, 200, 200]);
  expect(JSON.stringify(answers)).not.toContain(SECRET);
  expect(JSON.stringify(one.lines)).not.toContain(SECRET);
  expect(answers[1]?.body).toMatchObject({ chapUser: "esx" });
});

test("a host's name and an initiator's name belong to one host", async () => {
  await one.call("POST", "/api/v1/hosts", { name: "esx", iqns: [IQN] });
  expect(await two.call("POST", "/api/v1/hosts", { name: "esx", iqns: [`${IQN}-b`] })).toMatchObject({ status: 409, body: { code: "name-taken" } });
  expect(await two.call("POST", "/api/v1/hosts", { name: "other", iqns: [`${IQN}-b`, IQN] })).toMatchObject({ status: 409, body: { code: "iqn-taken", detail: `The initiator name ${IQN} belongs to the host esx already.` } });
  expect(fixture.read(keys.iqn(`${IQN}-b`))).toBeNull();
});

test("of two servers that give one initiator name to two hosts at once, one succeeds", async () => {
  const answers = await Promise.all([one.call("POST", "/api/v1/hosts", { name: "a", iqns: [IQN] }), two.call("POST", "/api/v1/hosts", { name: "b", iqns: [IQN] })]);
  expect(answers.map((answer) => answer.status).sort()).toEqual([201, 409]);
  expect(fixture.store.list("host/").length).toBe(1);
});

test("a deleted host frees its initiator names; one with mapped volumes is not deleted", async () => {
  await volumes("db");
  await one.call("POST", "/api/v1/hosts", { name: "esx", iqns: [IQN] });
  await one.call("POST", "/api/v1/mappings", { volume: "db", host: "esx" });
  expect(await one.call("DELETE", "/api/v1/hosts/esx")).toMatchObject({ status: 409, body: { code: "in-use", detail: "The host esx has 1 mapped volume. Unmap it first." } });
  await one.call("DELETE", "/api/v1/mappings/db/esx");
  expect((await one.call("DELETE", "/api/v1/hosts/esx")).status).toBe(200);
  expect((await one.call("POST", "/api/v1/hosts", { name: "new", iqns: [IQN] })).status).toBe(201);
});

test("a mapping takes the lowest free LUN and names every portal", async () => {
  await volumes("a", "b", "c", "d");
  await one.call("POST", "/api/v1/hosts", { name: "esx", iqns: [IQN] });
  await one.call("POST", "/api/v1/mappings", { volume: "a", host: "esx", lun: 1 });
  const luns: unknown[] = [];
  for (const volume of ["b", "c"]) luns.push((await one.call("POST", "/api/v1/mappings", { volume, host: "esx" })).body["lun"]);
  await one.call("DELETE", "/api/v1/mappings/b/esx");
  const last = await two.call("POST", "/api/v1/mappings", { volume: "d", host: "esx" });
  expect([...luns, last.body["lun"]]).toEqual([0, 2, 0]);
  expect(last.body["urls"]).toEqual([1, 2, 3].map((n) => `iscsi://127.0.0.${n}:3260/iqn.2024-01.test.virtustor:cluster/0`));
  expect((await one.call("GET", "/api/v1/mappings")).body).toMatchObject({ mappings: [{ volume: "d", lun: 0 }, { volume: "a", lun: 1 }, { volume: "c", lun: 2 }] });
});

test("a LUN serves one volume, and a volume has one LUN at a host", async () => {
  await volumes("a", "b");
  await one.call("POST", "/api/v1/hosts", { name: "esx", iqns: [IQN] });
  await one.call("POST", "/api/v1/mappings", { volume: "a", host: "esx", lun: 3 });
  expect(await one.call("POST", "/api/v1/mappings", { volume: "b", host: "esx", lun: 3 })).toMatchObject({ status: 409, body: { code: "lun-taken" } });
  expect(await one.call("POST", "/api/v1/mappings", { volume: "a", host: "esx", lun: 4 })).toMatchObject({ status: 409, body: { code: "already-mapped" } });
  expect((await one.call("POST", "/api/v1/mappings", { volume: "none", host: "esx" })).body["detail"]).toBe("There is no volume none.");
  expect((await one.call("POST", "/api/v1/mappings", { volume: "b", host: "none" })).body["detail"]).toBe("There is no host none.");
});

test("volumes mapped at once through two servers get LUNs of their own, and one volume only one", async () => {
  const names = Array.from({ length: 8 }, (_, n) => `v${n}`);
  await volumes(...names);
  await one.call("POST", "/api/v1/hosts", { name: "esx", iqns: [IQN] });
  const answers = await Promise.all(names.map((volume, n) => (n % 2 ? one : two).call("POST", "/api/v1/mappings", { volume, host: "esx" })));
  expect(new Set(answers.map((answer) => answer.body["lun"])).size).toBe(8);
  await one.call("DELETE", "/api/v1/mappings/v0/esx");
  const same = await Promise.all([one, two].map((api, n) => api.call("POST", "/api/v1/mappings", { volume: "v0", host: "esx", lun: 10 + n })));
  expect(same.map((answer) => answer.status).sort()).toEqual([201, 409]);
});

test("the 257th volume of a host finds no LUN", async () => {
  await volumes("v");
  await one.call("POST", "/api/v1/hosts", { name: "esx", iqns: [IQN] });
  for (let lun = 0; lun < 256; lun++) fixture.put(keys.mapping("esx", lun), { volume: 99, host: "esx", lun, readOnly: false });
  expect(await one.call("POST", "/api/v1/mappings", { volume: "v", host: "esx" })).toMatchObject({ status: 409, body: { code: "no-free-lun" } });
});

test("a host is given other initiator names and CHAP, and keeps what is not named", async () => {
  await one.call("POST", "/api/v1/hosts", { name: "esx", iqns: [IQN, `${IQN}-b`], chap: { user: "esx", secret: SECRET } });
  const before = fixture.read(keys.host("esx")) as HostRecord;
  expect(await two.call("POST", "/api/v1/hosts/esx", { iqns: [`${IQN}-b`, `${IQN}-c`] })).toMatchObject({ status: 200, body: { iqns: [`${IQN}-b`, `${IQN}-c`], chapUser: "esx" } });
  expect([IQN, `${IQN}-b`, `${IQN}-c`].map((iqn) => fixture.read(keys.iqn(iqn)))).toEqual([null, "esx", "esx"]);
  expect((fixture.read(keys.host("esx")) as HostRecord).chap).toEqual(before.chap);
  expect(await one.call("POST", "/api/v1/hosts/esx", { chap: null })).toMatchObject({ status: 200, body: { iqns: [`${IQN}-b`, `${IQN}-c`], chapUser: null } });
  await one.call("POST", "/api/v1/hosts", { name: "other", iqns: [`${IQN}-d`] });
  expect(await one.call("POST", "/api/v1/hosts/esx", { iqns: [`${IQN}-d`] })).toMatchObject({ status: 409, body: { code: "iqn-taken" } });
  expect(await one.call("POST", "/api/v1/hosts/none", { chap: null })).toMatchObject({ status: 404 });
  expect(await one.call("POST", "/api/v1/hosts/esx", {})).toMatchObject({ status: 400 });
});

test("R26: an initiator name is taken away when every portal has confirmed", async () => {
  await one.call("POST", "/api/v1/hosts", { name: "esx", iqns: [IQN, `${IQN}-b`] });
  fixture.put(keys.gateway(5), { instance: 5, server: "server-2", serving: true });
  fixture.put(keys.upGateway(5), { instance: 5, server: "server-2", sinceMs: 1 });
  const asked = one.call("POST", "/api/v1/hosts/esx", { iqns: [IQN] });
  let fence: string | undefined;
  while ((fence = fixture.store.list("fence/")[0]?.key) === undefined) await Bun.sleep(1);
  expect(fixture.read(keys.host("esx"))).toMatchObject({ iqns: [IQN] });
  expect(await Promise.race([asked, Bun.sleep(200).then(() => "waits")])).toBe("waits");
  fixture.put(keys.obeyed(Number(fence.split("/")[1]), 5), 5);
  expect((await asked).status).toBe(200);
});
