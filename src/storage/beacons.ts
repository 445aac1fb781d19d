import type { DriveId, GroupId } from "../base/ids.ts";
import type { Clock } from "../platform/platform.ts";
import type { Beacon, BeaconOk, Channel } from "../wire/messages.ts";
import type { Drive } from "./drive/drive.ts";
import type { Group } from "./group/group.ts";
import { BEACON_MS, LEASE_MS, REPLICATE_TIMEOUT_MS } from "./group/times.ts";
import type { Links } from "./links.ts";
import type { Space } from "./space.ts";

/** Beacons that are wanted at once are at least this far apart: strict reads that come meanwhile share the next one. */
const SPACING_MS = 1;

export interface BeaconWorld {
  readonly drive: Drive;
  readonly clock: Clock;
  readonly links: Links;
  readonly space: Space;
  readonly groups: ReadonlyMap<GroupId, Group>;
  /** R24: another drive was heard. */
  heard(drive: DriveId): void;
}

/** R3: the beacons of one drive, one frame for all groups that it shares with another, and what is confirmed of both sides'. */
export class Beacons {
  readonly #world: BeaconWorld;
  #number = 0;
  #soon = false;
  #lastMs = -Infinity;
  #closed = false;

  constructor(world: BeaconWorld) {
    this.#world = world;
  }

  /** Of the last beacon that was sent; a later one has a greater number, whatever the clock does. */
  get number(): number {
    return this.#number;
  }

  start(): void {
    if (this.#closed) return;
    this.#world.clock.timer(BEACON_MS, () => {
      if (!this.#closed) this.#send();
      this.start();
    });
  }
  close(): void {
    this.#closed = true;
  }

  /** Fresh leases are wanted: after a fence, and by strict reads. One frame for all groups of this turn. */
  due(): void {
    if (this.#soon) return;
    this.#soon = true;
    const { clock } = this.#world;
    const send = (): void => {
      this.#soon = false;
      if (!this.#closed) this.#send();
    };
    const waitMs = this.#lastMs + SPACING_MS - clock.nowMs();
    if (waitMs > 0) clock.timer(waitMs, send);
    else clock.soon(send);
  }

  #send(): void {
    const { drive, clock, links } = this.#world;
    // R3f: a hung disk must not hold its groups behind a live event loop.
    if (drive.appendOutstandingMs() > REPLICATE_TIMEOUT_MS) return;
    const number = (this.#number += 1);
    this.#lastMs = clock.nowMs();
    for (const [id, channel] of links.connected()) {
      const groups: { group: GroupId; epoch: Beacon["epoch"]; committed: Beacon["groups"][number]["committed"] }[] = [];
      for (const group of this.#world.groups.values()) {
        const peer = group.term?.peers.get(id);
        if (!group.term || !peer?.tail || peer.channel !== channel) continue;
        groups.push({ group: group.id, epoch: group.term.epoch, committed: group.committedNow() });
      }
      if (groups.length === 0) continue;
      links.beaconSent(id, number, clock.nowMs());
      channel.send({ type: "beacon", group: 0 as GroupId, epoch: 0 as never, tag: 0, number, groups });
    }
  }

  /** Another drive's beacon. */
  confirm(channel: Channel, beacon: Beacon): void {
    const { drive, space, groups: held } = this.#world;
    if (drive.appendOutstandingMs() > REPLICATE_TIMEOUT_MS) return;
    this.#world.heard(channel.peer.id as DriveId);
    const groups: BeaconOk["groups"][number][] = [];
    for (const { group: id, epoch, committed } of beacon.groups) {
      const group = held.get(id);
      const answer = group?.beacon(channel, epoch, committed);
      if (answer === "confirmed") groups.push({ group: id, epoch });
      const config = group?.replica.image?.config;
      if (answer === "stale" && config) channel.send({ type: "stale-epoch", group: id, epoch: config.epoch, tag: 0, config });
    }
    channel.send({ type: "beacon-ok", group: 0 as GroupId, epoch: 0 as never, tag: 0, number: beacon.number, credits: space.credits(channel), groups });
  }

  /** R3a: a lease lasts from when its beacon was sent. */
  confirmed(drive: DriveId, { number, groups }: BeaconOk): void {
    const sentMs = this.#world.links.beaconSentMs(drive, number);
    if (sentMs === undefined) return;
    for (const { group, epoch } of groups) this.#world.groups.get(group)?.leaseConfirmed(drive, epoch, { number, sentMs, untilMs: sentMs + LEASE_MS });
  }
}
