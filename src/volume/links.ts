import type { DriveId, Instance } from "../base/ids.ts";
import type { ClusterMap } from "../cluster/map.ts";
import type { DriveRecord } from "../cluster/schema.ts";
import { Link, type LinkOwner } from "./link.ts";

/** A channel that carried nothing for this long is closed; it is opened again in a round trip or two. */
const UNUSED_MS = 60_000;

/** The ways to all drives that a gateway has to do with, made when they are needed. */
export class Links {
  readonly #owner: LinkOwner;
  readonly #map: ClusterMap;
  readonly #byDrive = new Map<DriveId, Link>();

  constructor(owner: LinkOwner, map: ClusterMap) {
    this.#owner = owner;
    this.#map = map;
  }

  get(id: DriveId): Link | undefined {
    return this.#byDrive.get(id);
  }
  all(): Iterable<Link> {
    return this.#byDrive.values();
  }
  to(drive: DriveRecord): Link {
    let link = this.#byDrive.get(drive.id);
    if (!link) this.#byDrive.set(drive.id, (link = new Link(this.#owner, drive.id, drive)));
    return link;
  }

  /** The record of a drive has changed or gone. */
  driveChanged(id: DriveId): void {
    const record = this.#map.drives.get(id);
    const link = this.#byDrive.get(id);
    if (!link) return;
    if (record) return link.retarget(record);
    this.#byDrive.delete(id);
    link.close("the drive has left the cluster");
  }
  driveDied(id: DriveId): void {
    const death = this.#map.deaths.get(id);
    if (death) this.#byDrive.get(id)?.outdated((death.instance + 1) as Instance);
  }

  /** R24: closes what has not answered since `beforeMs`, and dials what failed then. */
  leaveSilent(beforeMs: number): void {
    for (const link of this.#byDrive.values()) {
      if (link.silentSince(beforeMs)) link.close("it has not answered while the cluster store is silent");
      link.lookAgain(beforeMs);
    }
  }
  closeUnused(nowMs: number): void {
    for (const [id, link] of this.#byDrive) {
      if (!link.unusedSince(nowMs - UNUSED_MS)) continue;
      this.#byDrive.delete(id);
      link.close("nothing to say for a while");
    }
  }
  close(reason: string): void {
    for (const link of this.#byDrive.values()) link.close(reason);
    this.#byDrive.clear();
  }
}
