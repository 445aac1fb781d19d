import { Arrival, ARRIVAL_TICK_MS, ArrivalClock } from "../base/arrival.ts";
import { assert } from "../base/assert.ts";
import type { DriveId, GroupId, Instance, VolumeId } from "../base/ids.ts";
import type { ClusterMap } from "../cluster/map.ts";
import { groupOf } from "../cluster/placement.ts";
import { parseGroupName } from "../cluster/schema.ts";
import type { Platform, Timer } from "../platform/platform.ts";
import type { Dialer } from "../wire/dialer.ts";
import type { Done, ReadDone } from "../wire/messages.ts";
import { Alone, refusalOf, SILENT_DRIVE_MS } from "./alone.ts";
import { verifyBlocks } from "./blocks.ts";
import { CommandQueue } from "./command-queue.ts";
import { Command, COMMAND_DEADLINE_MS, type Answer, type CommandKind } from "./command.ts";
import { LeftBehind } from "./left-behind.ts";
import type { Link } from "./link.ts";
import { Links } from "./links.ts";
import { OperationList, PAUSE_MS_MAX, PAUSE_MS_MIN, Piece } from "./piece.ts";
import { Reach } from "./reach.ts";
import { RetryTimer } from "./retry-timer.ts";
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
  readonly #links: Links;
  /** Which primaries this portal alone does not reach. */
  readonly reach: Reach;
  /** Every piece object ever needed at once; those in use are not "free". */
  readonly #pieces: Piece[] = [];
  readonly #free: Piece[] = [];
  readonly #operations = new OperationList();
  /** Commands not wholly cut yet, in order of arrival. */
  readonly #waiting = new CommandQueue();
  #bytes = 0;
  readonly #arrivals: ArrivalClock;
  #tick: Timer;
  #pumping = false;
  #closed = false;
  #sweep: Timer;
  readonly #retry: RetryTimer;
  #readOnlySinceMs = 0;
  readonly #alone = new Alone();
  readonly leftBehind: LeftBehind;

  /** `map` is kept fresh by the caller, who says so with `mapChanged`. `instance` is random and never 0. */
  constructor(platform: Platform, map: ClusterMap, dialer: Dialer, instance: Instance) {
    assert(instance > 0, "a gateway's instance is not 0");
    this.platform = platform;
    this.leftBehind = new LeftBehind(platform.clock);
    this.dialer = dialer;
    this.instance = instance;
    this.#map = map;
    this.#links = new Links(this, map);
    this.reach = new Reach(map, this.#links);
    this.#retry = new RetryTimer(platform.clock, (nowMs) => this.#retryDue(nowMs));
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
    if (this.#closed || this.#waiting.length >= WAITING_MAX) return Promise.resolve({ ok: false, error: "unavailable" });
    if (kind !== "read" && (this.#map.mode || this.#alone.readOnly(this.platform.clock.nowMs()))) return Promise.resolve({ ok: false, error: "read-only" });
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
    this.reach.mapChanged(keys, this.platform.clock.nowMs());
    const groups = new Set<GroupId>();
    const drives = new Set<DriveId>();
    let everything = false;
    for (const key of keys) {
      const [kind = "", id = ""] = [key.slice(0, key.indexOf("/")), key.slice(key.indexOf("/") + 1)];
      if (kind === "pg") groups.add(parseGroupName(id));
      else if (kind === "drive") {
        drives.add(id as DriveId);
        this.#links.driveChanged(id as DriveId);
      } else if (kind === "death") this.#links.driveDied(id as DriveId);
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

  /** R24: drives of this server while the cluster store is silent; null when it answers. */
  setAlone(local: ReadonlySet<DriveId> | null): void {
    this.#alone.set(local);
  }
  /** Since when the oldest command waits, in the platform's clock; null: none does. Commands that a lone survivor answers do not count. */
  heldSinceMs(): number | null {
    if (this.#alone.readOnly(this.platform.clock.nowMs())) return null;
    let oldestMs = Infinity;
    for (const piece of this.#pieces) if (piece.state !== "free") oldestMs = Math.min(oldestMs, piece.command.deadlineMs - COMMAND_DEADLINE_MS);
    return oldestMs === Infinity ? null : oldestMs;
  }

  /** Ends all commands as unavailable and closes every channel. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#sweep.cancel();
    this.#tick.cancel();
    this.#retry.close();
    for (const piece of this.#pieces) if (piece.state !== "free") this.#finishPiece(piece, "unavailable");
    for (const command of this.#waiting) command.finish("unavailable");
    this.#waiting.clear();
    this.#links.close("the iSCSI role stops");
  }

  // ---- the way of a piece ----

  /** Cuts pieces from the oldest command on, while there is room. */
  #pump(): void {
    if (this.#pumping || this.#closed) return;
    this.#pumping = true;
    for (let command = this.#waiting.first; command; command = this.#waiting.first) {
      if (command.arrival.cancelled && !command.cut) {
        command.error ??= "unavailable";
        if (command.outstanding === 0) command.finish(null);
      }
      if (command.cut || command.resolved) {
        this.#waiting.shift();
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
    const refusal = refusalOf(this.#map, piece);
    if (refusal) return this.#finishPiece(piece, refusal);
    const config = this.#map.groups.get(piece.group)?.config;
    let drive = config && this.#map.drives.get(config.primary);
    if (config && this.#alone.active && this.#links.get(config.primary)?.failing) {
      const instead = this.#alone.instead(config, command.kind, this.platform.clock.nowMs());
      if (instead && "error" in instead) return this.#finishPiece(piece, instead.error);
      if (instead) drive = this.#map.drives.get(instead.drive);
    }
    if (!drive) return this.#pause(piece);
    this.#links.to(drive).submit(piece);
  }

  #routeAnew(piece: Piece, from: Link): void {
    from.release(piece);
    piece.doubtful ||= piece.state === "sent";
    piece.enter("paused");
    this.#routeAtOnce(piece);
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
    this.#retry.arm(piece.retryAtMs);
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
        this.#alone.toldReadOnly(this.platform.clock.nowMs());
        return this.#finishPiece(piece, reply.result);
      case "medium-error":
      case "deleted":
        return this.#finishPiece(piece, reply.result);
    }
  }

  /** From a link: no reply will come, and whether it was carried out is not known. The operation id makes asking again safe. */
  lost(piece: Piece): void {
    piece.doubtful ||= piece.state === "sent";
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
    if (error !== null) this.leftBehind.ended(piece);
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

  /** The cluster has become read-only, or what survives has changed: those that wait already are answered too. */
  #modeChanged(): void {
    if (!this.#map.mode) return;
    this.#readOnlySinceMs = this.platform.clock.nowMs();
    this.#refuse(false);
    this.#waiting.refuseWrites();
    this.#pump();
  }

  /** A write that was sent to a group that serves may still be acknowledged, unless `sentToo`. */
  #refuse(sentToo: boolean): void {
    for (const piece of this.#pieces) {
      if (piece.state === "free") continue;
      const refusal = refusalOf(this.#map, piece);
      if (refusal && (sentToo || piece.state !== "sent" || this.#map.unservedGroups.has(piece.group))) this.#finishPiece(piece, refusal);
    }
  }

  /** R24: without the store no news says that a drive is gone: what waits for one that cannot be reached is routed anew. */
  #leaveSilent(nowMs: number): void {
    this.#links.leaveSilent(nowMs - SILENT_DRIVE_MS);
    for (const piece of this.#pieces) {
      if (piece.state === "free") continue;
      if (this.#alone.readOnly(nowMs) && piece.command.kind !== "read") this.#finishPiece(piece, "read-only");
      else if (piece.state === "pending" && piece.link?.failing) this.#routeAnew(piece, piece.link);
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
    this.#routeAnew(piece, link);
  }

  // ---- time ----

  /** Routes what is due; returns when the next is. */
  #retryDue(nowMs: number): number {
    let nextMs = Infinity;
    for (const piece of this.#pieces) {
      if (piece.state !== "paused") continue;
      if (piece.retryAtMs <= nowMs) this.#route(piece);
      else nextMs = Math.min(nextMs, piece.retryAtMs);
    }
    return nextMs;
  }

  #ticked(): void {
    this.#arrivals.tick(this.platform.clock.nowMs());
    this.#tick = this.platform.clock.timer(ARRIVAL_TICK_MS, () => this.#ticked());
  }

  #swept(): void {
    const nowMs = this.platform.clock.nowMs();
    this.#sweep = this.platform.clock.timer(SWEEP_MS, () => this.#swept());
    // Those that wait come first: room that comes free must not go to a command whose time is up.
    for (const command of this.#waiting) {
      if (nowMs < command.deadlineMs) break;
      command.finish("unavailable");
    }
    if (this.#map.mode && nowMs - this.#readOnlySinceMs > SENT_WHEN_READ_ONLY_MS) this.#refuse(true);
    if (this.#alone.active) this.#leaveSilent(nowMs);
    for (const piece of this.#pieces) {
      // R15: what waits to be sent for a host that is gone is dropped.
      const dropped = piece.state !== "free" && piece.state !== "sent" && piece.command.arrival.cancelled;
      if (dropped) this.#finishPiece(piece, "unavailable");
      if (piece.state === "free" || nowMs < piece.command.deadlineMs) continue;
      piece.command.finish("unavailable");
      this.#finishPiece(piece, "unavailable");
    }
    this.#pump();
    this.#links.closeUnused(nowMs);
  }
}
