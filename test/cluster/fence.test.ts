import { describe, expect, test } from "bun:test";
import { awaitFence, BAN_AFTER_MS, fencePut, LEFT_BEHIND_MS } from "../../src/cluster/fence.ts";
import { keys, type GatewayRecord } from "../../src/cluster/schema.ts";
import { MemoryStore } from "../../src/platform/store/memory.ts";
import { SimulatedTime } from "../simulator/time.ts";

function world() {
  const time = new SimulatedTime();
  const store = new MemoryStore({ clock: time });
  const put = (key: string, value: unknown): void => void store.apply({ compares: [], puts: [{ key, value: JSON.stringify(value) }] });
  const portal = (instance: number, server: string, serving = true, replaces: readonly number[] = []): void => {
    put(keys.gateway(instance), { instance, server, serving, replaces });
    put(keys.upGateway(instance), { instance, server, sinceMs: 0 });
  };
  store.apply({ compares: [], puts: [fencePut(1, { what: "test", atMs: 0 })] });
  const wait = (withinMs: number): { left: readonly GatewayRecord[] | null } => {
    const waited: { left: readonly GatewayRecord[] | null } = { left: null };
    void awaitFence({ store: store.client(), clock: time }, 1, withinMs).then((left) => (waited.left = left));
    return waited;
  };
  return { time, store, put, portal, wait };
}

// R26
describe("a fence", () => {
  test("is passed when every portal has said that it obeys, and not before", () => {
    const { time, put, portal, wait, store } = world();
    portal(7, "s1");
    portal(8, "s2");
    const waited = wait(60_000);
    put(keys.obeyed(1, 7), 7);
    time.pass(20_000);
    expect(waited.left).toBeNull();
    put(keys.obeyed(1, 8), 8);
    time.pass(200);
    expect(waited.left).toEqual([]);
    expect(store.list("fence/")).toEqual([]);
    expect(store.list("obeyed/")).toEqual([]);
  });

  test("names the portals that are silent, stays, and may be waited for again", () => {
    const { time, put, portal, wait, store } = world();
    portal(7, "s1");
    const first = wait(1000);
    time.pass(2000);
    expect(first.left).toMatchObject([{ server: "s1" }]);
    expect(store.list("fence/").length).toBe(1);
    put(keys.obeyed(1, 7), 7);
    const second = wait(1000);
    time.pass(200);
    expect(second.left).toEqual([]);
  });

  // X34: what a dead portal has left in a socket may arrive later, until primaries refuse it by its age.
  test("counts a portal as gone only so long after its proved death that nothing of it is taken any more", () => {
    const { time, put, portal, wait } = world();
    portal(7, "s1");
    const waited = wait(60_000);
    time.pass(10_000);
    put(keys.death("7"), { instance: 7, atMs: 0, reason: "killed" });
    time.pass(LEFT_BEHIND_MS - 200);
    expect(waited.left).toBeNull();
    time.pass(400);
    expect(waited.left).toEqual([]);
  });

  test("does not take a lost registration for a death, but a successor that holds the same port", () => {
    const { time, portal, put, wait } = world();
    portal(7, "s1");
    const waited = wait(60_000);
    time.pass(20_000);
    expect(waited.left).toBeNull();
    portal(9, "s1", false);
    put(keys.obeyed(1, 9), 9);
    time.pass(10_000);
    expect(waited.left).toBeNull();
    portal(9, "s1", true, [7]);
    time.pass(LEFT_BEHIND_MS + 200);
    expect(waited.left).toEqual([]);
  });

  test("does not take a portal for replaced by one that had its port before it, whose record is still there", () => {
    const { time, portal, put, wait } = world();
    portal(7, "s1");
    put(keys.death("7"), { instance: 7, atMs: 0, reason: "killed" });
    // It serves, and is cut off from the store before it could take its predecessor's record away.
    portal(9, "s1", true, [7]);
    const waited = wait(60_000);
    time.pass(LEFT_BEHIND_MS + 20_000);
    expect(waited.left).toBeNull();
    put(keys.obeyed(1, 9), 9);
    time.pass(200);
    expect(waited.left).toEqual([]);
  });

  test("bans a portal that has had no lease for long, not one that has only just lost it, and is passed then", () => {
    const { time, store, portal, wait } = world();
    portal(7, "s1");
    store.apply({ compares: [], deletes: [keys.upGateway(7)] });
    const waited = wait(60_000);
    time.pass(BAN_AFTER_MS - 200);
    store.apply({ compares: [], puts: [{ key: keys.upGateway(7), value: "{}" }] });
    time.pass(10_000);
    expect([store.find(keys.banned(7)), waited.left]).toEqual([null, null]);
    store.apply({ compares: [], deletes: [keys.upGateway(7)] });
    time.pass(BAN_AFTER_MS + 1000);
    expect(store.find(keys.banned(7))).not.toBeNull();
    // There is no group here whose primary could still take something of it.
    expect(waited.left).toEqual([]);
    expect(store.list("gateway/")).toEqual([]);
    // It stays: the portal may be alive.
    expect(store.list("banned/").length).toBe(1);
  });
});
