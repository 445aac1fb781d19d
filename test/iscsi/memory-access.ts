import type { Access, Host, Portal } from "../../src/iscsi/access.ts";
import type { LogicalUnit } from "../../src/scsi/unit.ts";
import type { Volume } from "../../src/volume/volume.ts";

export const TARGET = "iqn.2026-01.com.example:virtustor";

/** Hosts, LUNs and portals that a test sets. */
export class MemoryAccess implements Access {
  readonly targetName = TARGET;
  readonly hosts = new Map<string, Host>();
  readonly maps = new Map<string, Map<number, LogicalUnit>>();
  portalList: Portal[] = [];
  readonly #listeners = new Set<() => void>();

  portals(): readonly Portal[] {
    return this.portalList;
  }

  host(initiatorName: string): Host | null {
    return this.hosts.get(initiatorName.toLowerCase()) ?? null;
  }

  luns(hostName: string): ReadonlyMap<number, LogicalUnit> {
    return new Map(this.maps.get(hostName));
  }

  /** What a login waits for. */
  caughtUp: Promise<void> = Promise.resolve();
  latest(): Promise<void> {
    return this.caughtUp;
  }

  onChange(run: () => void): () => void {
    this.#listeners.add(run);
    return () => this.#listeners.delete(run);
  }

  changed(): void {
    for (const run of this.#listeners) run();
  }

  /** Enters a host with one initiator name. */
  add(host: Host, initiatorName: string, units: readonly (readonly [number, LogicalUnit])[]): void {
    this.hosts.set(initiatorName, host);
    this.maps.set(host.name, new Map(units));
  }
}

export function unit(volume: Volume, readOnly = false): LogicalUnit {
  const number = volume.id.toString(16).padStart(12, "0");
  return { volume, name: `volume ${volume.id}`, naa: `6000000000000000000${number}0`.padEnd(32, "0").slice(0, 32), serial: `VS${number}`, readOnly };
}
