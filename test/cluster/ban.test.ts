import { describe, expect, test } from "bun:test";
import type { Instance } from "../../src/base/ids.ts";
import { primariesNotObeying } from "../../src/cluster/ban.ts";
import { ClusterMap } from "../../src/cluster/map.ts";
import { groupId, keys } from "../../src/cluster/schema.ts";

const [A, B] = ["00000000000000aa", "00000000000000bb"];
const GATEWAY = 7 as Instance;

function mapOf(values: Record<string, unknown>): ClusterMap {
  const map = new ClusterMap();
  map.snapshot(Object.entries(values).map(([key, value]) => ({ key, value: JSON.stringify(value), revision: 1 })), 1);
  expect([...map.invalid]).toEqual([]);
  return map;
}
const config = { incarnation: 1, epoch: 5, primary: A, primaryInstance: 3, members: [A, B], learners: [], nonce: 1 };
const word = { group: groupId(1, 0), epoch: 5, state: "serving", copiedBytes: 0, remainingBytes: 0 };
const told = { instance: 3, usedBytes: 0, bans: [GATEWAY], groups: [word] };
const observedA = keys.observed(A as never);
const pg = keys.group(groupId(1, 0));

// R26
describe("a banned gateway", () => {
  test("has nobody to take anything of it once each group's primary has said so and serves", () => {
    expect(primariesNotObeying(mapOf({ [pg]: config, [observedA]: told }), GATEWAY)).toEqual([]);
  });

  const others: [string, Record<string, unknown>][] = [
    ["that says nothing, since it is cut off from the store", { [pg]: config }],
    ["that has not heard of this ban", { [pg]: config, [observedA]: { ...told, bans: [8] } }],
    ["whose former run has said so", { [pg]: config, [observedA]: { ...told, instance: 2 } }],
    ["that was named and has not begun", { [pg]: { ...config, primaryInstance: 0 }, [observedA]: told }],
    ["that has yet to fence the members of its epoch", { [pg]: config, [observedA]: { ...told, groups: [{ ...word, state: "peering" }] } }],
    ["that has served only an earlier epoch", { [pg]: config, [observedA]: { ...told, groups: [{ ...word, epoch: 4 }] } }],
    ["that is proved dead while another member may be sent what it has left", { [pg]: config, [keys.death(A as never)]: { instance: 3, atMs: 0, reason: "x" } }],
    ["that was the only member and is not the run that is proved dead", { [pg]: { ...config, members: [A] }, [keys.death(A as never)]: { instance: 2, atMs: 0, reason: "x" } }],
  ];
  for (const [what, values] of others)
    test(`waits for a primary ${what}`, () => expect(primariesNotObeying(mapOf(values), GATEWAY).map(String)).toEqual([A as string]));

  test("does not wait for an only member that is proved dead, nor for a member that leads nothing", () => {
    const dead = { [pg]: { ...config, members: [A] }, [keys.death(A as never)]: { instance: 3, atMs: 0, reason: "x" } };
    expect(primariesNotObeying(mapOf(dead), GATEWAY)).toEqual([]);
  });
});
