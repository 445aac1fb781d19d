import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realClock } from "../../src/platform/clock.ts";
import { realFiles } from "../../src/platform/files.ts";
import { realNetwork } from "../../src/platform/network.ts";
import { realRandom } from "../../src/platform/random.ts";
import { awaitFence, fencePut } from "../../src/cluster/fence.ts";
import { keys } from "../../src/cluster/schema.ts";
import { MemoryStore, type MemoryClient } from "../../src/platform/store/memory.ts";
import type { ServerConfig } from "../../src/role/config.ts";
import { runGateway } from "../../src/role/gateway.ts";
import type { RoleContext } from "../../src/role/role.ts";
import { fakePlatform } from "../volume/fake-platform.ts";

const ID = "0123456789abcdef0123456789abcdef";
const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function server(keyBytes = 32): Promise<{ context: RoleContext; store: MemoryStore; port: number }> {
  const directory = mkdtempSync(join(tmpdir(), "gateway-role-"));
  ends.push(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, "key"), new Uint8Array(keyBytes).fill(3));
  const network = realNetwork();
  const free = await network.listen({ endpoint: { address: "127.0.0.1", port: 0 } }, () => ({ data() {}, drained() {}, closed() {} }));
  const { port } = free;
  free.close();
  const platform = fakePlatform(realClock(), { network, random: realRandom(), files: realFiles() });
  const config: ServerConfig = {
    clusterId: ID, name: "one", directory, address: "127.0.0.1", portalPort: port, apiPort: 8443, portalGroupTag: 1, clusterKeyFile: join(directory, "key"), tokenFile: join(directory, "token"), tlsDirectory: join(directory, "tls"),
    drives: [], store: { kind: "embedded", socket: join(directory, "store") }, processes: "separate", logLevel: "error",
  };
  const store = new MemoryStore({ clock: realClock() });
  const client = store.client();
  ends.push(() => client.close());
  return { context: { platform, store: client, config }, store, port };
}
const cluster = (id: string) => ({ key: "cluster", value: JSON.stringify({ id, name: "c", incarnation: 1, targetName: "iqn.2026-01.com.example:c", formedAtMs: 0 }) });

async function open(port: number): Promise<boolean> {
  try {
    const socket = await realNetwork().connect({ endpoint: { address: "127.0.0.1", port }, timeoutMs: 1000 }, () => ({ data() {}, drained() {}, closed() {} }));
    socket.destroy();
    return true;
  } catch {
    return false;
  }
}

test("the role registers itself before its portal opens, and is gone from the store when it has stopped", async () => {
  const { context, port } = await server();
  await context.store.transact({ compares: [], puts: [cluster(ID)] });
  const role = await runGateway(context);
  const { entries } = await context.store.range("up/gateway/");
  expect(entries.map(({ value }) => (JSON.parse(value) as { server: string }).server)).toEqual(["one"]);
  expect(await open(port)).toBe(true);
  await role.stop();
  expect(await open(port)).toBe(false);
  expect((await context.store.range("up/gateway/")).entries).toEqual([]);
  expect((await context.store.range("gateway/")).entries).toEqual([]);
});

// R26
test("the role says that it obeys a fence, and a fence that it cannot hear of is not passed", async () => {
  const { context, store } = await server();
  await context.store.transact({ compares: [], puts: [cluster(ID)] });
  const role = await runGateway(context);
  const other = store.client();
  ends.push(() => other.close());
  await other.transact({ compares: [], puts: [fencePut(5, { what: "test", atMs: 0 })] });
  expect(await awaitFence({ store: other, clock: realClock() }, 5)).toEqual([]);
  expect((await other.range("fence/")).entries).toEqual([]);
  expect((await other.range("obeyed/")).entries).toEqual([]);
  (context.store as MemoryClient).setReachable(false);
  await other.transact({ compares: [], puts: [fencePut(6, { what: "test", atMs: 0 })] });
  expect((await awaitFence({ store: other, clock: realClock() }, 6, 300)).map(({ server: name }) => String(name))).toEqual(["one"]);
  (context.store as MemoryClient).setReachable(true);
  expect(await awaitFence({ store: other, clock: realClock() }, 6)).toEqual([]);
  await role.stop();
});

// R26
test("a portal that was banned ends, and its successor takes the ban away", async () => {
  const { context, store } = await server();
  await context.store.transact({ compares: [], puts: [cluster(ID)] });
  const role = await runGateway(context);
  const [record] = (await context.store.range("gateway/")).entries;
  const { instance } = JSON.parse(record?.value ?? "null") as { instance: number };
  const ended: string[] = [];
  const { fatal } = context.platform;
  (context.platform as { fatal: unknown }).fatal = (reason: string) => ended.push(reason);
  store.apply({ compares: [], puts: [{ key: keys.banned(instance), value: JSON.stringify({ instance, server: "one", atMs: 0 }) }] });
  while (ended.length === 0) await Bun.sleep(5);
  expect(ended[0]).toBe("portal-banned");
  await role.stop();
  (context.platform as { fatal: unknown }).fatal = fatal;
  // As it is after a power loss: nobody has taken its record away. A ban of another server's portal stays.
  store.apply({ compares: [], puts: [{ key: keys.gateway(instance), value: record?.value ?? "" }, { key: keys.banned(99), value: JSON.stringify({ instance: 99, server: "two", atMs: 0 }) }] });
  const successor = await runGateway(context);
  while (store.find(keys.banned(instance)) !== null) await Bun.sleep(20);
  expect(store.find(keys.gateway(instance))).toBeNull();
  expect(store.find(keys.banned(99))).not.toBeNull();
  expect(store.list("gateway/").length).toBe(1);
  await successor.stop();
}, 20_000);

test("the role waits for a cluster that is not formed yet and for a store that does not answer", async () => {
  const { context, store, port } = await server();
  let serves = false;
  const started = runGateway(context).then((role) => {
    serves = true;
    return role;
  });
  await Bun.sleep(50);
  expect(serves).toBe(false);
  expect(await open(port)).toBe(false);
  store.setAvailable(false);
  await Bun.sleep(20);
  store.setAvailable(true);
  await context.store.transact({ compares: [], puts: [cluster(ID)] });
  await (await started).stop();
});

test("a cluster key of the wrong length ends the role with a sentence", async () => {
  const { context } = await server(31);
  await expect(runGateway(context)).rejects.toThrow(/configuration: the cluster key .* does not hold 32 bytes/);
});
