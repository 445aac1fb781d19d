import { afterEach, expect, test } from "bun:test";
import type { Instance } from "../../src/base/ids.ts";
import { awaitFence, fencePut } from "../../src/cluster/fence.ts";
import { ClusterMap } from "../../src/cluster/map.ts";
import { realClock } from "../../src/platform/clock.ts";
import { MemoryStore } from "../../src/platform/store/memory.ts";
import { keys } from "../../src/cluster/schema.ts";
import { FenceObeyer } from "../../src/role/fences.ts";
import { startTarget, until, type Fixture } from "../iscsi/fixture.ts";
import { RawInitiator } from "../iscsi/raw-initiator.ts";

const PORTAL = 7;
const SHORT_MS = 300;
const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A portal with a host that has a write under way, and the way by which management fences it. */
async function portal(): Promise<{ fixture: Fixture; host: RawInitiator; passed: (withinMs?: number) => Promise<boolean> }> {
  const fixture = await startTarget();
  ends.push(() => fixture.stop());
  const store = new MemoryStore({ clock: realClock() });
  const [client, management] = [store.client(), store.client()];
  ends.push(() => client.close(), () => management.close());
  const map = new ClusterMap();
  const obeyer = new FenceObeyer({ store: client, clock: realClock(), map }, PORTAL as Instance, () => fixture.target.settled());
  client.watch("", {
    snapshot: (entries, origin) => (map.snapshot(entries, origin.revision), obeyer.changed()),
    changed: (changes, origin) => (map.changed(changes, origin.revision), obeyer.changed()),
  });
  ends.push(() => obeyer.close());
  for (const key of [keys.gateway(PORTAL), keys.upGateway(PORTAL)]) store.apply({ compares: [], puts: [{ key, value: JSON.stringify({ instance: PORTAL, server: "one", serving: true, sinceMs: 0 }) }] });
  const host = await RawInitiator.loggedIn(fixture.port);
  ends.push(() => host.destroy());
  fixture.volume.hold();
  host.command("2a 00 00000000 00 0001 00", { flags: 0xa0, expected: 512, data: Buffer.alloc(512, 1) });
  await until(() => fixture.volume.calls.length === 1, "the write has begun");
  store.apply({ compares: [], puts: [fencePut(1, { what: "test", atMs: 0 })] });
  await until(() => map.fences.has(1), "the portal has heard of the fence");
  return { fixture, host, passed: async (withinMs) => (await awaitFence({ store: management, clock: realClock() }, 1, withinMs)).length === 0 };
}

// R26
test("a portal does not say that it obeys a fence before the commands that were there have ended", async () => {
  const { fixture, passed } = await portal();
  expect(await passed(SHORT_MS)).toBe(false);
  expect(fixture.volume.peek(0, 1)[0]).toBe(0);
  fixture.volume.release();
  expect(await passed()).toBe(true);
  expect(fixture.volume.peek(0, 1)[0]).toBe(1);
});

test("nor when the session that had sent them is closed: they still run", async () => {
  const { fixture, host, passed } = await portal();
  host.destroy();
  await until(() => fixture.target.sessions().length === 0, "the session is closed");
  expect(await passed(SHORT_MS)).toBe(false);
  fixture.volume.release();
  expect(await passed()).toBe(true);
});

test("what a closed session left running is waited for by a fence that comes after it", async () => {
  const fixture = await startTarget();
  ends.push(() => fixture.stop());
  const host = await RawInitiator.loggedIn(fixture.port);
  fixture.volume.hold();
  host.command("2a 00 00000000 00 0001 00", { flags: 0xa0, expected: 512, data: Buffer.alloc(512, 1) });
  await until(() => fixture.volume.calls.length === 1, "the write has begun");
  host.destroy();
  await until(() => fixture.target.sessions().length === 0, "the session is closed");
  let settled = false;
  void fixture.target.settled().then(() => (settled = true));
  await fixture.ticks();
  expect(settled).toBe(false);
  fixture.volume.release();
  await until(() => settled, "it has ended");
});
