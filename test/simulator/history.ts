/** What one sector (512 bytes) held over time; its writes come from one writer, one after the other. */
interface Version {
  /** 0: zeros, as never written or unmapped. */
  readonly value: number;
  readonly fromMs: number;
  ackedMs: number;
}

/**
 * Linearizability of registers with one writer each: a read returns the last acknowledged value or one in doubt, and what a read
 * has returned, no later read undoes.
 */
export class History {
  readonly #sectors = new Map<string, { versions: Version[]; seen: { atMs: number; index: number }[] }>();
  reads = 0;

  /** A write of the sector leaves its writer; call the result when it is acknowledged. */
  write(sector: string, value: number, atMs: number): (ackedMs: number) => void {
    const version: Version = { value, fromMs: atMs, ackedMs: Infinity };
    this.#sector(sector).versions.push(version);
    return (ackedMs) => {
      version.ackedMs = ackedMs;
    };
  }

  /** Null, or what is wrong with a read between the two instants that returned `value`. */
  read(sector: string, value: number, fromMs: number, toMs: number): string | null {
    this.reads += 1;
    const { versions, seen } = this.#sector(sector);
    // Both lists are in the order of time: what matters is near the end.
    let acked = versions.length - 1;
    while (acked > 0 && !((versions[acked] as Version).ackedMs < fromMs)) acked -= 1;
    let at = seen.length - 1;
    while (at >= 0 && !((seen[at] as { atMs: number }).atMs < fromMs)) at -= 1;
    const oldest = Math.max(acked, seen[at]?.index ?? 0);
    let index = oldest;
    while (index < versions.length && !(versions[index]?.value === value && (versions[index] as Version).fromMs <= toMs)) index += 1;
    if (index < versions.length) {
      const last = seen.at(-1);
      if (!last || last.index < index) seen.push({ atMs: toMs, index });
      return null;
    }
    const shown = versions.slice(-6).map((version) => `${version.value} (${version.fromMs.toFixed(1)}..${version.ackedMs.toFixed(1)})`);
    return `I9: sector ${sector} read as ${value} between ${fromMs.toFixed(1)} and ${toMs.toFixed(1)}; acknowledged before: ${versions[acked]?.value}, read before: ${versions[oldest]?.value}; last versions ${shown.join(", ")}`;
  }

  #sector(name: string): { versions: Version[]; seen: { atMs: number; index: number }[] } {
    let sector = this.#sectors.get(name);
    if (!sector) this.#sectors.set(name, (sector = { versions: [{ value: 0, fromMs: -1, ackedMs: -1 }], seen: [] }));
    return sector;
  }
}
