import { expect, test } from "bun:test";
import type { SimulatedCluster } from "./cluster.ts";
import { World } from "./world.ts";

/** Longer than a portal needs to find out, with its host's next try; what it took before is the 25 s that a command is tried. */
const LONGEST_MS = 13_000;

/** A cluster of three servers that serves. */
function world(seed: number): { told: World; cluster: SimulatedCluster; servers: string[] } {
  const told = new World(seed, { servers: 3, copies: 2 }, false);
  const { cluster } = told;
  told.start();
  expect(cluster.time.until(() => cluster.groupIds.every((group) => cluster.serving(group).length === 1), 30_000)).toBe(true);
  // The monitor makes the other pool's groups, too: one that cannot begin would make the cluster read-only.
  cluster.time.pass(8_000);
  return { told, cluster, servers: [...new Set([...cluster.hosts.values()].map(({ server }) => server))] };
}
/** The longest time in which some host's answers did not come, while `ms` pass, and the portals that took no hosts meanwhile. */
function watch({ cluster, hosts, portals }: World, ms: number): { longest: number; left: Set<string> } {
  const left = new Set<string>();
  const last = hosts.map(({ answered }) => ({ answered, atMs: cluster.time.nowMs() }));
  let longest = 0;
  for (let passed = 0; passed < ms; passed += 100) {
    cluster.time.pass(100);
    for (const { name, takesHosts } of portals) if (!takesHosts) left.add(name);
    hosts.forEach(({ answered }, i) => {
      const known = last[i] as { answered: number; atMs: number };
      if (answered !== known.answered) Object.assign(known, { answered, atMs: cluster.time.nowMs() });
      longest = Math.max(longest, cluster.time.nowMs() - known.atMs);
    });
  }
  return { longest, left };
}

for (const oneWay of [false, true]) {
  test(`servers that do not hear each other${oneWay ? " in one direction" : ""} lose their hosts to the third, and get them back`, () => {
    let drops = 0;
    for (let seed = 1; seed <= 6; seed += 1) {
      const { told, cluster } = world(seed);
      if (told.portals.length < 3) continue;
      const [one, two] = told.portals.map(({ server }) => server) as [string, string, string];
      cluster.block(one, two);
      if (!oneWay) cluster.block(two, one);
      const { longest, left } = watch(told, 40_000);
      expect(longest).toBeLessThan(LONGEST_MS);
      drops += left.size;
      expect(left.has(told.portals[2]?.name ?? "")).toBe(false);
      cluster.network.unblockAll();
      expect(cluster.time.until(() => told.portals.every(({ takesHosts }) => takesHosts), 40_000)).toBe(true);
      expect(cluster.failures).toEqual([]);
      for (const host of told.hosts) expect([...host.refused]).toEqual([]);
    }
    expect(drops).toBeGreaterThan(0);
  }, 120_000);
}

test("no portal drops its sessions because a drive or a server ends", () => {
  for (let seed = 1; seed <= 4; seed += 1) {
    const { told, cluster, servers } = world(seed);
    const stay = (ms: number): void => {
      for (let passed = 0; passed < ms; passed += 500) {
        cluster.time.pass(500);
        for (const portal of told.portals) if (portal.running?.ready) expect([portal.name, portal.takesHosts]).toEqual([portal.name, true]);
      }
    };
    const [drive] = [...cluster.hosts.keys()] as [string];
    cluster.kill(drive);
    stay(2_000);
    cluster.start(drive);
    stay(15_000);
    cluster.stall(drive);
    stay(12_000);
    cluster.resume(drive);
    stay(10_000);
    cluster.powerOff(servers[1] as string);
    stay(15_000);
    expect(cluster.failures).toEqual([]);
  }
}, 120_000);
