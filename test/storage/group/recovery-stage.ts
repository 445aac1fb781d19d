import { KEEPING, type Keeping } from "../../../src/storage/drive/image.ts";
import { Repair } from "../../../src/storage/group/repair.ts";
import type { Message } from "../../../src/wire/messages.ts";
import type { Chance } from "../../simulator/chance.ts";
import type { Place } from "../../simulator/gateway.ts";
import type { Stage } from "./stage.ts";

/** Logs of four entries and no map of changes: every absence needs manifests. */
export const FORGETS_ALL: Keeping = { entries: 4, changes: 0, settledMs: 100 };
/** Logs of four entries: every absence of more needs the map of changes. */
export const FORGETS_LOG: Keeping = { entries: 4, changes: 10_000, settledMs: 100 };
export { KEEPING };

export function keep(stage: Stage, keeping: Keeping): void {
  for (const host of stage.cluster.hosts.values()) host.medium.tuning.keeping = keeping;
}

const { forLearner } = Repair.prototype;
/** From now on no block with this number can be had for a learner, as when a member that may have it does not answer; until `giveAll`. */
export function withhold(block: number): void {
  Repair.prototype.forLearner = function (range) {
    return range.first <= block && block < range.first + range.count ? Promise.resolve(null) : forLearner.call(this, range);
  };
}
/** To be called after each test of a file that withholds. */
export function giveAll(): void {
  Repair.prototype.forLearner = forLearner;
}

/** Bytes of copied blocks that arrive from now on. */
export function countCopied(stage: Stage): () => number {
  let bytes = 0;
  whenDelivered(stage, (message) => {
    if (message.type === "copy") bytes += message.data.length;
    return false;
  });
  return () => bytes;
}

/** Calls `seen` for each message that is about to be taken in, until it returns true. */
export function whenDelivered(stage: Stage, seen: (message: Message, from: string, to: string) => boolean): void {
  const { delivered } = stage.cluster.network;
  let done = false;
  stage.cluster.network.delivered = (from, to, message) => {
    if (!done) done = seen(message, stage.cluster.nameOf(from.id), stage.cluster.nameOf(to));
    delivered(from, to, message);
  };
}

/** Writes of one block, and now and then an unmap, at random places, some at a time; one place at a time each. */
export class Load {
  readonly #stage: Stage;
  readonly #chance: Chance;
  readonly #extents: number;
  readonly #busy = new Set<string>();
  readonly written = new Set<string>();
  #stopped = true;
  #open = 0;

  constructor(stage: Stage, chance: Chance, extents: number) {
    this.#stage = stage;
    this.#chance = chance;
    this.#extents = extents;
  }
  start(atOnce = 3): void {
    this.#stopped = false;
    for (let i = 0; i < atOnce; i += 1) this.#next();
  }
  stop(): void {
    this.#stopped = true;
    this.#stage.until(() => this.#open === 0);
  }
  #next(): void {
    if (this.#stopped) return;
    const [block, extent] = [this.#chance.below(1024), this.#chance.below(this.#extents)];
    const name = `${extent}.${block}`;
    if (this.#busy.has(name)) return this.#next();
    this.#busy.add(name);
    this.written.add(name);
    this.#open += 1;
    const ended = (): void => {
      this.#open -= 1;
      this.#busy.delete(name);
      this.#stage.gateway.process.timer(this.#chance.between(0, 4), () => this.#next());
    };
    const place = this.#stage.place(block, 1, extent);
    if (this.#chance.happens(0.1)) this.#stage.gateway.unmap(place, ended);
    else this.#stage.gateway.write(place, ended);
  }
  places(): Place[] {
    return [...this.written].map((name) => {
      const [extent = 0, block = 0] = name.split(".").map(Number);
      return this.#stage.place(block, 1, extent);
    });
  }
}
