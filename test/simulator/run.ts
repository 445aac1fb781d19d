import { keys } from "../../src/cluster/schema.ts";
import { Chance } from "./chance.ts";
import type { SimulatedCluster } from "./cluster.ts";
import { differences, strays } from "./contents.ts";
import { Faults } from "./faults.ts";
import { isSettled } from "./growth.ts";
import { readSpan, whole } from "./hosts.ts";
import { shapeOf, type Shape } from "./shapes.ts";
import type { SimulatedTime } from "./time.ts";
import { DOOMED, World } from "./world.ts";

/** After the last fault has ended everything is whole again within this. */
const HEAL_MS = 90_000;
/** And stays so for this long: a monitor that had more to move would have begun. */
const SETTLED_MS = 5000;
/** And every command is answered within this: longer than a gateway tries. */
const ANSWERS_MS = 35_000;
/** By then drives that a group has left have dropped its data. */
const FORGET_MS = 16_000;
/** A read at the end that was refused is tried again after this. */
const AGAIN_MS = 200;
/** Whether all is whole is looked at so often. */
const ASKED_EVERY_MS = 5;

export interface SeedOptions {
  readonly shape?: Shape;
  /** So long there are faults. */
  readonly faultyMs?: number;
  readonly verbose?: boolean;
}
export interface SeedResult {
  readonly seed: number;
  readonly failures: readonly string[];
  readonly fingerprint: string;
  readonly operations: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly simulatedSeconds: number;
  readonly lines: readonly string[];
}

/** One random story: a cluster, hosts' reads and writes, faults; then healing, and everything checked. */
export function runSeed(seed: number, { shape = shapeOf(seed), faultyMs = 60_000, verbose = false }: SeedOptions = {}): SeedResult {
  const world = new World(seed, shape, verbose);
  const { cluster, registers } = world;
  const chance = new Chance(seed, "course");
  const faults = new Faults(world, new Chance(seed, "faults"), chance.pick([150, 500, 1500, 4000]));
  try {
    tell(world, faults, chance, faultyMs);
  } catch (error) {
    if (cluster.failures.length === 0) cluster.failures.push(`${cluster.time.nowMs().toFixed(1)} ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    // A story that does not come to its end still tells what hosts have seen.
    cluster.failures.push(...registers.check());
  }
  return { seed, failures: cluster.failures, fingerprint: cluster.fingerprint, operations: registers.answeredCount, faults: faults.counts, simulatedSeconds: cluster.time.nowMs() / 1000, lines: cluster.lines };
}

function tell(world: World, faults: Faults, chance: Chance, faultyMs: number): void {
  const { cluster, portals, hosts, doomed, registers, pace, shape } = world;
  const { time } = cluster;
  world.start();
  if (!time.until(nowAndThen(time, () => cluster.groupIds.every((group) => cluster.serving(group).length === 1)), 30_000)) cluster.fail("the groups do not begin to serve");
  faults.start();
  time.timer(chance.between(0, faultyMs), () => deleteWhenUnused(world));
  time.pass(faultyMs);
  faults.heal();
  const stop = (): void => {
    for (const host of [...hosts, ...doomed]) host.stop();
    pace.end();
  };
  if (chance.happens(0.5)) stop();
  let settledMs = time.nowMs();
  const wholeForGood = (): boolean => {
    if (!cluster.whole() || !isSettled(world)) settledMs = time.nowMs();
    return time.nowMs() - settledMs >= SETTLED_MS;
  };
  if (!time.until(nowAndThen(time, wholeForGood), HEAL_MS)) cluster.fail(`not whole ${HEAL_MS / 1000} s after healing: ${state(cluster)}`);
  stop();
  const open = (): string[] => portals.filter(({ openCount }) => openCount > 0).map(({ name, openCount }) => `${openCount} through ${name}`);
  if (!time.until(() => open().length === 0 && hosts.every((host) => host.running === 0), ANSWERS_MS)) cluster.fail(`commands are not answered: ${open().join(", ")}`);
  readAll(world);
  time.pass(FORGET_MS);
  for (const host of [...hosts, ...doomed]) if (host.refused.size > 0) cluster.fail(`commands of ${host.name} are refused: ${[...host.refused].join(", ")}`);
  for (const group of cluster.groupIds) {
    if (cluster.config(group).members.length !== shape.copies) cluster.fail(`group ${group} has ${cluster.config(group).members.length} copies`);
    for (const difference of differences(cluster, group)) cluster.fail(difference);
  }
  for (const [name, { removed }] of cluster.hosts) for (const stray of removed ? [] : strays(cluster, name)) cluster.fail(stray);
  for (const wrong of registers.check()) cluster.fail(wrong);
}

/** What is costly to ask is not asked at every event. */
function nowAndThen(time: SimulatedTime, reached: () => boolean): () => boolean {
  let nextMs = 0;
  return () => {
    if (time.nowMs() < nextMs) return false;
    nextMs = time.nowMs() + ASKED_EVERY_MS;
    return reached();
  };
}

/** R21: first nobody serves it any more, then it is deleted. */
function deleteWhenUnused(world: World): void {
  const { cluster, portals, doomed } = world;
  for (const host of doomed) host.stop();
  if (doomed.every((host) => host.running === 0) && portals.every((portal) => portal.openOf(DOOMED) === 0)) cluster.deleteVolume(DOOMED);
  else cluster.time.timer(50, () => deleteWhenUnused(world));
}

/** Reads every slot through every portal. */
function readAll({ cluster, portals, slots, registers }: World): void {
  let left = slots.length * portals.length;
  for (const slot of slots)
    for (const portal of portals) {
      const read = (): void => readSpan(cluster, registers, "the end", whole(slot), portal, ({ ok }) => (ok ? void (left -= 1) : void cluster.time.timer(AGAIN_MS, read)));
      read();
    }
  if (!cluster.time.until(() => left === 0, ANSWERS_MS)) cluster.fail(`${left} of the last reads are not answered`);
}

function state(cluster: SimulatedCluster): string {
  return cluster.groupIds
    .map((group) => {
      const { epoch, primary, members, learners } = cluster.config(group);
      const names = (ids: readonly string[]): string => ids.map((id) => cluster.nameOf(id)).join(" ");
      const states = [...cluster.hosts].map(([name]) => `${name} ${cluster.group(name, group)?.state ?? "-"}`).join(", ");
      const plan = cluster.store.find(keys.groupPlan(group))?.value ?? "";
      return `group ${group}: wanted ${plan.replace(/[0-9a-f]{16}/g, (id) => cluster.nameOf(id))}, epoch ${epoch}, primary ${cluster.nameOf(primary)}, members ${names(members)}, learners ${names(learners)}; ${states}`;
    })
    .join("\n");
}
