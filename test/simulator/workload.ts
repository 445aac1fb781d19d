import { BLOCKS_PER_EXTENT, SECTORS_PER_BLOCK } from "../../src/base/geometry.ts";
import type { CommandResult } from "../../src/wire/messages.ts";
import type { Chance } from "./chance.ts";
import type { SimulatedGateway, Place } from "./gateway.ts";

/** Blocks with one writer: no two slots of a workload overlap. */
export interface Slot {
  readonly volume: number;
  readonly extent: number;
  readonly firstBlock: number;
  readonly blocks: number;
}

/** Slots near each other, so that they share chunks and extents, and some far apart. */
export function slots(chance: Chance, volumes: readonly number[], extents: number, count: number): Slot[] {
  const taken = new Set<string>();
  const made: Slot[] = [];
  while (made.length < count) {
    const slot: Slot = {
      volume: chance.pick(volumes),
      extent: chance.below(extents),
      firstBlock: chance.happens(0.7) ? chance.below(40) : chance.below(BLOCKS_PER_EXTENT - 8),
      blocks: 1 + chance.below(chance.happens(0.1) ? 24 : 3),
    };
    const names = Array.from({ length: slot.blocks }, (_, i) => `${slot.volume}.${slot.extent}.${slot.firstBlock + i}`);
    if (slot.firstBlock + slot.blocks > BLOCKS_PER_EXTENT || names.some((name) => taken.has(name))) continue;
    for (const name of names) taken.add(name);
    made.push(slot);
  }
  return made;
}

export function whole({ volume, extent, firstBlock, blocks }: Slot): Place {
  return { volume, extent, sector: firstBlock * SECTORS_PER_BLOCK, sectors: blocks * SECTORS_PER_BLOCK };
}

/** Writes, partial writes, unmaps and reads, one at a time for each slot, for as long as it is not stopped. */
export class Workload {
  readonly #chance: Chance;
  readonly #slots: readonly { readonly slot: Slot; readonly writer: SimulatedGateway }[];
  readonly #gateways: readonly SimulatedGateway[];
  #stopped = false;
  /** Commands that are not answered yet. */
  running = 0;
  #pauseMs: number;
  done = 0;
  /** Answers other than done. */
  readonly refused = new Set<CommandResult>();

  constructor(chance: Chance, gateways: readonly SimulatedGateway[], all: readonly Slot[], pauseMs: number) {
    this.#chance = chance;
    this.#gateways = gateways;
    this.#slots = all.map((slot) => ({ slot, writer: chance.pick(gateways) }));
    this.#pauseMs = pauseMs;
  }
  start(): void {
    for (const { slot, writer } of this.#slots) {
      this.#write(slot, writer);
      this.#read(slot);
    }
  }
  stop(): void {
    this.#stopped = true;
  }
  /** Reads every slot through every gateway; `done` when all have answered. */
  readAll(done: () => void): void {
    let left = this.#slots.length * this.#gateways.length;
    for (const { slot } of this.#slots)
      for (const gateway of this.#gateways)
        gateway.read(whole(slot), () => {
          left -= 1;
          if (left === 0) done();
        });
  }

  #ended(result: CommandResult): void {
    this.running -= 1;
    this.done += 1;
    // R24: a lone survivor takes no writes; what came of an earlier try is not known.
    if (result !== "done" && result !== "read-only") this.refused.add(result);
  }
  #later(gateway: SimulatedGateway, run: () => void): void {
    const chance = this.#chance;
    gateway.process.timer(chance.happens(0.2) ? 0 : chance.between(0, this.#pauseMs * 2), () => this.#stopped || run());
  }
  #write(slot: Slot, gateway: SimulatedGateway): void {
    const chance = this.#chance;
    const again = (result: CommandResult): void => {
      this.#ended(result);
      this.#later(gateway, () => this.#write(slot, gateway));
    };
    const place = whole(slot);
    const kind = chance.float();
    this.running += 1;
    if (kind < 0.08) return gateway.unmap(place, again);
    if (kind < 0.35) {
      const from = chance.below(place.sectors);
      gateway.write({ ...place, sector: place.sector + from, sectors: 1 + chance.below(place.sectors - from) }, again);
    } else gateway.write(place, again);
  }
  #read(slot: Slot): void {
    const gateway = this.#chance.pick(this.#gateways);
    this.#later(gateway, () => {
      this.running += 1;
      gateway.read(whole(slot), (_values, result) => {
        this.#ended(result);
        this.#read(slot);
      });
    });
  }
}
