import type { Instance } from "../../src/base/ids.ts";
import type { ClusterMap } from "../../src/cluster/map.ts";
import { keys } from "../../src/cluster/schema.ts";
import { Gateway } from "../../src/volume/gateway.ts";
import type { Volume } from "../../src/volume/volume.ts";
import { FakeClock, fakePlatform } from "./fake-platform.ts";
import { DRIVES, FakeContent, FakeDialer, FakeDrive, fakeMap, GROUPS, put, setPrimary, VOLUME } from "./fake-storage.ts";

/** A gateway over three fake drives. */
export class World {
  readonly clock = new FakeClock();
  readonly platform = fakePlatform(this.clock);
  readonly content = new FakeContent();
  readonly drives = DRIVES.map((id) => new FakeDrive(id, 1, this.content, () => this.clock.nowMs()));
  readonly dialer = new FakeDialer(this.clock);
  readonly map: ClusterMap;
  readonly gateway: Gateway;
  readonly volume: Volume;
  #epoch = 1;

  constructor() {
    this.drives.forEach((drive, i) => {
      this.dialer.ports.set(7000 + i, drive);
      drive.isPrimary = (group) => this.map.groups.get(group)?.config.primary === drive.id;
    });
    this.map = fakeMap(this.drives, [7000, 7001, 7002]);
    this.gateway = new Gateway(this.platform, this.map, this.dialer, 77 as Instance);
    this.volume = this.gateway.volume(VOLUME) as Volume;
  }

  drive(index: number): FakeDrive {
    return this.drives[index] as FakeDrive;
  }
  /** All groups have this primary from now on, and the gateway hears of it. */
  elect(index: number): void {
    this.#epoch += 1;
    const changed: string[] = [];
    for (let i = 0; i < GROUPS; i += 1) changed.push(setPrimary(this.map, i, this.drive(index), this.#epoch));
    this.gateway.mapChanged(changed);
  }
  /** The drive's process is a new one; it has registered itself and the gateway hears of it. */
  restart(index: number): void {
    const drive = this.drive(index);
    drive.dropChannels();
    drive.instance = (drive.instance + 1) as Instance;
    this.register(index, 7000 + index);
  }
  register(index: number, port: number): void {
    const drive = this.drive(index);
    this.gateway.mapChanged([put(this.map, keys.drive(drive.id), { id: drive.id, server: `s${index}`, address: "127.0.0.1", port, instance: drive.instance, capacityBytes: 1 })]);
  }
  /** Every operation carried out, and none twice. */
  executedOnce(): boolean {
    return [...this.content.executions.values()].every((count) => count === 1);
  }
}

export function pattern(bytes: number, seed: number): Buffer {
  const data = Buffer.allocUnsafe(bytes);
  for (let i = 0; i < bytes; i += 4) data.writeUInt32LE(Math.imul(i + 1, 2654435761 + seed * 2) >>> 0, i);
  return data;
}
