import { BLOCKS_PER_EXTENT, BLOCK_BYTES, SECTOR_BYTES, SECTORS_PER_BLOCK } from "../../src/base/geometry.ts";
import type { DriveId, Epoch, ExtentIndex, GroupId, Instance, VolumeId } from "../../src/base/ids.ts";
import { ClusterMap } from "../../src/cluster/map.ts";
import { keys } from "../../src/cluster/schema.ts";
import { groupOf } from "../../src/cluster/placement.ts";
import { blockChecksum } from "../../src/platform/checksum.ts";
import type { BlockRange, ExtentKey } from "../../src/wire/entry.ts";
import type { Channel, CommandResult, Done, Message, ReadDone } from "../../src/wire/messages.ts";
import { writeChecksums } from "../../src/volume/blocks.ts";
import { ClockBound } from "../../src/volume/stamp.ts";
import type { SimulatedCluster } from "./cluster.ts";
import type { History } from "./history.ts";
import type { SimulatedProcess } from "./process.ts";
import { ProcessStore } from "./store.ts";

/** Pause before a command is sent again. */
const AGAIN_MS = 40;

export interface Place {
  readonly volume: number;
  readonly extent: number;
  /** Sectors of 512 bytes inside the extent. */
  readonly sector: number;
  readonly sectors: number;
}
interface Command {
  readonly group: GroupId;
  readonly operation: number;
  /** Made anew for each try: the tag and the oldest open operation change. */
  readonly make: (tag: number, clock: ClockBound, instance: Instance) => Message;
  readonly done: (answer: Done | ReadDone) => void;
  sentTo: DriveId | null;
  sentInstance: number;
  tries: number;
  ended: boolean;
}

type MakeChange = (common: Omit<Extract<Message, { type: "unmap" }>, "type" | "range">) => Message;
interface Way {
  channel: Channel | null;
  dialing: boolean;
  clock: ClockBound;
  clockOf: Instance;
}

/** A gateway in miniature: sends each command to the primary that the map names, again and again under the same operation id. */
export class SimulatedGateway {
  readonly #cluster: SimulatedCluster;
  readonly #history: History | null;
  readonly process: SimulatedProcess;
  readonly instance: Instance;
  readonly store: ProcessStore;
  readonly #map = new ClusterMap();
  readonly #channels = new Map<DriveId, Way>();
  /** Whether its hosts take BUSY for an answer; else they ask anew, as hosts do (R15). */
  busyIsFinal = false;
  readonly #sent = new Map<number, Command>();
  readonly #open = new Set<Command>();
  readonly #server: string;
  #tag = 0;
  #operation = 0;
  #value = 0;

  constructor(cluster: SimulatedCluster, server: string, instance: number, history: History | null = null) {
    this.#cluster = cluster;
    this.#history = history;
    this.#server = server;
    this.instance = instance as Instance;
    this.process = cluster.process(`gateway ${instance}`, server);
    cluster.put(keys.upGateway(instance), { instance, server: "g", sinceMs: 0 });
    this.store = new ProcessStore(cluster.store.client("admin"), this.process);
    this.store.watch("", {
      snapshot: (entries, { revision }) => this.#changed(this.#map.snapshot(entries, revision)),
      changed: (changes, { revision }) => this.#changed(this.#map.changed(changes, revision)),
    });
  }

  get openCount(): number {
    return this.#open.size;
  }

  /** Writes a new value into the sectors (part of a block too) and returns when it is acknowledged. */
  write(place: Place, done: (result: CommandResult) => void = () => {}): number {
    const { sector, sectors } = place;
    const key = keyAt(place);
    this.#value += 1;
    const value = this.instance * 1_000_000 + this.#value;
    const data = Buffer.alloc(sectors * SECTOR_BYTES);
    for (let i = 0; i < sectors; i += 1) stamp(data.subarray(i * SECTOR_BYTES, (i + 1) * SECTOR_BYTES), value, place.extent, sector + i);
    const checksums: number[] = [];
    for (let at = sector; at < sector + sectors; ) {
      const block = Math.floor(at / SECTORS_PER_BLOCK);
      const end = Math.min((block + 1) * SECTORS_PER_BLOCK, sector + sectors);
      checksums.push(blockChecksum(data.subarray((at - sector) * SECTOR_BYTES, (end - sector) * SECTOR_BYTES), key.lineage, place.extent * BLOCKS_PER_EXTENT + block));
      at = end;
    }
    this.#modify(place, value, done, (common) => ({ ...common, type: "write", key, firstSector: sector, sectorCount: sectors, checksums: Uint32Array.from(checksums), data }));
    return value;
  }
  /** Whole blocks only. */
  unmap(place: Place, done: (result: CommandResult) => void = () => {}): void {
    const range: BlockRange = { ...keyAt(place), first: place.sector / SECTORS_PER_BLOCK, count: place.sectors / SECTORS_PER_BLOCK };
    this.#modify(place, 0, done, (common) => ({ ...common, type: "unmap", range }));
  }
  /** Values of the sectors of whole blocks. */
  read(place: Place, done: (values: readonly number[], result: CommandResult) => void = () => {}): void {
    const first = Math.floor(place.sector / SECTORS_PER_BLOCK);
    const count = Math.ceil((place.sector + place.sectors) / SECTORS_PER_BLOCK) - first;
    const range: BlockRange = { ...keyAt(place), first, count };
    const fromMs = this.#cluster.time.nowMs();
    const group = this.#groupOf(range);
    this.#begin(group, 0, (tag) => ({ type: "read", group, epoch: 0 as Epoch, tag, range }), (answer) => {
      if (answer.type !== "read-done" || answer.result !== "done") return done([], answer.result);
      const values: number[] = [];
      const toMs = this.#cluster.time.nowMs();
      for (let i = 0; i < count * SECTORS_PER_BLOCK; i += 1) {
        const sector = first * SECTORS_PER_BLOCK + i;
        const name = `${place.volume}.${place.extent}.${sector}`;
        const bytes = answer.data.length === 0 ? null : answer.data.subarray(i * SECTOR_BYTES, (i + 1) * SECTOR_BYTES);
        const value = bytes === null ? 0 : valueOf(bytes, place.extent, sector);
        if (value === null) return void this.#cluster.fail(`I7: sector ${name} holds bytes that nobody wrote there`);
        const wrong = this.#history?.read(name, value, fromMs, toMs);
        if (wrong) this.#cluster.fail(wrong);
        values.push(value);
      }
      done(values, "done");
    });
  }

  /** Sectors of one block; `expected` and the result are values as `read` gives them. Done: null was written, else the offset of the first difference. */
  compareAndWrite(place: Place, expected: number, done: (result: CommandResult, offset: number | undefined) => void = () => {}): number {
    const { sector, sectors, extent } = place;
    const key = keyAt(place);
    const value = this.instance * 1_000_000 + (this.#value += 1);
    const data = Buffer.alloc(2 * sectors * SECTOR_BYTES);
    for (let i = 0; i < 2 * sectors; i += 1) {
      const part = data.subarray(i * SECTOR_BYTES, (i + 1) * SECTOR_BYTES);
      if (i >= sectors || expected !== 0) stamp(part, i < sectors ? expected : value, extent, sector + (i % sectors));
    }
    const sums = [0, 1].flatMap((half) => [...writeChecksums(data.subarray(half * sectors * SECTOR_BYTES, (half + 1) * sectors * SECTOR_BYTES), key.lineage, extent, sector)]);
    this.#modify(place, value, done, (common) => ({ ...common, type: "compare-and-write", key, firstSector: sector, sectorCount: sectors, checksums: Uint32Array.from(sums), data }));
    return value;
  }

  #modify(place: Place, value: number, done: (result: CommandResult, offset?: number) => void, make: MakeChange): void {
    const group = this.#groupOf(keyAt(place));
    const names = Array.from({ length: place.sectors }, (_, i) => `${place.volume}.${place.extent}.${place.sector + i}`);
    const acked = names.map((name) => this.#history?.write(name, value, this.#cluster.time.nowMs()));
    const ask = (): void => {
      const operation = (this.#operation += 1);
      const receivedMs = this.process.nowMs();
      const message = (tag: number, clock: ClockBound, stampInstance: Instance): Message =>
        make({ group, epoch: 0 as Epoch, tag, gateway: this.instance, operation, stampInstance, stampMs: clock.at(receivedMs), oldestOpen: this.#oldestOpen() });
      this.#begin(group, operation, message, (answer) => {
        const { result } = answer;
        if (result === "late" && !this.busyIsFinal) return ask();
        if (result === "done") for (const acknowledge of acked) acknowledge?.(this.#cluster.time.nowMs());
        done(result, answer.type === "done" ? answer.offset : undefined);
      });
    };
    ask();
  }
  #oldestOpen(): number {
    let oldest = this.#operation;
    for (const { operation } of this.#open) if (operation !== 0) oldest = Math.min(oldest, operation);
    return oldest;
  }
  #groupOf(key: ExtentKey): GroupId {
    const factor = this.#cluster.options.volumes[key.volume] ?? 1;
    return groupOf(factor, this.#cluster.options.groupCount ?? 1, key.lineage, key.extent);
  }

  // ---- sending ----

  #begin(group: GroupId, operation: number, make: Command["make"], done: Command["done"]): void {
    const command: Command = { group, operation, make, done, sentTo: null, sentInstance: 0, tries: 0, ended: false };
    this.#open.add(command);
    this.#send(command);
  }
  #send(command: Command): void {
    if (command.ended) return;
    const config = this.#map.groups.get(command.group)?.config;
    const channel = config && this.#channel(config.primary);
    if (!channel) return void this.process.timer(AGAIN_MS, () => command.sentTo === null && this.#send(command));
    const { clock } = this.#channels.get(config.primary) as Way;
    // R15: no change leaves before the clock that stamps it is known.
    if (command.operation !== 0 && !clock.known) return void this.process.timer(AGAIN_MS, () => command.sentTo === null && this.#send(command));
    const tag = (this.#tag += 1);
    command.sentTo = config.primary;
    command.sentInstance = channel.peer.instance;
    command.tries += 1;
    this.#sent.set(tag, command);
    channel.send(command.make(tag, clock, channel.peer.instance));
  }
  #again(command: Command): void {
    command.sentTo = null;
    this.process.timer(AGAIN_MS, () => command.sentTo === null && this.#send(command));
  }
  #channel(drive: DriveId): Channel | null {
    let way = this.#channels.get(drive);
    if (!way) this.#channels.set(drive, (way = { channel: null, dialing: false, clock: new ClockBound(), clockOf: 0 as Instance }));
    if (way.channel || way.dialing) return way.channel;
    const found = way;
    found.dialing = true;
    const self = { kind: "gateway" as const, id: String(this.instance), instance: this.instance };
    void this.#cluster.network
      .dialer(this.process, this.#server, self)
      .dial({ driveId: drive, address: "", port: 1 }, (channel) => {
        if (found.clockOf !== channel.peer.instance) found.clock = new ClockBound();
        found.clockOf = channel.peer.instance;
        const { clock } = found;
        return {
          message: (message) => {
            if ("clock" in message) clock.heard(message.clock, this.process.nowMs());
            this.#answered(message);
          },
          closed: () => {
            if (found.channel === channel) found.channel = null;
            for (const command of [...this.#open]) if (command.sentTo === drive) this.#again(command);
          },
        };
      })
      .then((channel) => {
        found.channel = channel;
        found.dialing = false;
      })
      .catch(() => void this.process.timer(AGAIN_MS, () => (found.dialing = false)));
    return null;
  }
  #answered(message: Message): void {
    if (message.type !== "done" && message.type !== "read-done") return;
    const command = this.#sent.get(message.tag);
    this.#sent.delete(message.tag);
    if (!command || command.ended) return;
    if (message.result === "not-primary" || message.result === "unknown-volume") return void (command.sentTo !== null && this.#again(command));
    command.ended = true;
    this.#open.delete(command);
    command.done(message);
  }
  /** Another primary: what is open goes there too; whoever answers first counts. */
  #changed(changed: readonly string[]): void {
    if (!changed.some((key) => key.startsWith("pg/"))) return;
    for (const command of [...this.#open]) {
      const config = this.#map.groups.get(command.group)?.config;
      if (config && command.sentTo !== null && (config.primary !== command.sentTo || (config.primaryInstance !== 0 && config.primaryInstance !== command.sentInstance))) this.#again(command);
    }
  }
}

function keyAt({ volume, extent }: Place): ExtentKey {
  return { volume: volume as VolumeId, lineage: volume as VolumeId, layer: 0, extent: extent as ExtentIndex };
}
function stamp(bytes: Buffer, value: number, extent: number, sector: number): void {
  bytes.fill(value & 255);
  bytes.writeDoubleLE(value, 0);
  bytes.writeUInt32LE(extent, 8);
  bytes.writeUInt32LE(sector, 12);
}
/** Null: bytes that no gateway wrote to that sector. */
export function valueOf(bytes: Buffer, extent: number, sector: number): number | null {
  const value = bytes.readDoubleLE(0);
  if (value === 0) return bytes[100] === 0 && bytes[511] === 0 ? 0 : null;
  const right = bytes.readUInt32LE(8) === extent && bytes.readUInt32LE(12) === sector && bytes[16] === (value & 255) && bytes[SECTOR_BYTES - 1] === (value & 255);
  return right ? value : null;
}
export const SECTORS = { perBlock: SECTORS_PER_BLOCK, bytes: SECTOR_BYTES, blockBytes: BLOCK_BYTES };
