import { BLOCK_BYTES, BLOCKS_PER_EXTENT, SECTOR_BYTES, SECTORS_PER_BLOCK } from "../../src/base/geometry.ts";
import type { DriveId, Epoch, GroupId, Instance, VolumeId } from "../../src/base/ids.ts";
import { ClusterMap } from "../../src/cluster/map.ts";
import { groupId, keys } from "../../src/cluster/schema.ts";
import { blockChecksum } from "../../src/platform/checksum.ts";
import type { Dialer } from "../../src/wire/dialer.ts";
import type { Change, Channel, ChannelEvents, CommandResult, Message, Peer, Read, Unmap, Write } from "../../src/wire/messages.ts";
import type { FakeClock } from "./fake-platform.ts";

export type Command = Read | Change;
export const GROUPS = 4;
export const DRIVES = ["00000000000000d0", "00000000000000d1", "00000000000000d2"] as DriveId[];

/** The content of all copies, as replication would keep it, with what each operation did. */
export class FakeContent {
  readonly #blocks = new Map<string, Buffer>();
  readonly #results = new Map<string, CommandResult>();
  /** How often each operation was carried out. */
  readonly executions = new Map<string, number>();

  read({ range }: Read): { checksums: Uint32Array; data: Buffer } {
    const checksums = new Uint32Array(range.count);
    const data = Buffer.alloc(range.count * BLOCK_BYTES);
    for (let i = 0; i < range.count; i += 1) {
      const block = this.#blocks.get(`${range.volume}/${range.extent}/${range.first + i}`);
      if (!block) continue;
      checksums[i] = blockChecksum(block, range.lineage, range.extent * BLOCKS_PER_EXTENT + range.first + i);
      block.copy(data, i * BLOCK_BYTES);
    }
    return { checksums, data: checksums.some((sum) => sum !== 0) ? data : Buffer.alloc(0) };
  }

  /** R16: a known operation is answered, not carried out again; results below oldestOpen are forgotten. */
  modify(message: Change): CommandResult {
    const prefix = `${message.gateway}:`;
    if (message.oldestOpen > message.operation) throw new Error("oldestOpen is above the operation itself");
    for (const key of [...this.#results.keys()]) if (key.startsWith(prefix) && Number(key.slice(prefix.length)) < message.oldestOpen) this.#results.delete(key);
    const key = prefix + message.operation;
    const known = this.#results.get(key);
    if (known) return known;
    if (message.type === "compare-and-write") throw new Error("this fake does not compare");
    if (message.type === "write" && !this.#write(message)) return "corrupt-frame";
    if (message.type === "unmap") {
      const { volume, extent, first, count } = message.range;
      for (let i = 0; i < count; i += 1) this.#blocks.delete(`${volume}/${extent}/${first + i}`);
    }
    this.executions.set(key, (this.executions.get(key) ?? 0) + 1);
    this.#results.set(key, "done");
    return "done";
  }

  #write({ key, firstSector, checksums, data }: Write): boolean {
    const first = Math.floor(firstSector / SECTORS_PER_BLOCK);
    let skip = (firstSector % SECTORS_PER_BLOCK) * SECTOR_BYTES;
    let from = 0;
    const changed: [string, Buffer][] = [];
    for (let i = 0; i < checksums.length; i += 1) {
      const to = Math.min(from + BLOCK_BYTES - skip, data.length);
      if (blockChecksum(data.subarray(from, to), key.lineage, key.extent * BLOCKS_PER_EXTENT + first + i) !== checksums[i]) return false;
      const name = `${key.volume}/${key.extent}/${first + i}`;
      const block = Buffer.from(this.#blocks.get(name) ?? Buffer.alloc(BLOCK_BYTES));
      data.copy(block, skip, from, to);
      changed.push([name, block]);
      from = to;
      skip = 0;
    }
    for (const [name, block] of changed) this.#blocks.set(name, block);
    return true;
  }
}

/** What a drive does with a command: answers it, keeps silent, carries it out and keeps silent, or says something else. */
export type Behaviour = "serve" | "ignore" | "swallow-reply" | "corrupt" | CommandResult;

/** A drive's storage process as gateways see it. */
export class FakeDrive {
  readonly id: DriveId;
  instance: Instance;
  clockOffsetMs = 5_000;
  /** As every drive does first of all (R15). */
  tellsClock = true;
  up = true;
  readonly received: Command[] = [];
  behave: (command: Command) => Behaviour = () => "serve";
  /** Whether it is the primary of a group. */
  isPrimary: (group: GroupId) => boolean = () => true;
  readonly channels = new Set<Channel>();
  readonly #content: FakeContent;
  readonly #nowMs: () => number;

  constructor(id: DriveId, instance: number, content: FakeContent, nowMs: () => number) {
    this.id = id;
    this.instance = instance as Instance;
    this.#content = content;
    this.#nowMs = nowMs;
  }

  accept(channel: Channel): ChannelEvents {
    this.channels.add(channel);
    if (this.tellsClock) this.tellClock(channel);
    return {
      message: (message) => {
        const reply = this.#handle(message as Command);
        if (reply) channel.send(reply);
      },
      closed: () => void this.channels.delete(channel),
    };
  }

  tellClock(channel: Channel): void {
    channel.send({ type: "clock", group: 0 as GroupId, epoch: 0 as Epoch, tag: 0, clock: this.#nowMs() + this.clockOffsetMs });
  }

  dropChannels(): void {
    for (const channel of [...this.channels]) channel.close("the test drops it");
  }

  #handle(command: Command): Message | null {
    this.received.push(command);
    let behaviour = this.behave(command);
    if (behaviour === "serve" && !this.isPrimary(command.group)) behaviour = "not-primary";
    if (behaviour === "ignore") return null;
    const { group, tag } = command;
    const common = { group, tag, epoch: 0 as Epoch, clock: this.#nowMs() + this.clockOffsetMs };
    if (behaviour !== "serve" && behaviour !== "swallow-reply" && behaviour !== "corrupt") {
      if (command.type === "read") return { ...common, type: "read-done", result: behaviour, checksums: new Uint32Array(0), data: Buffer.alloc(0) };
      return behaviour === "miscompare" ? { ...common, type: "done", result: behaviour, offset: 7 } : { ...common, type: "done", result: behaviour };
    }
    if (command.type === "read") {
      const { checksums, data } = this.#content.read(command);
      if (behaviour === "corrupt" && data.length > 0) data[100] = (data[100] as number) ^ 1;
      return behaviour === "swallow-reply" ? null : { ...common, type: "read-done", result: "done", checksums, data };
    }
    const result = this.#content.modify(command);
    return behaviour === "swallow-reply" ? null : { ...common, type: "done", result };
  }
}

/** Reaches fake drives by the port of their record, with a latency of 1 ms each way. */
export class FakeDialer implements Dialer {
  readonly #clock: FakeClock;
  readonly ports = new Map<number, FakeDrive>();
  dials = 0;
  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  dial(target: { driveId: DriveId; address: string; port: number }, events: (channel: Channel) => ChannelEvents): Promise<Channel> {
    this.dials += 1;
    const clock = this.#clock;
    return new Promise((resolve, reject) => {
      clock.timer(1, () => {
        const drive = this.ports.get(target.port);
        if (!drive?.up || drive.id !== target.driveId) return reject(new Error("nothing listens there"));
        const near = new FakeChannel(clock, { kind: "drive", id: drive.id, instance: drive.instance });
        const far = new FakeChannel(clock, { kind: "gateway", id: "9", instance: 9 as Instance });
        near.other = far;
        far.other = near;
        far.events = drive.accept(far);
        near.events = events(near);
        resolve(near);
      });
    });
  }
}

class FakeChannel implements Channel {
  readonly peer: Peer;
  readonly queuedBytes = 0;
  other: FakeChannel | null = null;
  events: ChannelEvents | null = null;
  readonly #clock: FakeClock;
  #closed = false;
  constructor(clock: FakeClock, peer: Peer) {
    this.#clock = clock;
    this.peer = peer;
  }
  send(message: Message): void {
    const { other } = this;
    if (!this.#closed && other) this.#clock.timer(1, () => other.#closed || other.events?.message(message));
  }
  close(reason: string): void {
    if (this.#closed) return;
    this.#end(reason);
    const { other } = this;
    if (other) this.#clock.timer(1, () => other.#end(reason));
  }
  #end(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.events?.closed(reason);
  }
}

export const VOLUME = 0x1_0000_0001 as VolumeId;
export const SIZE_BYTES = 3 * 4 * 1024 * 1024;

/** The map of a cluster with one volume, `GROUPS` groups and three drives; `ports` are the drives' ports. */
export function fakeMap(drives: readonly FakeDrive[], ports: readonly number[], address = "127.0.0.1"): ClusterMap {
  const map = new ClusterMap();
  put(map, keys.pool(1), { factor: 1, groupCount: GROUPS });
  put(map, keys.volume(VOLUME), { id: VOLUME, name: "one", sizeBytes: SIZE_BYTES, factor: 1, lineage: VOLUME, createdAtMs: 0 });
  drives.forEach((drive, i) => put(map, keys.drive(drive.id), { id: drive.id, server: `s${i}`, address, port: ports[i], instance: drive.instance, capacityBytes: 1 }));
  for (let i = 0; i < GROUPS; i += 1) setPrimary(map, i, drives[i % drives.length] as FakeDrive, 1);
  return map;
}

/** Returns the key, for `mapChanged`. */
export function put(map: ClusterMap, key: string, value: unknown): string {
  const revision = map.revision + 1;
  return map.changed([{ key, value: value === null ? null : JSON.stringify(value), revision }], revision)[0] as string;
}

export function setPrimary(map: ClusterMap, index: number, drive: FakeDrive, epoch: number): string {
  const members = DRIVES.includes(drive.id) ? [drive.id] : DRIVES;
  return put(map, keys.group(groupId(1, index)), { incarnation: 1, epoch, primary: drive.id, primaryInstance: drive.instance, members, learners: [], nonce: epoch });
}
