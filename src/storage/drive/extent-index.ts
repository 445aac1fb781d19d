import type { ExtentIndex, VolumeId } from "../../base/ids.ts";
import type { ExtentKey } from "../../wire/entry.ts";

/** The number of allocated blocks is not known yet. */
export const UNKNOWN = 0xffff;
const SLOTS_MIN = 8;

/**
 * Extents of one layer of one volume: open addressing over typed arrays, 6 bytes a slot and between a quarter and three quarters
 * of the slots used, so 8 to 24 bytes an extent. Slot content is extent + 1; 0 is free.
 */
class LayerExtents {
  slots = new Uint32Array(SLOTS_MIN);
  counts = new Uint16Array(SLOTS_MIN);
  size = 0;

  find(extent: number): number {
    const mask = this.slots.length - 1;
    for (let slot = spread(extent) & mask; ; slot = (slot + 1) & mask) {
      const content = this.slots[slot] as number;
      if (content === extent + 1 || content === 0) return slot;
    }
  }
  put(extent: number, count: number): void {
    if ((this.size + 1) * 4 > this.slots.length * 3) this.#resize(this.slots.length * 2);
    const slot = this.find(extent);
    if (this.slots[slot] === 0) this.size += 1;
    this.slots[slot] = extent + 1;
    this.counts[slot] = count;
  }
  delete(extent: number): void {
    const mask = this.slots.length - 1;
    let hole = this.find(extent);
    if (this.slots[hole] === 0) return;
    this.size -= 1;
    // Moves back whatever could no longer be found behind the hole.
    for (let slot = (hole + 1) & mask; this.slots[slot] !== 0; slot = (slot + 1) & mask) {
      const home = spread((this.slots[slot] as number) - 1) & mask;
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      this.slots[hole] = this.slots[slot] as number;
      this.counts[hole] = this.counts[slot] as number;
      hole = slot;
    }
    this.slots[hole] = 0;
    if (this.slots.length > SLOTS_MIN && this.size * 8 < this.slots.length) this.#resize(this.slots.length / 2);
  }
  #resize(slots: number): void {
    const { slots: old, counts } = this;
    this.slots = new Uint32Array(slots);
    this.counts = new Uint16Array(slots);
    for (let i = 0; i < old.length; i += 1) {
      if (old[i] === 0) continue;
      const slot = this.find((old[i] as number) - 1);
      this.slots[slot] = old[i] as number;
      this.counts[slot] = counts[i] as number;
    }
  }
}

function spread(extent: number): number {
  const h = Math.imul(extent ^ (extent >>> 16), 0x85ebca6b);
  return (h ^ (h >>> 13)) >>> 0;
}

interface Layer {
  readonly volume: VolumeId;
  readonly lineage: VolumeId;
  readonly layer: number;
  readonly extents: LayerExtents;
}

/** Which extents a drive holds, and how many blocks of each are allocated. */
export class ExtentIndexTable {
  readonly #layers = new Map<string, Layer>();
  /** Extents in all. */
  size = 0;

  has(key: ExtentKey): boolean {
    const extents = this.#layers.get(layerName(key))?.extents;
    return extents !== undefined && extents.slots[extents.find(key.extent)] !== 0;
  }
  /** Allocated blocks, `UNKNOWN`, or null when there is no such extent. */
  count(key: ExtentKey): number | null {
    const extents = this.#layers.get(layerName(key))?.extents;
    if (!extents) return null;
    const slot = extents.find(key.extent);
    return extents.slots[slot] === 0 ? null : (extents.counts[slot] as number);
  }
  set(key: ExtentKey, count: number): void {
    const name = layerName(key);
    let layer = this.#layers.get(name);
    if (!layer) {
      layer = { volume: key.volume, lineage: key.lineage, layer: key.layer, extents: new LayerExtents() };
      this.#layers.set(name, layer);
    }
    const before = layer.extents.size;
    layer.extents.put(key.extent, count);
    this.size += layer.extents.size - before;
  }
  delete(key: ExtentKey): void {
    const name = layerName(key);
    const layer = this.#layers.get(name);
    if (!layer) return;
    const before = layer.extents.size;
    layer.extents.delete(key.extent);
    this.size += layer.extents.size - before;
    if (layer.extents.size === 0) this.#layers.delete(name);
  }
  /** Allocated blocks of all extents; null while some are not known. */
  total(): number | null {
    let total = 0;
    for (const { extents } of this.#layers.values()) {
      for (let slot = 0; slot < extents.slots.length; slot += 1) {
        if (extents.slots[slot] === 0) continue;
        if (extents.counts[slot] === UNKNOWN) return null;
        total += extents.counts[slot] as number;
      }
    }
    return total;
  }
  /** All keys, or those of one volume. */
  keys(volume: VolumeId | null = null): ExtentKey[] {
    const keys: ExtentKey[] = [];
    for (const { volume: owner, lineage, layer, extents } of this.#layers.values()) {
      if (volume !== null && owner !== volume) continue;
      for (const content of extents.slots) {
        if (content !== 0) keys.push({ volume: owner, lineage, layer, extent: (content - 1) as ExtentIndex });
      }
    }
    return keys;
  }
}

function layerName(key: ExtentKey): string {
  return `${key.volume}-${key.lineage}-${key.layer}`;
}
