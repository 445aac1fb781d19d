import type { Arrival } from "../base/arrival.ts";
import { assert } from "../base/assert.ts";
import { SECTOR_BYTES, SECTORS_PER_EXTENT } from "../base/geometry.ts";
import type { VolumeId } from "../base/ids.ts";
import type { ClusterMap } from "../cluster/map.ts";
import type { Answer, CommandKind } from "./command.ts";
import type { Volume, VolumeResult } from "./volume.ts";
import { COMPARE_SECTORS_MAX } from "../wire/messages.ts";

const DONE = Promise.resolve<VolumeResult<null>>({ ok: true, value: null });

/** What a volume needs of its gateway. */
interface Starter {
  start(kind: CommandKind, id: VolumeId, lba: number, lbaCount: number, data: Buffer | null, arrival: Arrival | null): Promise<VolumeResult<Answer>>;
}

/** A volume whose blocks are on the cluster's drives. */
export class RemoteVolume implements Volume {
  readonly id: VolumeId;
  readonly #gateway: Starter;
  readonly #map: ClusterMap;
  #sizeLbas = 0;

  constructor(gateway: Starter, map: ClusterMap, id: VolumeId) {
    this.#gateway = gateway;
    this.#map = map;
    this.id = id;
  }

  get sizeLbas(): number {
    const record = this.#map.volumes.get(this.id);
    // A volume deleted while in use keeps its last size; its commands answer "deleted".
    if (record) this.#sizeLbas = Math.floor(record.sizeBytes / SECTOR_BYTES);
    return this.#sizeLbas;
  }

  read(lba: number, lbaCount: number): Promise<VolumeResult<Buffer>> {
    this.#check(lba, lbaCount);
    if (lbaCount === 0) return Promise.resolve({ ok: true, value: Buffer.alloc(0) });
    return this.#gateway.start("read", this.id, lba, lbaCount, null, null) as Promise<VolumeResult<Buffer>>;
  }

  write(lba: number, data: Buffer, arrival?: Arrival): Promise<VolumeResult<null>> {
    assert(data.length % SECTOR_BYTES === 0, "a write is whole 512-byte blocks");
    this.#check(lba, data.length / SECTOR_BYTES);
    if (data.length === 0) return DONE;
    return this.#gateway.start("write", this.id, lba, data.length / SECTOR_BYTES, data, arrival ?? null) as Promise<VolumeResult<null>>;
  }

  unmap(lba: number, lbaCount: number, arrival?: Arrival): Promise<VolumeResult<null>> {
    this.#check(lba, lbaCount);
    if (lbaCount === 0) return DONE;
    return this.#gateway.start("unmap", this.id, lba, lbaCount, null, arrival ?? null) as Promise<VolumeResult<null>>;
  }

  compareAndWrite(lba: number, expected: Buffer, data: Buffer, arrival?: Arrival): Promise<VolumeResult<number | null>> {
    const count = data.length / SECTOR_BYTES;
    assert(expected.length === data.length && Number.isInteger(count), "what is compared and what is written are as many 512-byte blocks");
    assert(count <= COMPARE_SECTORS_MAX && (lba % SECTORS_PER_EXTENT) + count <= SECTORS_PER_EXTENT, "one primary decides all of a compare and write");
    this.#check(lba, count);
    if (count === 0) return DONE;
    return this.#gateway.start("compare-and-write", this.id, lba, count, Buffer.concat([expected, data]), arrival ?? null) as Promise<VolumeResult<number | null>>;
  }

  /** The caller has checked the range against the size it saw; a volume may have been made smaller since. */
  #check(lba: number, lbaCount: number): void {
    assert(Number.isSafeInteger(lba) && lba >= 0 && Number.isSafeInteger(lbaCount) && lbaCount >= 0, "a range of a volume is not negative");
  }
}
