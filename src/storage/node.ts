import type { DriveId, GroupId, Instance, VolumeId } from "../base/ids.ts";
import { ClusterMap } from "../cluster/map.ts";
import { groupOf } from "../cluster/placement.ts";
import { groupFactor, parseGroupName, type DriveRecord } from "../cluster/schema.ts";
import type { Platform, Timer } from "../platform/platform.ts";
import type { ClusterStore, Watch } from "../platform/store.ts";
import type { Dialer } from "../wire/dialer.ts";
import type { ExtentKey } from "../wire/entry.ts";
import type { Hello } from "../wire/hello.ts";
import { compareExtents, type Channel, type ChannelEvents, type Message } from "../wire/messages.ts";
import { Beacons } from "./beacons.ts";
import { readConfig, writeConfig } from "./configs.ts";
import type { Drive } from "./drive/drive.ts";
import { Damage } from "./group/damage.ts";
import { Group } from "./group/group.ts";
import { Acknowledgements } from "./group/late.ts";
import type { GroupHost } from "./group/host.ts";
import { Gateways } from "./gateways.ts";
import { Links } from "./links.ts";
import { Space } from "./space.ts";
import { LoneSurvivor, type AskPort, type ReadWord } from "./lone-survivor.ts";
import { Observer } from "./observe.ts";
import { Registration } from "./registration.ts";
import { Scrubber } from "./scrubber.ts";
import { Standing } from "./standing.ts";

const TICK_MS = 100;
/** R15: gateways that ask nothing for a while hear the clock this often, so that their bounds stay close. */
const CLOCK_EVERY_MS = 500;
/** That a journal hangs is no event of any group, so what is observed is also looked at this often; it is written when it changed. */
const OBSERVE_EVERY_MS = 1000;
/** Whether a scrub is due is looked at this often. */
const SCRUB_LOOK_EVERY_MS = 1000;
const FORGET_GATEWAYS_EVERY_MS = 10_000;
/** Said to callers while the drive is in alarm (R14). */
const NOT_OBEYING = "this drive does not obey the cluster store as it is: it may have been restored";
/** Hand-overs of one drive are at least this far apart. */
const HAND_OVER_EVERY_MS = 200;

export interface NodeOptions {
  readonly platform: Platform;
  readonly store: ClusterStore;
  readonly map: ClusterMap;
  readonly drive: Drive;
  readonly dialer: Dialer;
  readonly record: DriveRecord;
  /** R24. */
  readonly askPort: AskPort;
  readonly word: ReadWord;
}

/** The storage role of one drive: its groups, its channels, its beacons, its place in the store. */
export class StorageNode {
  readonly #options: NodeOptions;
  readonly #groups = new Map<GroupId, Group>();
  readonly #links: Links;
  readonly #beacons: Beacons;
  readonly #accepted = new Set<Channel>();
  readonly #gateways: Gateways;
  readonly #refused = new Map<DriveId, Instance>();
  readonly #registration: Registration;
  readonly #observer: Observer;
  readonly #host: GroupHost;
  readonly #space: Space;
  readonly scrubber: Scrubber;
  readonly #lone: LoneSurvivor;
  readonly #standing: Standing;
  /** What was found bad on the drives of the groups that this process serves (R25). */
  readonly damage: Damage;
  readonly #acknowledgements = new Acknowledgements();
  readonly #timers: Timer[] = [];
  #watch: Watch | null = null;
  #tag = 0;
  #lastHandOverMs = -Infinity;
  #closed = false;

  constructor(options: NodeOptions) {
    this.#options = options;
    const { platform, store, drive } = options;
    this.#gateways = new Gateways(platform.clock, options.map);
    this.#links = new Links(options.dialer, platform.clock, platform.log, {
      address: (id) => this.#address(id),
      up: (id) => this.#eachGroup((group) => group.channelUp(id)),
      down: (id, channel) => {
        this.#eachGroup((group) => group.channelDown(id, channel));
        this.#lone.tick();
      },
      message: (id, channel, message) => this.#answer(id, channel, message),
    });
    this.#registration = new Registration(store, platform.clock, platform.log, options.record, () => this.#observer.now(), (why) => this.#refusedHere(why), (place) => this.#answersAt(place));
    this.#space = new Space(options.drive);
    this.scrubber = new Scrubber({ map: options.map, store, clock: platform.clock, log: platform.log, groups: () => this.#groups.values(), changed: () => this.#registration.changed() });
    this.damage = new Damage(platform.clock, platform.log, () => this.#registration.changed());
    this.#observer = new Observer({ drive, map: options.map, clock: platform.clock, groups: this.#groups, gateways: this.#gateways, damage: this.damage, scrubber: this.scrubber });
    this.#lone = new LoneSurvivor({ driveId: options.drive.id, clock: platform.clock, store, map: options.map, askPort: options.askPort, word: options.word, groups: () => this.#groups.values(), connected: (id) => this.#links.isUp(id) });
    this.#beacons = new Beacons({ drive, clock: platform.clock, links: this.#links, space: this.#space, groups: this.#groups, heard: (id) => this.#lone.heard(id) });
    this.#host = this.#makeHost();
    this.#standing = new Standing(
      { drive, map: options.map, store, clock: platform.clock, log: platform.log, server: options.record.server },
      { alarm: () => this.#alarm(), good: () => this.#obey() },
    );
  }

  /** Resolves when the drive is registered; the caller has opened the port before (R22: nobody is sent to a closed one). */
  async start(): Promise<void> {
    const { store, map, platform } = this.#options;
    await this.#standing.begin();
    await this.#registration.start();
    // Stopped, or refused, before it had begun.
    if (this.#closed) return;
    this.#standing.registered();
    this.#watch = store.watch("", {
      snapshot: (entries, { revision, storeId }) => this.#mapChanged(map.snapshot(entries, revision, storeId), true),
      changed: (changes, { revision }) => this.#mapChanged(map.changed(changes, revision), false),
    });
    const every = (ms: number, run: () => void): void => {
      let timer = platform.clock.timer(ms, again);
      function again(): void {
        run();
        timer = platform.clock.timer(ms, again);
      }
      this.#timers.push({ cancel: () => timer.cancel() });
    };
    // R3d: it counts from when the port is open, which is before this.
    this.#eachGroup((group) => group.promiseAnew());
    every(TICK_MS, () => {
      this.#eachGroup((group) => group.tick());
      this.#lone.tick();
    });
    this.#beacons.start();
    every(CLOCK_EVERY_MS, () => this.#gateways.tellClock(this.#accepted));
    every(OBSERVE_EVERY_MS, () => this.#registration.changed());
    every(SCRUB_LOOK_EVERY_MS, () => this.scrubber.tick());
    every(FORGET_GATEWAYS_EVERY_MS, () => this.#gateways.forget(this.#options.drive.images.values(), (gateway) => map.upGateways.has(gateway)));
  }

  /** R14: nothing is served, confirmed or proposed; what was under way ends without an answer. */
  #alarm(): void {
    this.#eachGroup((group) => group.stop());
    this.#groups.clear();
    for (const channel of this.#accepted) channel.close(NOT_OBEYING);
    this.#registration.changed();
  }
  /** R22: a hello tells; whoever answers it as another run of this drive is one that is alive. Any failure tells nothing. */
  #answersAt({ id, address, port }: DriveRecord): Promise<boolean> {
    const asked = this.#options.dialer.dial({ driveId: id, address, port }, () => ({ message() {}, closed() {} }));
    return asked.then((channel) => (channel.close("it was only asked whether this drive is there"), channel.peer.instance !== this.#options.drive.instance), () => false);
  }
  /** R22: another disk is this drive; nothing of this one may be taken for it. */
  #refusedHere(why: string): void {
    this.#alarm();
    this.#closed = true;
    this.#options.platform.fatal("drive-refused", why);
  }
  /** As after a start: promises count anew (R3d), and what the store says is read again. */
  #obey(): void {
    if (this.#closed) return;
    const { drive, map } = this.#options;
    for (const id of drive.images.keys()) this.#group(id);
    for (const [id, { config }] of map.groups) if (config.members.includes(drive.id) || config.learners.includes(drive.id)) this.#group(id);
    this.#registration.changed();
  }

  async stop(): Promise<void> {
    this.#closed = true;
    this.#standing.close();
    for (const timer of this.#timers) timer.cancel();
    this.#beacons.close();
    this.#watch?.close();
    this.#eachGroup((group) => group.stop());
    this.#links.close();
    for (const channel of this.#accepted) channel.close("this drive stops");
    await this.#registration.stop();
    await this.#options.drive.close();
  }

  /** The group of an extent on this drive; 0 when its volume is not known. */
  groupOf(key: ExtentKey): GroupId {
    return extentGroup(this.#options.map, this.#factors, key);
  }

  /** For tests and inspection. */
  get groups(): ReadonlyMap<GroupId, Group> {
    return this.#groups;
  }

  // ---- channels that others dialled ----

  /** R18 and hello: dead or older instances stay out. */
  refuse({ peer }: Pick<Hello, "peer">): string | null {
    if (this.#closed) return "this drive stops";
    if (!this.#standing.good) return NOT_OBEYING;
    if (peer.kind === "gateway") return this.#gateways.refuse(peer.instance);
    const refused = this.#refused.get(peer.id as DriveId) ?? 0;
    if (peer.instance <= refused) return "this instance of the drive was published dead";
    for (const channel of this.#accepted)
      if (channel.peer.kind === "drive" && channel.peer.id === peer.id && channel.peer.instance > peer.instance) return "a newer instance of the drive is connected";
    return null;
  }

  accept(channel: Channel): ChannelEvents {
    // One channel for each caller's instance: an older one is half-open at best.
    for (const older of this.#accepted) if (older.peer.id === channel.peer.id && older.peer.kind === channel.peer.kind) older.close("replaced by a newer channel of the same caller");
    this.#accepted.add(channel);
    // A gateway sends no write before it knows the clock that stamps it.
    this.#gateways.tellClock([channel]);
    return {
      message: (message) => this.#receive(channel, message),
      closed: () => {
        this.#accepted.delete(channel);
        this.#space.closed(channel);
      },
    };
  }

  #receive(channel: Channel, message: Message): void {
    if (this.#closed || !this.#standing.good) return;
    switch (message.type) {
      case "read":
      case "write":
      case "unmap":
      case "compare-and-write":
        if (channel.peer.kind !== "gateway") return channel.close("a command from something that is no gateway");
        this.#gateways.seen(channel.peer.instance);
        return this.#group(message.group).command(channel, message);
      case "beacon":
        return this.#beacons.confirm(channel, message);
      default:
        if (channel.peer.kind !== "drive") return channel.close(`a ${message.type} message from something that is no drive`);
        if (message.type === "replicate" && message.entry.volume !== 0) {
          this.#learn(message.entry.volume, message.group);
          this.#gateways.seen(message.entry.gateway);
        }
        if (message.type === "copy") this.#learn(message.range.volume, message.group);
        return this.#group(message.group).fromPrimary(channel, message);
    }
  }

  #answer(drive: DriveId, channel: Channel, message: Message): void {
    if (this.#closed) return;
    if (message.type === "beacon-ok" || message.type === "replicated") this.#space.granted(channel, message.credits);
    this.#lone.heard(drive);
    if (message.type === "beacon-ok") return this.#beacons.confirmed(drive, message);
    this.#groups.get(message.group)?.fromReplica(drive, channel, message);
    if (message.type === "tail") this.#beacons.due();
  }

  // ---- the cluster map ----

  #mapChanged(keys: readonly string[], all: boolean): void {
    if (this.#closed) return;
    this.#standing.changed(keys, all);
    if (!this.#standing.good) return;
    const { map, drive } = this.#options;
    this.#lone.storeAnswered();
    for (const key of keys) {
      const [kind, ...rest] = key.split("/");
      if (kind === "pg" || kind === "pg-plan") {
        const id = parseGroupName(rest.join("/"));
        const config = map.groups.get(id)?.config;
        if (config && (config.members.includes(drive.id) || config.learners.includes(drive.id))) this.#group(id);
        this.#groups.get(id)?.evaluate();
      }
      if (kind === "death") this.#eachGroup((group) => group.evaluate());
      this.#gateways.shutOut(key, this.#accepted);
      if (kind === "banned") this.#registration.changed();
      if (kind === "tombstone") this.#eachGroup((group) => group.serving?.purgeDeleted());
    }
  }

  #group(id: GroupId): Group {
    let group = this.#groups.get(id);
    if (!group) this.#groups.set(id, (group = new Group(id, this.#host)));
    return group;
  }
  #eachGroup(run: (group: Group) => void): void {
    for (const group of this.#groups.values()) run(group);
  }

  #address(id: DriveId): { address: string; port: number; instance: Instance } | null {
    const record = this.#options.map.drives.get(id);
    if (!record || record.instance <= (this.#refused.get(id) ?? 0)) return null;
    return record;
  }

  readonly #factors = new Map<VolumeId, number>();
  #learn(volume: VolumeId, group: GroupId): void {
    if (!this.#factors.has(volume)) this.#factors.set(volume, groupFactor(group));
  }

  #makeHost(): GroupHost {
    const { platform, store, map, drive } = this.#options;
    const { clock, random, log } = platform;
    return {
      driveId: drive.id,
      instance: drive.instance,
      drive,
      clock,
      random,
      log,
      damage: this.damage,
      acknowledgements: this.#acknowledgements,
      space: this.#space,
      strictReads: () => map.settings.strictReads,
      lastBeacon: () => this.#beacons.number,
      beaconDue: () => this.#beacons.due(),
      nextTag: () => (this.#tag = (this.#tag % 0xffffffff) + 1),
      channelTo: (id) => this.#links.to(id),
      incarnation: () => drive.memory.incarnation,
      // R14: a store that may have gone back is as one that does not answer (R13).
      readConfig: async (group) => (this.#standing.doubted ? null : readConfig(store, group)),
      writeConfig: (group, revision, config) => {
        const { generation } = this.#standing;
        const standing = (): "good" | "wait" | "ended" => (this.#standing.generation !== generation ? "ended" : this.#standing.doubted ? "wait" : "good");
        return writeConfig({ store, clock, log, clusterRevision: () => map.clusterRevision, standing }, group, revision, config);
      },
      hint: (group) => map.groups.get(group) ?? null,
      plan: (group) => map.plans.get(group)?.plan ?? null,
      takenForLost: (drives) => this.#standing.good && this.#lone.takenForLost(drives),
      driveIsUp: (id) => map.upDrives.has(id),
      volume: (id) => (map.tombstones.has(id) ? "deleted" : map.volumes.has(id) ? "known" : "unknown"),
      tombstones: (group) => [...map.tombstones.values()].filter(({ factor }) => factor === groupFactor(group)),
      extentsOf: (group) => drive.extents().filter((key) => this.groupOf(key) === group).sort(compareExtents),
      banned: (gateway) => this.#gateways.banned(gateway),
      storeSeen: () => map.revision,
      deadInstance: (id) => map.deaths.get(id)?.instance ?? (0 as Instance),
      refused: () => this.#refused,
      refuseInstance: (id, instance) => this.#refuseInstance(id, instance),
      handOverSlot: () => {
        const now = clock.nowMs();
        if (now - this.#lastHandOverMs < HAND_OVER_EVERY_MS) return false;
        this.#lastHandOverMs = now;
        return true;
      },
      changed: () => this.#registration.changed(),
      send: (channel, message) => channel.send(message),
    };
  }

  #refuseInstance(id: DriveId, instance: Instance): void {
    if ((this.#refused.get(id) ?? 0) >= instance) return;
    this.#refused.set(id, instance);
    this.#links.refuse(id, instance);
    for (const channel of this.#accepted)
      if (channel.peer.kind === "drive" && channel.peer.id === id && channel.peer.instance <= instance) channel.close("the instance was published dead");
  }
}

/** The group of an extent that lies on a drive; 0 when its volume is known nowhere: such data is kept and never served. */
export function extentGroup(map: ClusterMap, factors: ReadonlyMap<VolumeId, number>, key: ExtentKey): GroupId {
  const factor = map.volumes.get(key.volume)?.factor ?? map.tombstones.get(key.volume)?.factor ?? factors.get(key.volume);
  const pool = factor === undefined ? undefined : map.pools.get(factor);
  return factor === undefined || !pool ? (0 as GroupId) : groupOf(factor, pool.groupCount, key.lineage, key.extent);
}
