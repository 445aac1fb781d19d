import type { DriveId, Instance } from "../base/ids.ts";
import type { Clock, Log, Timer } from "../platform/platform.ts";
import type { Dialer } from "../wire/dialer.ts";
import type { Channel, Message } from "../wire/messages.ts";

const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 500;
/** Sent beacons whose confirmation may still come: half a second of strict reads' beacons, one each millisecond; the others' are few. */
const BEACONS_REMEMBERED = 512;
/** Far longer than a member is waited for (R4). */
const UNANSWERED_MS_MAX = 6000;

export interface LinkEvents {
  /** Where the drive is now; null while it is not registered. */
  address(drive: DriveId): { address: string; port: number; instance: Instance } | null;
  up(drive: DriveId, channel: Channel): void;
  down(drive: DriveId, channel: Channel): void;
  message(drive: DriveId, channel: Channel, message: Message): void;
}

interface Link {
  channel: Channel | null;
  dialing: boolean;
  retryMs: number;
  retry: Timer | null;
  readonly beacons: Map<number, number>;
  /** When the oldest beacon was sent since the last confirmation; null = none was. */
  unansweredSinceMs: number | null;
}

/** The channels that this drive dials to the others that it is primary over, one a drive. */
export class Links {
  readonly #dialer: Dialer;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #events: LinkEvents;
  readonly #links = new Map<DriveId, Link>();
  #closed = false;

  constructor(dialer: Dialer, clock: Clock, log: Log, events: LinkEvents) {
    this.#dialer = dialer;
    this.#clock = clock;
    this.#log = log;
    this.#events = events;
  }

  /** The channel if it is up; else dials. */
  to(drive: DriveId): Channel | null {
    let link = this.#links.get(drive);
    if (!link) this.#links.set(drive, (link = { channel: null, dialing: false, retryMs: RETRY_FIRST_MS, retry: null, beacons: new Map(), unansweredSinceMs: null }));
    if (!link.channel && !link.retry) this.#dial(drive, link);
    return link.channel;
  }

  isUp(drive: DriveId): boolean {
    return this.#links.get(drive)?.channel != null;
  }

  /** Drives with a channel that is up. */
  *connected(): Iterable<[DriveId, Channel]> {
    for (const [drive, { channel }] of this.#links) if (channel) yield [drive, channel];
  }

  beaconSent(drive: DriveId, number: number, sentMs: number): void {
    const link = this.#links.get(drive);
    if (!link) return;
    link.beacons.set(number, sentMs);
    link.unansweredSinceMs ??= sentMs;
    // A peer that lost its power sends no reset; without this its channel would stay until TCP gives up.
    if (sentMs - link.unansweredSinceMs > UNANSWERED_MS_MAX) link.channel?.close("it answers no beacons");
    if (link.beacons.size > BEACONS_REMEMBERED) link.beacons.delete(link.beacons.keys().next().value as number);
  }
  /** R3a: when the beacon was sent on the channel that is up now; undefined for any other. */
  beaconSentMs(drive: DriveId, number: number): number | undefined {
    const link = this.#links.get(drive);
    if (link) link.unansweredSinceMs = null;
    return link?.beacons.get(number);
  }

  /** Closes the channel if it leads to that instance or an older one (R18). */
  refuse(drive: DriveId, instance: Instance): void {
    const channel = this.#links.get(drive)?.channel;
    if (channel && channel.peer.instance <= instance) channel.close("the instance was published dead");
  }

  close(): void {
    this.#closed = true;
    for (const link of this.#links.values()) {
      link.retry?.cancel();
      link.channel?.close("this drive stops");
    }
  }

  #dial(drive: DriveId, link: Link): void {
    const target = this.#events.address(drive);
    if (this.#closed || link.dialing || !target) return;
    link.dialing = true;
    let closed = false;
    this.#dialer
      .dial({ driveId: drive, address: target.address, port: target.port }, (channel) => ({
        message: (message) => this.#events.message(drive, channel, message),
        closed: (reason) => {
          closed = true;
          if (link.channel !== channel) return;
          link.channel = null;
          link.beacons.clear();
          link.unansweredSinceMs = null;
          this.#log.info("a channel to another drive closed", { drive, reason });
          this.#events.down(drive, channel);
        },
      }))
      .then((channel) => {
        link.dialing = false;
        link.retryMs = RETRY_FIRST_MS;
        if (this.#closed) return channel.close("this drive stops");
        if (closed) throw new Error("the channel closed at once");
        link.channel = channel;
        this.#events.up(drive, channel);
      })
      .catch((error: Error) => {
        link.dialing = false;
        this.#log.debug("a drive could not be reached", { drive, reason: error.message });
        link.retry = this.#clock.timer(link.retryMs, () => {
          link.retry = null;
        });
        link.retryMs = Math.min(link.retryMs * 2, RETRY_MAX_MS);
      });
  }
}
