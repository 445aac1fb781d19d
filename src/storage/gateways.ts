import type { Epoch, GroupId, Instance } from "../base/ids.ts";
import type { ClusterMap } from "../cluster/map.ts";
import type { Clock } from "../platform/platform.ts";
import type { Channel } from "../wire/messages.ts";
import type { ReplicaImage } from "./drive/image.ts";

/** R16: answers to a gateway's operations are kept this long after it was last seen alive; it gives up on commands earlier. */
const REMEMBERED_MS = 60_000;

/**
 * What a drive's process knows of the gateways that ask it: who was heard when (R16), that they are told its clock (R15), and
 * who is shut out (R15, R26).
 */
export class Gateways {
  readonly #clock: Clock;
  readonly #map: ClusterMap;
  readonly #seenMs = new Map<Instance, number>();

  constructor(clock: Clock, map: ClusterMap) {
    this.#clock = clock;
    this.#map = map;
  }

  /** Why this gateway is not listened to; null = it is. */
  refuse(instance: Instance): string | null {
    if (this.banned(instance)) return "this gateway was banned: its server did not answer when all portals had to";
    return this.#map.deaths.has(String(instance)) ? "this gateway was published dead" : null;
  }
  /** R26: nothing of it is assigned any more, whatever has come already. */
  banned(instance: Instance): boolean {
    return this.#map.bans.has(instance);
  }
  /** R26, for `observed`: said only after what the map shows was acted on, which is in the turn in which it changed. */
  get bans(): Instance[] {
    return [...this.#map.bans.keys()] as Instance[];
  }
  /** To be called with everything that changed in the map. */
  shutOut(key: string, channels: Iterable<Channel>): void {
    const [kind, id] = key.split("/");
    if (kind !== "death" && kind !== "banned") return;
    for (const channel of channels) {
      const reason = channel.peer.kind === "gateway" && channel.peer.id === id ? this.refuse(channel.peer.instance) : null;
      if (reason !== null) channel.close(reason);
    }
  }

  /** It has asked something, here or of another primary that replicates to here. */
  seen(gateway: Instance): void {
    this.#seenMs.set(gateway, this.#clock.nowMs());
  }

  /** R15: on its way there it only gets older: what a gateway hears is a lower bound of this clock. */
  tellClock(channels: Iterable<Channel>): void {
    for (const channel of channels)
      if (channel.peer.kind === "gateway") channel.send({ type: "clock", group: 0 as GroupId, epoch: 0 as Epoch, tag: 0, clock: this.#clock.nowMs() });
  }

  /** R16: a gateway that is not registered and has asked nothing for long. One that is merely cut off from the store still asks. */
  forget(images: Iterable<ReplicaImage>, isUp: (gateway: Instance) => boolean): void {
    const now = this.#clock.nowMs();
    const all = [...images];
    const remembered = new Set<Instance>();
    for (const image of all) for (const gateway of image.operations.keys()) remembered.add(gateway);
    for (const gateway of this.#seenMs.keys()) if (!remembered.has(gateway)) this.#seenMs.delete(gateway);
    for (const gateway of remembered) {
      const seenMs = this.#seenMs.get(gateway) ?? now;
      this.#seenMs.set(gateway, seenMs);
      if (isUp(gateway) || now - seenMs < REMEMBERED_MS) continue;
      for (const image of all) image.forgetGateway(gateway);
    }
  }
}
