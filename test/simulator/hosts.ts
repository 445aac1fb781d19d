import { BLOCKS_PER_EXTENT, SECTORS_PER_BLOCK } from "../../src/base/geometry.ts";
import type { Chance } from "./chance.ts";
import type { SimulatedCluster } from "./cluster.ts";
import type { Pace } from "./pace.ts";
import type { Portal, PortalAnswer } from "./portal.ts";
import { stamped, valuesOf, type Registers, type Span } from "./registers.ts";

/** A3: no host repeats a write elsewhere and writes again, all within 250 ms from when the first gateway received it. */
const PATIENCE_MS = 260;
/** Answers that the faults of a story explain. */
const EXPECTED: ReadonlySet<string> = new Set(["unavailable", "path lost", "read-only", "not-ready"]);

/** Blocks that some hosts share. */
export interface Slot extends Span {
  /** Commands on parts of its blocks, unmaps, several blocks at once; else whole writes and reads. */
  readonly mixed: boolean;
}
export interface HostSettings {
  readonly pauseMs: number;
  /** After this a command is given up, and repeated through another portal. */
  readonly timeoutMs: number;
  /** Commands go over all paths in turn, instead of over one until it fails. */
  readonly roundRobin: boolean;
}

/** Slots near each other, so that they share chunks and extents, and some far apart; none overlap. */
export function sharedSlots(chance: Chance, volumes: readonly number[], extents: number, count: number): Slot[] {
  const taken = new Set<string>();
  const made: Slot[] = [];
  while (made.length < count) {
    const volume = chance.pick(volumes);
    const extent = chance.below(extents);
    const mixed = chance.happens(0.5);
    const blocks = mixed ? 1 + chance.below(chance.happens(0.1) ? 24 : 3) : 1;
    // Some lie across the border of two extents, and so of two groups.
    const first = extent * BLOCKS_PER_EXTENT + (chance.happens(0.7) ? chance.below(40) : chance.happens(0.2) ? BLOCKS_PER_EXTENT - 1 : chance.below(BLOCKS_PER_EXTENT));
    const names = Array.from({ length: blocks }, (_, i) => `${volume}.${first + i}`);
    if (names.some((name) => taken.has(name))) continue;
    for (const name of names) taken.add(name);
    made.push({ volume, lba: first * SECTORS_PER_BLOCK, count: blocks * SECTORS_PER_BLOCK, mixed });
  }
  return made;
}

/** One initiator with paths to several portals: several commands at a time, each given up after a while and repeated elsewhere. */
export class Host {
  readonly name: string;
  readonly #cluster: SimulatedCluster;
  readonly #chance: Chance;
  readonly #paths: readonly Portal[];
  readonly #registers: Registers;
  readonly #pace: Pace;
  readonly #settings: HostSettings;
  #path = 0;
  #stopped = false;
  /** Streams of commands that have not come to their end. */
  running = 0;
  answered = 0;
  /** Answers that no fault of a story explains. */
  readonly refused = new Set<string>();

  constructor(name: string, cluster: SimulatedCluster, chance: Chance, paths: readonly Portal[], registers: Registers, pace: Pace, settings: HostSettings) {
    this.name = name;
    this.#cluster = cluster;
    this.#chance = chance;
    this.#paths = paths;
    this.#registers = registers;
    this.#pace = pace;
    this.#settings = settings;
    this.#path = chance.below(paths.length);
  }

  /** One command after the other on a slot, until `stop`. */
  use(slot: Slot, kind: "read" | "write"): void {
    this.running += 1;
    this.#later(() => this.#next(slot, kind));
  }
  stop(): void {
    this.#stopped = true;
  }

  #next(slot: Slot, kind: "read" | "write"): void {
    const again = (): void => this.#later(() => this.#next(slot, kind));
    if (kind === "read") return this.#try(again, (portal, ended) => this.#read(slot, portal, ended));
    const chance = this.#chance;
    const choice = slot.mixed ? chance.float() : 1;
    if (choice < 0.12) {
      const blocks = chance.happens(0.7) ? whole(slot) : part(chance, slot, SECTORS_PER_BLOCK);
      return this.#try(again, (portal, ended) => this.#unmap(blocks, portal, ended));
    }
    if (!slot.mixed && chance.happens(0.3)) return this.#try(again, (portal, ended) => this.#compareAndWrite(whole(slot), portal, ended));
    const span = choice < 0.4 ? part(chance, slot, 1) : whole(slot);
    this.#try(again, (portal, ended) => this.#write(span, portal, ended));
  }

  /** Tries over one path after the other until it is done; gives up only when told to stop. */
  #try(done: () => void, attempt: (portal: Portal, ended: (answer: PortalAnswer<unknown>) => void) => void): void {
    const portal = this.#nextPath();
    const sentMs = this.#cluster.time.nowMs();
    let over = false;
    const elsewhere = (minMs: number): void => {
      over = true;
      this.#path += 1;
      const pauseMs = Math.max(minMs, sentMs + PATIENCE_MS - this.#cluster.time.nowMs());
      this.#cluster.time.timer(pauseMs, () => (this.#stopped ? this.#end() : this.#try(done, attempt)));
    };
    // At times a host gives up much sooner than it usually does: a task is aborted.
    const patienceMs = this.#chance.happens(0.02) ? this.#chance.between(0, 50) : this.#settings.timeoutMs;
    this.#cluster.time.timer(patienceMs, () => over || elsewhere(0));
    attempt(portal, (answer) => {
      if (answer.ok) {
        this.answered += 1;
        if (over) return;
        over = true;
        return done();
      }
      // R24: a lone survivor takes no writes; what came of an earlier try is not known.
      if (!EXPECTED.has(answer.error)) this.refused.add(answer.error);
      if (!over) elsewhere(this.#chance.between(0, 100));
    });
  }
  #nextPath(): Portal {
    if (this.#settings.roundRobin) this.#path += 1;
    return this.#paths[this.#path % this.#paths.length] as Portal;
  }

  #write(span: Span, portal: Portal, ended: (answer: PortalAnswer<unknown>) => void): void {
    const value = this.#registers.newValue();
    const call = this.#registers.begin("write", span, value, this.#nowMs(), `${this.name} by ${portal.name}`);
    portal.submit(span.volume, (volume) => volume.write(span.lba, stamped(value, span)), (answer) => {
      if (answer.ok) call.answered(this.#nowMs());
      ended(answer);
    });
  }
  #unmap(span: Span, portal: Portal, ended: (answer: PortalAnswer<unknown>) => void): void {
    const call = this.#registers.begin("write", span, 0, this.#nowMs(), `${this.name} by ${portal.name}`);
    portal.submit(span.volume, (volume) => volume.unmap(span.lba, span.count), (answer) => {
      if (answer.ok) call.answered(this.#nowMs());
      ended(answer);
    });
  }
  /** Mostly with the value that somebody read last. */
  #compareAndWrite(span: Span, portal: Portal, ended: (answer: PortalAnswer<unknown>) => void): void {
    const expected = this.#registers.lastRead(span);
    const value = this.#registers.newValue();
    const call = this.#registers.begin("compare-and-write", span, value, this.#nowMs(), `${this.name} by ${portal.name}`, expected);
    portal.submit(span.volume, (volume) => volume.compareAndWrite(span.lba, stamped(expected, span), stamped(value, span)), (answer) => {
      if (answer.ok && answer.value === null) call.answered(this.#nowMs());
      else if (answer.ok) call.miscompared(this.#nowMs());
      ended(answer);
    });
  }
  #read(slot: Slot, portal: Portal, ended: (answer: PortalAnswer<unknown>) => void): void {
    const span = whole(slot);
    readSpan(this.#cluster, this.#registers, this.name, span, portal, ended);
  }

  #nowMs(): number {
    return this.#cluster.time.nowMs();
  }
  #later(run: () => void): void {
    const chance = this.#chance;
    this.#cluster.time.timer(chance.happens(0.2) ? 0 : chance.between(0, this.#settings.pauseMs * 2), () => this.#pace.turn(() => (this.#stopped ? this.#end() : run())));
  }
  #end(): void {
    this.running -= 1;
  }
}

/** Reads through a portal, and holds the answer against everything known. */
export function readSpan(cluster: SimulatedCluster, registers: Registers, who: string, span: Span, portal: Portal, ended: (answer: PortalAnswer<unknown>) => void): void {
  const call = registers.begin("read", span, 0, cluster.time.nowMs(), `${who} by ${portal.name}`);
  portal.submit(span.volume, (volume) => volume.read(span.lba, span.count), (answer) => {
    if (answer.ok) {
      const values = valuesOf(answer.value, span);
      if (!values) return void cluster.fail(`I7: ${who} reads bytes of volume ${span.volume} at ${span.lba} that nobody wrote there`);
      call.answered(cluster.time.nowMs(), values);
    }
    ended(answer);
  });
}

export function whole({ volume, lba, count }: Slot): Span {
  return { volume, lba, count };
}
/** A part of it, in multiples of `unit` sectors. */
function part(chance: Chance, { volume, lba, count }: Slot, unit: number): Span {
  const units = count / unit;
  const from = chance.below(units);
  return { volume, lba: lba + from * unit, count: (1 + chance.below(units - from)) * unit };
}
