import { expect, test } from "bun:test";
import type { DriveId, Instance, ServerName } from "../../src/base/ids.ts";
import { ClusterMap } from "../../src/cluster/map.ts";
import { keys } from "../../src/cluster/schema.ts";
import { MemoryStore, type MemoryClient } from "../../src/platform/store/memory.ts";
import { Away, AWAY_MS_MIN } from "../../src/role/away.ts";
import type { Reach } from "../../src/volume/reach.ts";
import { FakeClock, fakePlatform } from "../volume/fake-platform.ts";

/** One of each server. */
const DRIVES = ["00000000000000d0", "00000000000000d1", "00000000000000d2"] as DriveId[];
/** How long after the last suspension hosts come back at most, a look included. */
const BACK_MS = 3_000;

/** A portal of which a test says what it reaches. */
class Portal {
  readonly away: Away;
  readonly client: MemoryClient;
  readonly map = new ClusterMap();
  reaches = true;
  serves = true;
  /** The drive that it does not reach, when it does not. */
  misses = DRIVES[0] as DriveId;
  silent = false;
  suspendedUntilMs = -Infinity;
  /** How often hosts were sent away that had been let in. */
  drops = 0;

  constructor(clock: FakeClock, store: MemoryStore, number: number, server: string) {
    const instance = number as Instance;
    this.client = store.client(server);
    this.client.watch("", {
      snapshot: (entries, { revision }) => void this.map.snapshot(entries, revision),
      changed: (changes, { revision }) => void this.map.changed(changes, revision),
    });
    void this.client.lease(5_000).then((lease) => this.client.transact({ compares: [], puts: [{ key: keys.upGateway(instance), value: JSON.stringify({ instance, server, sinceMs: 0 }), lease }] }));
    const reach = {
      unreached: () => (this.reaches || !this.serves ? [] : [{ drive: this.misses, instance: 1 as Instance, sinceMs: 0 }]),
      serves: () => this.serves,
      probe: () => this.reaches,
    } as unknown as Reach;
    const door = {
      suspend: (ms: number): void => {
        if (clock.nowMs() >= this.suspendedUntilMs) this.drops += 1;
        this.suspendedUntilMs = clock.nowMs() + ms;
      },
    };
    const { log } = fakePlatform(clock);
    this.away = new Away({ clock, log, store: this.client, map: this.map, reach, door, instance, server: server as ServerName });
    const look = (): void => {
      this.away.look(this.silent);
      clock.timer(500, look);
    };
    clock.timer(500, look);
  }
  takesHosts(clock: FakeClock): boolean {
    return clock.nowMs() >= this.suspendedUntilMs;
  }
  /** Its server is gone: its words in the store end with their leases. */
  die(): void {
    this.client.setReachable(false);
    this.silent = true;
  }
}

async function cluster(servers = 3): Promise<{ clock: FakeClock; store: MemoryStore; portals: Portal[]; taking: () => number[] }> {
  const clock = new FakeClock();
  const store = new MemoryStore({ clock, latencyMs: () => 3 });
  const portals = Array.from({ length: servers }, (_, i) => new Portal(clock, store, i + 1, `server${i + 1}`));
  await clock.until(store.client().transact({ compares: [], puts: DRIVES.map((id, i) => ({ key: keys.drive(id), value: JSON.stringify({ id, server: `server${i + 1}`, address: "127.0.0.1", port: 1, instance: 1, capacityBytes: 1 }) })) }));
  await clock.pass(2_000);
  const taking = (): number[] => portals.flatMap((portal, i) => (portal.takesHosts(clock) ? [i] : []));
  expect(taking()).toHaveLength(servers);
  return { clock, store, portals, taking };
}

test("a portal that does not reach a primary sends its hosts away, and takes none while that lasts", async () => {
  const { clock, portals, taking } = await cluster();
  portals[1]!.reaches = false;
  await clock.pass(1_000);
  expect(taking()).toEqual([0, 2]);
  expect([...portals[0]!.map.away.values()].map(({ server }) => String(server))).toEqual(["server2"]);
  await clock.pass(300_000);
  expect(taking()).toEqual([0, 2]);
  expect(portals[1]!.drops).toBe(1);
  portals[1]!.reaches = true;
  await clock.pass(4_000);
  expect(taking()).toEqual([0, 2]);
  await clock.pass(3_000 + BACK_MS);
  expect(taking()).toEqual([0, 1, 2]);
  expect(portals[0]!.map.away.size).toBe(0);
});

test("a link that comes and goes does not send hosts to and fro", async () => {
  const { clock, portals } = await cluster();
  const portal = portals[1]!;
  for (let i = 0; i < 20; i += 1) {
    portal.reaches = false;
    await clock.pass(3_000);
    portal.reaches = true;
    await clock.pass(3_000);
  }
  expect(portal.drops).toBe(1);
});

test("a portal that reaches the drives again soon stays away for a while", async () => {
  const { clock, portals, taking } = await cluster();
  portals[1]!.reaches = false;
  await clock.pass(1_000);
  portals[1]!.reaches = true;
  await clock.pass(AWAY_MS_MIN - 2_000);
  expect(taking()).toEqual([0, 2]);
  await clock.pass(2_000 + BACK_MS);
  expect(taking()).toEqual([0, 1, 2]);
});

/** No portal of the two reaches the other's drives. */
function part(one: Portal, two: Portal): void {
  one.reaches = two.reaches = false;
  one.misses = DRIVES[1]!;
  two.misses = DRIVES[0]!;
}

test("two portals that do not reach each other's drives both leave hosts to the third", async () => {
  const { clock, portals, taking } = await cluster();
  part(portals[0]!, portals[1]!);
  await clock.pass(3_000);
  expect(taking()).toEqual([2]);
  await clock.pass(60_000);
  expect(taking()).toEqual([2]);
  expect(portals.map(({ drops }) => drops)).toEqual([1, 1, 0]);
});

test("when no portal reaches everything all stay", async () => {
  const { clock, portals, taking } = await cluster();
  for (const [i, portal] of portals.entries()) Object.assign(portal, { reaches: false, misses: DRIVES[(i + 1) % 3] });
  await clock.pass(120_000);
  expect(taking()).toEqual([0, 1, 2]);
  expect(portals.map(({ drops }) => drops)).toEqual([0, 0, 0]);
});

test("portals that left come back, and stay, when the one on which they relied complains too or ends", async () => {
  for (const happen of ["complains", "ends"] as const) {
    const { clock, portals, taking } = await cluster();
    const [one, two, three] = portals as [Portal, Portal, Portal];
    part(one, two);
    await clock.pass(3_000);
    expect(taking()).toEqual([2]);
    if (happen === "ends") three.die();
    else three.reaches = false;
    await clock.pass(6_000 + BACK_MS);
    expect([one.takesHosts(clock), two.takesHosts(clock)]).toEqual([true, true]);
    await clock.pass(30_000);
    expect([one.drops, two.drops]).toEqual([1, 1]);
  }
});

test("of two portals none leaves: the other one is at the far end of the same link", async () => {
  const { clock, portals, taking } = await cluster(2);
  portals[0]!.reaches = false;
  portals[0]!.misses = DRIVES[1]!;
  await clock.pass(60_000);
  expect(taking()).toEqual([0, 1]);
  expect(portals[0]!.drops).toBe(0);
});

test("a portal comes back when the primary ends, when the cluster becomes read-only, and when the store falls silent", async () => {
  for (const happen of ["ends", "read-only", "silent"] as const) {
    const { clock, store, portals } = await cluster();
    const portal = portals[1]!;
    portal.reaches = false;
    await clock.pass(1_000);
    expect(portal.takesHosts(clock)).toBe(false);
    if (happen === "ends") portal.serves = false;
    if (happen === "silent") portal.silent = true;
    if (happen === "read-only") await clock.until(store.client().transact({ compares: [], puts: [{ key: keys.mode, value: JSON.stringify({ mode: "read-only", sinceMs: 0, groups: [], cause: "test" }) }] }));
    await clock.pass(happen === "ends" ? 20_000 + BACK_MS : BACK_MS);
    expect(portal.takesHosts(clock)).toBe(true);
  }
});

test("a portal whose store does not answer sends nobody away", async () => {
  const { clock, portals } = await cluster();
  const portal = portals[1]!;
  portal.client.setReachable(false);
  portal.reaches = false;
  await clock.pass(20_000);
  expect(portal.drops).toBe(0);
});
