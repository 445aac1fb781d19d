import type { PlanSettings } from "../../src/monitor/plan.ts";
import { keys } from "../../src/cluster/schema.ts";
import { KEEPING } from "../../src/storage/drive/image.ts";
import { Chance } from "./chance.ts";
import { SimulatedCluster, type GroupSetup } from "./cluster.ts";
import { Host, sharedSlots, type HostSettings, type Slot } from "./hosts.ts";
import { Overseer } from "./overseer.ts";
import { Pace } from "./pace.ts";
import { Portal } from "./portal.ts";
import { Registers } from "./registers.ts";
import type { Shape } from "./shapes.ts";

/** A volume that is deleted in the midst of it. */
export const DOOMED = 3;
/** Placement groups of the one pool. */
const GROUPS = 4;
/** Volumes are used in their first extents. */
const EXTENTS = 3;
/** R20: enough for late writes (R15), little enough for logs to be cut within a story. */
const SETTLED_MS = 4200;
/** How patient a host is with a path. */
const TIMEOUTS_MS = [500, 1500, 4000, 12_000];

/** Everything that a story is told of: servers with drives, portals and monitors, and hosts with their volumes. */
export class World {
  readonly seed: number;
  readonly shape: Shape;
  readonly cluster: SimulatedCluster;
  readonly portals: readonly Portal[];
  readonly overseers: Overseer[];
  readonly settings: PlanSettings;
  readonly hosts: readonly Host[];
  /** Users of the volume that is to be deleted. */
  readonly doomed: readonly Host[];
  readonly slots: readonly Slot[];
  readonly registers = new Registers();
  readonly pace: Pace;

  constructor(seed: number, shape: Shape, verbose: boolean) {
    this.seed = seed;
    this.shape = shape;
    const chance = new Chance(seed, "story");
    this.cluster = makeCluster(seed, chance, shape, verbose);
    const servers = [...new Set([...this.cluster.hosts.values()].map(({ server }) => server))];
    const driveTimeoutMs = chance.pick([2000, 5000, 30_000]);
    this.settings = { driveTimeoutMs, serverTimeoutMs: chance.pick([driveTimeoutMs, 8000, 600_000]), fullShare: 0.85, slackCopies: new Chance(seed, "rebalancing").pick([1, 2, Infinity]) };
    // A1: reads by round trips instead of leases. A course of its own, so that older seeds' other choices stay.
    if (new Chance(seed, "strict reads").happens(0.15)) this.cluster.put(keys.settings, { loneSurvivor: "confirm", strictReads: true });
    this.overseers = servers.map((server) => new Overseer(this.cluster, `m${server.slice(1)}`, server, seed, this.settings));
    this.portals = chance.shuffled(servers).slice(0, 2 + chance.below(2)).map((server) => new Portal(this.cluster, `g${server.slice(1)}`, server, seed));
    this.cluster.residents.push(...this.overseers, ...this.portals);
    this.pace = new Pace(this.cluster.time, new Chance(seed, "pace"));
    const hostSettings = (): HostSettings => ({ pauseMs: chance.pick([30, 100, 200, 400]), timeoutMs: chance.pick(TIMEOUTS_MS), roundRobin: chance.happens(0.3) });
    const host = (name: string, own: HostSettings): Host => new Host(name, this.cluster, new Chance(seed, name), chance.shuffled(this.portals), this.registers, this.pace, own);
    const load = hostSettings();
    this.hosts = ["h1", "h2", "h3"].slice(0, 2 + chance.below(2)).map((name) => host(name, { ...load, timeoutMs: chance.pick(TIMEOUTS_MS) }));
    this.doomed = [host("h9", { ...hostSettings(), pauseMs: 200 })];
    this.slots = sharedSlots(chance, [1, 2], EXTENTS, chance.pick([3, 6, 12]));
    for (const slot of this.slots) for (let user = 0, users = 1 + chance.below(3); user < users; user += 1) chance.pick(this.hosts).use(slot, "write");
    for (const slot of this.slots) for (let user = 0, users = 1 + chance.below(2); user < users; user += 1) chance.pick(this.hosts).use(slot, "read");
    for (const slot of sharedSlots(chance, [DOOMED], EXTENTS, 3)) for (const kind of ["read", "write"] as const) this.doomed[0]?.use(slot, kind);
  }

  start(): void {
    this.cluster.startAll();
    for (const resident of this.cluster.residents) resident.start();
  }
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
  const keeping = chance.pick([{ entries: 4, changes: 0, settledMs: SETTLED_MS }, { entries: 4, changes: 1000, settledMs: SETTLED_MS }, { entries: 20, changes: 6, settledMs: SETTLED_MS }, KEEPING]);
  const checkpointIntervalMs = chance.pick([300, 1000, 5000, 30_000]);
  for (const host of cluster.hosts.values()) Object.assign(host.medium.tuning, { keeping, checkpointIntervalMs });
  return cluster;
}
