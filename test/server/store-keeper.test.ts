import { describe, expect, test } from "bun:test";
import type { ServerName } from "../../src/base/ids.ts";
import type { StoreMember } from "../../src/platform/store/etcd-membership.ts";
import { storeStep, type StoreScene } from "../../src/server/store-keeper.ts";

const name = (n: number) => `server-${n}` as ServerName;
const member = (n: number, change: Partial<StoreMember> = {}): StoreMember => ({ id: String(n), name: name(n), peerUrl: `https://10.0.0.${n}:2380`, clientUrl: `https://10.0.0.${n}:2379`, isLearner: false, ...change });

interface Scene {
  readonly servers?: readonly number[];
  readonly down?: readonly number[];
  readonly draining?: readonly number[];
  readonly removed?: readonly number[];
  readonly members?: readonly StoreMember[];
}
/** What every server does at one look. */
function steps({ servers = [1, 2, 3, 4], down = [], draining = [], removed = [], members = [1, 2, 3].map((n) => member(n)) }: Scene): Record<string, string> {
  const scene: Omit<StoreScene, "own"> = {
    servers: servers.map((n) => ({ name: name(n), address: `10.0.0.${n}` })),
    up: new Set(servers.filter((n) => !down.includes(n)).map(name)),
    draining: new Set(draining.map(name)),
    removed: new Set(removed.map(name)),
    members,
  };
  return Object.fromEntries(servers.filter((n) => !down.includes(n)).map((n) => [n, storeStep({ ...scene, own: name(n) }).step]).filter(([, step]) => step !== "none"));
}

describe("the cluster store's membership", () => {
  test("is left alone while three members are on servers that stay, also when one is merely away", () => {
    expect(steps({})).toEqual({});
    expect(steps({ down: [2] })).toEqual({});
    expect(steps({ servers: [1, 2, 3] })).toEqual({});
  });

  test("gets another member before the one of a drained server goes", () => {
    expect(steps({ draining: [2] })).toEqual({ 4: "join" });
    expect(steps({ servers: [1, 2, 3, 4, 5], draining: [2] })).toEqual({ 4: "join" });
    expect(steps({ servers: [1, 2, 3, 4, 5], draining: [2, 4] })).toEqual({ 5: "join" });
    const joined = [1, 2, 3, 4].map((n) => member(n));
    expect(steps({ draining: [2], members: joined })).toEqual({});
    expect(steps({ servers: [1, 3, 4], removed: [2], members: joined })).toEqual({ 1: "remove" });
  });

  test("loses the member of a lost server that was removed, and then gets another", () => {
    expect(steps({ servers: [1, 2, 4], removed: [3] })).toEqual({ 1: "remove" });
    expect(steps({ servers: [1, 2, 4], removed: [3], members: [member(1), member(2)] })).toEqual({ 4: "join" });
    expect(steps({ servers: [1, 2, 4], removed: [3], members: [member(1), member(2), member(4, { name: "", clientUrl: "", isLearner: true })] })).toEqual({ 4: "join" });
    expect(steps({ servers: [1, 2, 4], removed: [3], members: [member(1), member(2), member(4, { isLearner: true })] })).toEqual({ 4: "promote" });
  });

  test("keeps the member of a server that is joining and has not registered yet", () => {
    const joining = member(5, { name: "", clientUrl: "", isLearner: true });
    expect(steps({ servers: [1, 2], members: [member(1), member(2), joining] })).toEqual({});
    expect(steps({ servers: [1, 2], removed: [5], members: [member(1), member(2), joining] })).toEqual({});
    expect(steps({ servers: [1, 2], members: [member(1), member(2), member(5)] })).toEqual({});
  });
});
