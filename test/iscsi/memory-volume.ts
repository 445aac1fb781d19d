import type { Arrival } from "../../src/base/arrival.ts";
import type { VolumeId } from "../../src/base/ids.ts";
import type { Volume, VolumeError, VolumeResult } from "../../src/volume/volume.ts";

const SECTOR = 512;
type Kind = "read" | "write" | "unmap" | "compare-and-write";

/** A volume in one buffer, with switches to hold commands back and to fail them. */
export class MemoryVolume implements Volume {
  readonly id: VolumeId;
  #bytes: Buffer;
  /** Every command fails with this while it is set. */
  failure: VolumeError | null = null;
  readonly calls: { kind: Kind; lba: number; count: number; arrival?: Arrival | undefined }[] = [];
  #gate: Promise<void> | null = null;
  #open: (() => void) | null = null;

  constructor(id: number, sizeLbas: number) {
    this.id = id as VolumeId;
    this.#bytes = Buffer.alloc(sizeLbas * SECTOR);
  }

  get sizeLbas(): number {
    return this.#bytes.length / SECTOR;
  }

  grow(sizeLbas: number): void {
    this.#bytes = Buffer.concat([this.#bytes], sizeLbas * SECTOR);
  }

  /** Commands that come from now on wait until `release`. */
  hold(): void {
    this.#gate = new Promise((resolve) => (this.#open = resolve));
  }

  release(): void {
    this.#gate = null;
    this.#open?.();
  }

  peek(lba: number, count: number): Buffer {
    return Buffer.from(this.#bytes.subarray(lba * SECTOR, (lba + count) * SECTOR));
  }

  async read(lba: number, lbaCount: number): Promise<VolumeResult<Buffer>> {
    return (await this.#begin("read", lba, lbaCount)) ?? { ok: true, value: this.peek(lba, lbaCount) };
  }

  async write(lba: number, data: Buffer, arrival?: Arrival): Promise<VolumeResult<null>> {
    if (data.length % SECTOR !== 0) throw new Error("a write of whole blocks only");
    const failed = await this.#begin("write", lba, data.length / SECTOR, arrival);
    if (failed !== null) return failed;
    data.copy(this.#bytes, lba * SECTOR);
    return { ok: true, value: null };
  }

  async unmap(lba: number, lbaCount: number): Promise<VolumeResult<null>> {
    const failed = await this.#begin("unmap", lba, lbaCount);
    if (failed !== null) return failed;
    this.#bytes.fill(0, lba * SECTOR, (lba + lbaCount) * SECTOR);
    return { ok: true, value: null };
  }

  async compareAndWrite(lba: number, expected: Buffer, data: Buffer): Promise<VolumeResult<number | null>> {
    const failed = await this.#begin("compare-and-write", lba, data.length / SECTOR);
    if (failed !== null) return failed;
    const found = this.peek(lba, data.length / SECTOR);
    const offset = found.findIndex((byte, at) => byte !== expected[at]);
    if (offset >= 0) return { ok: true, value: offset };
    data.copy(this.#bytes, lba * SECTOR);
    return { ok: true, value: null };
  }

  async #begin(kind: Kind, lba: number, count: number, arrival?: Arrival): Promise<{ ok: false; error: VolumeError } | null> {
    if (lba < 0 || count < 1 || lba + count > this.sizeLbas) throw new Error(`${kind} ${lba}+${count} beyond the volume`);
    if (this.calls.length < 10_000) this.calls.push({ kind, lba, count, arrival });
    if (this.#gate !== null) await this.#gate;
    return this.failure === null ? null : { ok: false, error: this.failure };
  }
}
