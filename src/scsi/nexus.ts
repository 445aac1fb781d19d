import { CAPACITY_CHANGED, type Sense } from "./sense.ts";
import type { TargetPort, UnitMap } from "./unit.ts";

/** More would tell the host nothing new: it rescans at the first. */
const ATTENTIONS_PER_UNIT_MAX = 8;

/** What the device server keeps for one initiator port on one target port (an I_T nexus, SAM-5 4.7). */
export class Nexus {
  readonly port: TargetPort;
  #units: UnitMap;
  /** Unit attentions that wait, oldest first, by LUN. */
  readonly #attentions = new Map<number, Sense[]>();
  /** The size that the host has last been told or could have read, by LUN. */
  readonly #sizes = new Map<number, number>();

  constructor(port: TargetPort, units: UnitMap) {
    this.port = port;
    this.#units = units;
    for (const [lun, unit] of units) this.#sizes.set(lun, unit.volume.sizeLbas);
  }

  get units(): UnitMap {
    return this.#units;
  }

  /** Takes a new map. True when a LUN came, went or is now another volume: the caller raises REPORTED LUNS CHANGED. */
  remap(units: UnitMap): boolean {
    const before = this.#units;
    let changed = before.size !== units.size;
    for (const [lun, unit] of units) {
      if (before.get(lun)?.naa === unit.naa) continue;
      changed = true;
      this.#sizes.set(lun, unit.volume.sizeLbas);
      this.#attentions.delete(lun);
    }
    for (const lun of before.keys()) {
      if (units.has(lun)) continue;
      this.#sizes.delete(lun);
      this.#attentions.delete(lun);
    }
    this.#units = units;
    return changed;
  }

  /** Raises a unit attention on one LUN; one that already waits is not repeated. */
  attend(lun: number, sense: Sense): void {
    let waiting = this.#attentions.get(lun);
    if (waiting === undefined) this.#attentions.set(lun, (waiting = []));
    if (waiting.length < ATTENTIONS_PER_UNIT_MAX && !waiting.includes(sense)) waiting.push(sense);
  }

  attendAll(sense: Sense): void {
    for (const lun of this.#units.keys()) this.attend(lun, sense);
  }

  /** Takes a unit attention back on every LUN: the host has learnt of its cause in another way. */
  dismiss(sense: Sense): void {
    for (const [lun, waiting] of this.#attentions) {
      const at = waiting.indexOf(sense);
      if (at >= 0) waiting.splice(at, 1);
      if (waiting.length === 0) this.#attentions.delete(lun);
    }
  }

  /** The next unit attention of `lun`, which is thereby reported; null when none waits. */
  takeAttention(lun: number): Sense | null {
    const unit = this.#units.get(lun);
    if (unit !== undefined && this.#sizes.get(lun) !== unit.volume.sizeLbas) {
      this.#sizes.set(lun, unit.volume.sizeLbas);
      this.attend(lun, CAPACITY_CHANGED);
    }
    if (this.#attentions.size === 0) return null;
    const waiting = this.#attentions.get(lun);
    const next = waiting?.shift() ?? null;
    if (waiting?.length === 0) this.#attentions.delete(lun);
    return next;
  }
}
