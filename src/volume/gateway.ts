import { Arrival, ARRIVAL_TICK_MS, ArrivalClock } from "../base/arrival.ts";
import { assert } from "../base/assert.ts";
import type { DriveId, GroupId, Instance, VolumeId } from "../base/ids.ts";
import type { ClusterMap } from "../cluster/map.ts";
import { groupOf } from "../cluster/placement.ts";
import { parseGroupName } from "../cluster/schema.ts";
import type { Platform, Timer } from "../platform/platform.ts";
import type { Dialer } from "../wire/dialer.ts";
import type { Done, ReadDone } from "../wire/messages.ts";
import { verifyBlocks } from "./blocks.ts";
import { Command, type Answer, type CommandKind } from "./command.ts";
import { Link } from "./link.ts";
import { OperationList, PAUSE_MS_MAX, PAUSE_MS_MIN, Piece } from "./piece.ts";
import { RemoteVolume } from "./remote-volume.ts";
import type { Volume, VolumeError, VolumeResult } from "./volume.ts";

/** Pieces under way at once; more would only lengthen the drives' queues. */
const PIECES_MAX = 4096;
/** Bytes of pieces under way: bounds the role's memory whatever the hosts ask for. */
const BYTES_MAX = 64 * 1024 * 1024;
/** Commands that wait for room. The hosts' command windows keep far below this; beyond it they are told to come back. */
const WAITING_MAX = 65_536;
/** Deadlines are seconds long, so they are looked at this often. */
const SWEEP_MS = 100;
/** A channel that carried nothing for this long is closed; it is opened again in a round trip or two. */
const UNUSED_MS = 60_000;
/** A write that was sent before the cluster became read-only is answered in this time by a group that serves, or not at all. */
const SENT_WHEN_READ_ONLY_MS = 1000;
/** A block that fails its checksum this often was not hurt on the way. */
const CORRUPT_MAX = 3;

/**
 * All volumes of the cluster over the storage protocol. Commands are cut into pieces; each goes to the primary of its
 * extent's group and is sent again, as the same operation (R16), until it is answered or the deadline has passed.
 */
export class Gateway {
  readonly platform: Platform;
  readonly dialer: Dialer;
  readonly instance: Instance;
  readonly #map: ClusterMap;
  readonly #volumes = new Map<VolumeId, RemoteVolume>();
  readonly #links = new Map<DriveId, Link>();
  /** Every piece object ever needed at once; those in use are not "free". */
  readonly #pieces: Piece[] = [];
  readonly #free: Piece[] = [];
  readonly #operations = new OperationList();
  /** Commands not wholly cut yet, in order of arrival, from #waitingHead on. */
  #waiting: (Command | null)[] = [];
  #waitingHead = 0;
  #bytes = 0;
  readonly #arrivals: ArrivalClock;
  #tick: Timer;
  #pumping = false;
  #closed = false;
  #sweep: Timer;
  #retry: Timer | null = null;
  #retryAtMs = Infinity;
  #readOnlySinceMs = 0;

  /** `map` is kept fresh by the caller, who says so with `mapChanged`. `instance` is random and never 0. */
  constructor(platform: Platform, map: ClusterMap, dialer: Dialer, instance: Instance) {
    assert(instance > 0, "a gateway's instance is not 0");
    this.platform = platform;
    this.dialer = dialer;
    this.instance = instance;
    this.#map = map;
    this.#arrivals = new ArrivalClock(platform.clock.nowMs());
    this.#tick = platform.clock.timer(ARRIVAL_TICK_MS, () => this.#ticked());
    this.#sweep = platform.clock.timer(SWEEP_MS, () => this.#swept());
  }

  /** The volume, or null when the map has none of this id. The same object each time. */
  volume(id: VolumeId): Volume | null {
    if (!this.#map.volumes.has(id)) return null;
    let volume = this.#volumes.get(id);
    if (!volume) this.#volumes.set(id, (volume = new RemoteVolume(this, this.#map, id)));
    return volume;
  }

  /** Lowest operation number still open (R16). */
  get oldestOpen(): number {
    return this.#operations.oldestOpen;
  }

  /** For `RemoteVolume`: begins a command on a range that is not empty. */
  start(kind: CommandKind, id: VolumeId, lba: number, lbaCount: number, data: Buffer | null, arrival: Arrival | null): Promise<VolumeResult<Answer>> {
    const record = this.#map.volumes.get(id);
    if (!record) return Promise.resolve({ ok: false, error: "deleted" });
    if (this.#closed || this.#waiting.length - this.#waitingHead >= WAITING_MAX) return Promise.resolve({ ok: false, error: "unavailable" });
    if (kind !== "read" && this.#map.mode) return Promise.resolve({ ok: false, error: "read-only" });
    const startMs = this.platform.clock.nowMs();
    return new Promise((resolve) => {
      const at = { arrival: arrival ?? new Arrival(this.#arrivals.receivedMs), startMs };
      this.#waiting.push(new Command(kind, { volume: id, lineage: record.lineage, factor: record.factor }, { lba, lbaCount, data }, at, resolve));
      this.#pump();
    });
  }

  /** Keys of the map that were added, changed or removed. */
  mapChanged(keys: readonly string[]): void {
    if (this.#closed) return;
    const groups = new Set<GroupId>();
    const drives = new Set<DriveId>();
    let everything = false;
    for (const key of keys) {
      const [kind = "", id = ""] = [key.slice(0, key.indexOf("/")), key.slice(key.indexOf("/") + 1)];
      if (kind === "pg") groups.add(parseGroupName(id));
      else if (kind === "drive") this.#driveChanged(id as DriveId, drives);
      else if (kind === "death") this.#driveDied(id as DriveId);
      else if (kind === "pool") everything = true;
      else if (key === "mode") this.#modeChanged();
      else if (kind === "volume") {
        everything = true;
        if (!this.#map.volumes.has(Number(id) as VolumeId)) this.#volumes.delete(Number(id) as VolumeId);
      }
    }
    if (groups.size === 0 && drives.size === 0 && !everything) return;
    for (const piece of this.#pieces) {
      const primary = this.#map.groups.get(piece.group)?.config.primary;
      if (piece.state === "paused") {
        if (everything || groups.has(piece.group) || (primary !== undefined && drives.has(primary))) this.#routeAtOnce(piece);
      } else if (piece.state !== "free" && groups.has(piece.group)) this.#groupChanged(piece);
    }
  }

  /** Ends all commands as unavailable and closes every channel. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#sweep.cancel();
    this.#tick.cancel();
    this.#retry?.cancel();
    for (const piece of this.#pieces) if (piece.state !== "free") this.#finishPiece(piece, "unavailable");
    for (const command of this.#waiting) command?.finish("unavailable");
    this.#waiting = [];
    this.#waitingHead = 0;
    for (const link of this.#links.values()) link.close("the iSCSI role stops");
    this.#links.clear();
  }

  // ---- the way of a piece ----

  /** Cuts pieces from the oldest command on, while there is room. */
  #pump(): void {
    if (this.#pumping || this.#closed) return;
    this.#pumping = true;
    while (this.#waitingHead < this.#waiting.length) {
      const command = this.#waiting[this.#waitingHead] as Command;
      if (command.arrival.cancelled && !command.cut) {
        command.error ??= "unavailable";
        if (command.outstanding === 0) command.finish(null);
      }
      if (command.cut || command.resolved) {
        this.#shiftWaiting();
        continue;
      }
      const inUse = this.#pieces.length - this.#free.length;
      if (inUse >= PIECES_MAX || (this.#bytes > 0 && this.#bytes + command.nextBytes > BYTES_MAX)) break;
      const piece = this.#takePiece();
      command.cutInto(piece);
      this.#bytes += piece.bytes;
      if (command.kind !== "read") this.#operations.add(piece);
      this.#route(piece);
    }
    this.#pumping = false;
  }

  #shiftWaiting(): void {
    this.#waiting[this.#waitingHead++] = null;
    if (this.#waitingHead === this.#waiting.length) {
      this.#waiting.length = 0;
      this.#waitingHead = 0;
    } else if (this.#waitingHead > 1024) {
      this.#waiting.splice(0, this.#waitingHead);
      this.#waitingHead = 0;
    }
  }

  #takePiece(): Piece {
    const free = this.#free.pop();
    if (free) return free;
    const piece = new Piece();
    this.#pieces.push(piece);
    return piece;
  }

  /** Sends a paused piece to the primary that the map names now. */
  #route(piece: Piece): void {
    const { command } = piece;
    if (!this.#map.volumes.has(command.volume)) return this.#finishPiece(piece, "deleted");
    if (command.arrival.cancelled) return this.#finishPiece(piece, "unavailable");
    const pool = this.#map.pools.get(command.factor);
    if (!pool) return this.#pause(piece);
    piece.group = groupOf(command.factor, pool.groupCount, command.lineage, piece.extent);
    const refusal = this.#refusal(piece);
    if (refusal) return this.#finishPiece(piece, refusal);
    const config = this.#map.groups.get(piece.group)?.config;
    const drive = config && this.#map.drives.get(config.primary);
    if (!drive) return this.#pause(piece);
    let link = this.#links.get(drive.id);
    if (!link) this.#links.set(drive.id, (link = new Link(this, drive.id, drive)));
    link.submit(piece);
  }

  #routeAtOnce(piece: Piece): void {
    piece.pauseMs = PAUSE_MS_MIN;
    this.#route(piece);
  }

  #pause(piece: Piece): void {
    // R15: its host may have gone on elsewhere; what was sent is not sent again.
    if (piece.command.arrival.cancelled) {
      piece.enter("paused");
      return this.#finishPiece(piece, "unavailable");
    }
    piece.enter("paused");
    piece.retryAtMs = this.platform.clock.nowMs() + piece.pauseMs;
    piece.pauseMs = Math.min(piece.pauseMs * 2, PAUSE_MS_MAX);
    this.#armRetry(piece.retryAtMs);
  }

  /** From a link: the reply. Exhaustive over what a primary may say. */
  answered(piece: Piece, reply: Done | ReadDone): void {
    switch (reply.result) {
      case "done":
        return reply.type === "read-done" ? this.#readDone(piece, reply) : this.#finishPiece(piece, null);
      case "not-primary":
      case "unknown-volume":
        return this.#pause(piece);
      case "corrupt-frame":
        return this.#corrupt(piece, "unavailable");
      case "miscompare":
        piece.command.differsAt = (reply.type === "done" ? reply.offset : undefined) ?? 0;
        return this.#finishPiece(piece, null);
      case "late":
        // Never stamped anew here: to the host it is BUSY, and what it sends then is a new command (R15).
        return this.#finishPiece(piece, "unavailable");
      case "no-space":
      case "read-only":
      case "medium-error":
      case "deleted":
        return this.#finishPiece(piece, reply.result);
    }
  }

  /** From a link: no reply will come, and whether it was carried out is not known. The operation id makes asking again safe. */
  lost(piece: Piece): void {
    this.#pause(piece);
  }

  #readDone(piece: Piece, reply: ReadDone): void {
    const { command } = piece;
    if (!verifyBlocks(reply.checksums, reply.data, command.lineage, piece.extent, piece.firstBlock, piece.blockCount)) {
      this.platform.log.warn("I7: a read was answered with data that does not match its checksums", { volume: command.volume, extent: piece.extent, group: piece.group });
      return this.#corrupt(piece, "medium-error");
    }
    command.gather(piece, reply.data);
    this.#finishPiece(piece, null);
  }

  #corrupt(piece: Piece, error: VolumeError): void {
    piece.corruptCount += 1;
    if (piece.corruptCount > CORRUPT_MAX) this.#finishPiece(piece, error);
    else this.#pause(piece);
  }

  #finishPiece(piece: Piece, error: VolumeError | null): void {
    const { command } = piece;
    if (piece.link) piece.link.release(piece);
    if (command.kind !== "read") this.#operations.remove(piece);
    this.#bytes -= piece.bytes;
    piece.close();
    this.#free.push(piece);
    command.outstanding -= 1;
    command.error ??= error;
    // A caller may use its buffer again once it has the answer, so an error too waits for the pieces still under way.
    if (command.outstanding === 0 && command.cut) command.finish(null);
    this.#pump();
  }

  // ---- read-only ----

  /** What a piece of this group is answered at once while the cluster is read-only; null: it goes its way. */
  #refusal({ command, group }: Piece): VolumeError | null {
    if (!this.#map.mode) return null;
    if (command.kind !== "read") return "read-only";
    return this.#map.unservedGroups.has(group) ? "not-ready" : null;
  }

  /** The cluster has become read-only, or what survives has changed: those that wait already are answered too. */
  #modeChanged(): void {
    if (!this.#map.mode) return;
    this.#readOnlySinceMs = this.platform.clock.nowMs();
    this.#refuse(false);
    for (let at = this.#waitingHead; at < this.#waiting.length; at += 1) {
      const command = this.#waiting[at] as Command;
      if (command.kind === "read") continue;
      if (command.outstanding === 0) command.finish("read-only");
      else command.error ??= "read-only";
    }
    this.#pump();
  }

  /** A write that was sent to a group that serves may still be acknowledged, unless `sentToo`. */
  #refuse(sentToo: boolean): void {
    for (const piece of this.#pieces) {
      if (piece.state === "free") continue;
      const refusal = this.#refusal(piece);
      if (refusal && (sentToo || piece.state !== "sent" || this.#map.unservedGroups.has(piece.group))) this.#finishPiece(piece, refusal);
    }
  }

  // ---- news ----

  #groupChanged(piece: Piece): void {
    const config = this.#map.groups.get(piece.group)?.config;
    const link = piece.link as Link;
    if (!config || config.primary === link.driveId) {
      // May take this piece and others back as paused; they are routed by the retry timer.
      if (config) link.outdated(config.primaryInstance);
      return;
    }
    link.release(piece);
    piece.enter("paused");
    this.#routeAtOnce(piece);
  }

  #driveChanged(id: DriveId, changed: Set<DriveId>): void {
    changed.add(id);
    const record = this.#map.drives.get(id);
    const link = this.#links.get(id);
    if (!link) return;
    if (record) return link.retarget(record);
    this.#links.delete(id);
    link.close("the drive has left the cluster");
  }

  #driveDied(id: DriveId): void {
    const death = this.#map.deaths.get(id);
    if (death) this.#links.get(id)?.outdated((death.instance + 1) as Instance);
  }

  // ---- time ----

  #armRetry(atMs: number): void {
    if (atMs >= this.#retryAtMs || this.#closed) return;
    this.#retry?.cancel();
    this.#retryAtMs = atMs;
    // Never sooner than the shortest pause: one timer serves all that become due about then.
    this.#retry = this.platform.clock.timer(Math.max(atMs - this.platform.clock.nowMs(), 1), () => this.#retryDue());
  }

  #retryDue(): void {
    this.#retry = null;
    this.#retryAtMs = Infinity;
    const nowMs = this.platform.clock.nowMs();
    let nextMs = Infinity;
    for (const piece of this.#pieces) {
      if (piece.state !== "paused") continue;
      if (piece.retryAtMs <= nowMs) this.#route(piece);
      else nextMs = Math.min(nextMs, piece.retryAtMs);
    }
    if (nextMs < Infinity) this.#armRetry(nextMs);
  }

  #ticked(): void {
    this.#arrivals.tick(this.platform.clock.nowMs());
    this.#tick = this.platform.clock.timer(ARRIVAL_TICK_MS, () => this.#ticked());
  }

  #swept(): void {
    const nowMs = this.platform.clock.nowMs();
    this.#sweep = this.platform.clock.timer(SWEEP_MS, () => this.#swept());
    // Those that wait come first: room that comes free must not go to a command whose time is up.
    for (let at = this.#waitingHead; at < this.#waiting.length; at += 1) {
      const command = this.#waiting[at] as Command;
      if (nowMs < command.deadlineMs) break;
      command.finish("unavailable");
    }
    if (this.#map.mode && nowMs - this.#readOnlySinceMs > SENT_WHEN_READ_ONLY_MS) this.#refuse(true);
    for (const piece of this.#pieces) {
      // R15: what waits to be sent for a host that is gone is dropped.
      const dropped = piece.state !== "free" && piece.state !== "sent" && piece.command.arrival.cancelled;
      if (dropped) this.#finishPiece(piece, "unavailable");
      if (piece.state === "free" || nowMs < piece.command.deadlineMs) continue;
      piece.command.finish("unavailable");
      this.#finishPiece(piece, "unavailable");
    }
    this.#pump();
    for (const [id, link] of this.#links) {
      if (!link.unusedSince(nowMs - UNUSED_MS)) continue;
      this.#links.delete(id);
      link.close("nothing to say for a while");
    }
  }
}

