import { keys } from "../../src/cluster/schema.ts";
import { KEEPING } from "../../src/storage/drive/image.ts";
import { Chance } from "./chance.ts";
import { SimulatedCluster, type GroupSetup } from "./cluster.ts";
import { differences, strays } from "./contents.ts";
import { Faults } from "./faults.ts";
import { SimulatedGateway } from "./gateway.ts";
import { History } from "./history.ts";
import { shapeOf, type Shape } from "./shapes.ts";
import { slots, Workload } from "./workload.ts";

/** After the last fault has ended everything is whole again within this. */
const HEAL_MS = 60_000;
/** By then drives that a group has left have dropped its data. */
const FORGET_MS = 16_000;
/** A volume that is deleted in the midst of it. */
const DOOMED = 3;
/** Placement groups of the one pool. */
const GROUPS = 4;

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
  const chance = new Chance(seed, "story");
  const cluster = makeCluster(seed, chance, shape, verbose);
  const history = new History();
  const gateways = [1, 2].map((number) => new SimulatedGateway(cluster, "g", number, history));
  const workload = new Workload(new Chance(seed, "workload"), gateways, slots(chance, [1, 2], 3, 14), chance.pick([30, 100, 200, 400]));
  const doomed = new Workload(new Chance(seed, "doomed"), gateways, slots(chance, [DOOMED], 3, 4), 100);
  doomed.start();
  const faults = new Faults(cluster, new Chance(seed, "faults"), chance.pick([150, 500, 1500, 4000]));
  try {
    tell(cluster, workload, doomed, gateways, chance, faults, faultyMs);
  } catch (error) {
    if (cluster.failures.length === 0) cluster.failures.push(`${cluster.time.nowMs().toFixed(1)} ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
  return { seed, failures: cluster.failures, fingerprint: cluster.fingerprint, operations: workload.done + doomed.done, faults: faults.counts, simulatedSeconds: cluster.time.nowMs() / 1000, lines: cluster.lines };
}

function makeCluster(seed: number, chance: Chance, { servers, copies }: Shape, verbose: boolean): SimulatedCluster {
  const drives: Record<string, string> = {};
  for (let server = 1; server <= servers; server += 1) drives[String.fromCharCode(96 + server)] = `s${server}`;
  if (chance.happens(0.3)) drives[String.fromCharCode(97 + servers)] = `s${1 + chance.below(servers)}`;
  const factor = (copies - 1) as 1 | 2;
  const groups: GroupSetup[] = [];
  for (let index = 0; index < GROUPS; index += 1) {
    const places = chance.shuffled([...new Set(Object.values(drives))]).slice(0, copies);
    groups.push({ factor, index, wanted: places.map((server) => chance.pick(Object.keys(drives).filter((name) => drives[name] === server))) });
  }
  const cluster = new SimulatedCluster({ seed, drives, groups, groupCount: GROUPS, volumes: { 1: factor, 2: factor, [DOOMED]: factor }, drift: true, verbose });
  const keeping = chance.pick([{ entries: 4, changes: 0, early: true }, { entries: 4, changes: 1000, early: true }, { entries: 20, changes: 6, early: true }, KEEPING]);
  const checkpointIntervalMs = chance.pick([300, 1000, 5000, 30_000]);
  for (const host of cluster.hosts.values()) Object.assign(host.medium.tuning, { keeping, checkpointIntervalMs });
  return cluster;
}

function tell(cluster: SimulatedCluster, workload: Workload, doomed: Workload, gateways: readonly SimulatedGateway[], chance: Chance, faults: Faults, faultyMs: number): void {
  const { time } = cluster;
  cluster.startAll();
  if (!time.until(() => cluster.groupIds.every((group) => cluster.serving(group).length === 1), 30_000)) cluster.fail("the groups do not begin to serve");
  workload.start();
  faults.start();
  time.timer(chance.between(0, faultyMs), () => {
    // R21: first nobody serves it any more, then it is deleted.
    doomed.stop();
    const when = (): void => (doomed.running === 0 ? cluster.deleteVolume(DOOMED) : void time.timer(50, when));
    when();
  });
  time.pass(faultyMs);
  faults.heal();
  if (chance.happens(0.5)) workload.stop();
  if (!time.until(() => cluster.whole(), HEAL_MS)) cluster.fail(`not whole ${HEAL_MS / 1000} s after healing: ${state(cluster)}`);
  workload.stop();
  doomed.stop();
  if (!time.until(() => gateways.every((gateway) => gateway.openCount === 0), 20_000)) cluster.fail(`commands are not answered: ${gateways.map((gateway) => gateway.openCount).join(", ")}`);
  let read = false;
  workload.readAll(() => (read = true));
  if (!time.until(() => read, 20_000)) cluster.fail("not everything can be read");
  time.pass(FORGET_MS);
  if (workload.refused.size > 0) cluster.fail(`commands are refused: ${[...workload.refused].join(", ")}`);
  if (doomed.refused.size > 0) cluster.fail(`commands on the volume to be deleted are refused: ${[...doomed.refused].join(", ")}`);
  for (const group of cluster.groupIds) for (const difference of differences(cluster, group)) cluster.fail(difference);
  for (const name of cluster.hosts.keys()) for (const stray of strays(cluster, name)) cluster.fail(stray);
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
