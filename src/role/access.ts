import { assert } from "../base/assert.ts";
import type { VolumeId } from "../base/ids.ts";
import type { ClusterMap } from "../cluster/map.ts";
import type { Access, Host, Portal } from "../iscsi/access.ts";
import type { Crypto } from "../platform/platform.ts";
import { SECRET_OF } from "../platform/seal.ts";
import type { LogicalUnit, UnitMap } from "../scsi/unit.ts";
import type { Volume } from "../volume/volume.ts";

/**
 * NAA type 6 (SPC-4 7.8.6.6): 6, then a 24-bit company id, then 100 bits that the company gives. The company id here has the
 * "locally administered" bit of an address's first octet set, so it is nobody's; the 100 bits are a hash.
 */
const NAA_PREFIX = "6025653";
const NAA_HASH_DIGITS = 25;
/** Enough of the hash that no two volumes of a data centre share a serial number. */
const SERIAL_DIGITS = 20;

const NOTHING: UnitMap = new Map();

/** Opens a secret of the store; one that does not open becomes another that nobody knows: it must let nobody in. */
type OpenSecret = (sealed: string, about: string) => string;

/** Who may see what, from the cluster map. The caller says what has changed. */
export class MapAccess implements Access {
  readonly #map: ClusterMap;
  readonly #crypto: Crypto;
  readonly #volume: (id: VolumeId) => Volume | null;
  readonly #open: OpenSecret;
  readonly latest: () => Promise<void>;
  readonly #listeners = new Set<() => void>();
  /** Made from the map when first asked for after a change. */
  #hosts: Map<string, Host> | null = null;
  #units: Map<string, Map<number, LogicalUnit>> | null = null;
  #portals: Portal[] | null = null;

  /** `volume` gives the object to serve; null for an id that the map does not have. `latest` waits for the map to catch up with the store. */
  constructor(map: ClusterMap, crypto: Crypto, volume: (id: VolumeId) => Volume | null, latest: () => Promise<void>, open: OpenSecret) {
    this.#map = map;
    this.#open = open;
    this.#crypto = crypto;
    this.#volume = volume;
    this.latest = latest;
  }

  get targetName(): string {
    return this.#cluster().targetName;
  }

  portals(): readonly Portal[] {
    this.#portals ??= [...this.#map.servers.values()]
      .map((server) => ({ address: server.address, port: server.portalPort, groupTag: server.portalGroupTag }))
      .sort((a, b) => a.groupTag - b.groupTag);
    return this.#portals;
  }

  /** Initiator names are compared without regard to case (RFC 7143 4.2.7 has them normalized to lower case). */
  host(initiatorName: string): Host | null {
    return (this.#hosts ??= this.#readHosts()).get(initiatorName.toLowerCase()) ?? null;
  }

  luns(hostName: string): UnitMap {
    return (this.#units ??= this.#readUnits()).get(hostName) ?? NOTHING;
  }

  onChange(run: () => void): () => void {
    this.#listeners.add(run);
    return () => this.#listeners.delete(run);
  }

  /** Keys of the map that were added, changed or removed. */
  mapChanged(keys: readonly string[]): void {
    let changed = false;
    for (const key of keys) {
      const kind = key.slice(0, Math.max(key.indexOf("/"), 0)) || key;
      if (kind === "host") this.#hosts = null;
      else if (kind === "mapping" || kind === "volume") this.#units = null;
      else if (kind === "server") this.#portals = null;
      else if (kind === "cluster") this.#units = null;
      else continue;
      changed = true;
    }
    if (!changed) return;
    for (const run of [...this.#listeners]) run();
  }

  #readHosts(): Map<string, Host> {
    const hosts = new Map<string, Host>();
    for (const record of this.#map.hosts.values()) {
      const host: Host = { name: record.name, chap: record.chap && { user: record.chap.user, secret: this.#open(record.chap.secret, SECRET_OF.chap(record.name)) } };
      for (const iqn of record.iqns) hosts.set(iqn.toLowerCase(), host);
    }
    return hosts;
  }

  #readUnits(): Map<string, Map<number, LogicalUnit>> {
    const units = new Map<string, Map<number, LogicalUnit>>();
    for (const mapping of this.#map.mappings.values()) {
      const record = this.#map.volumes.get(mapping.volume);
      const volume = this.#volume(mapping.volume);
      if (!record || !volume) continue;
      let ofHost = units.get(mapping.host);
      if (!ofHost) units.set(mapping.host, (ofHost = new Map()));
      ofHost.set(mapping.lun, { volume, name: record.name, readOnly: mapping.readOnly, ...this.#identity(record.id) });
    }
    return units;
  }

  /** From the cluster's and the volume's id alone: every portal of every server says the same. */
  #identity(id: VolumeId): { naa: string; serial: string } {
    const hash = Buffer.from(this.#crypto.sha256(Buffer.from(`${this.#cluster().id}/${id}`, "utf8"))).toString("hex");
    return { naa: NAA_PREFIX + hash.slice(0, NAA_HASH_DIGITS), serial: hash.slice(0, SERIAL_DIGITS) };
  }

  #cluster(): { id: string; targetName: string } {
    assert(this.#map.cluster, "access is asked only when the cluster's record is known");
    return this.#map.cluster;
  }
}
