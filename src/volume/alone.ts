import type { DriveId } from "../base/ids.ts";
import type { ClusterMap } from "../cluster/map.ts";
import type { GroupConfig } from "../cluster/schema.ts";
import type { CommandKind } from "./command.ts";
import type { Piece } from "./piece.ts";
import type { VolumeError } from "./volume.ts";

/** After a drive has said that it takes no writes, others are refused without asking for so long. */
const READ_ONLY_MS = 30_000;
/** A drive that says nothing for so long while the store is silent is no longer waited for: no news of it will come. */
export const SILENT_DRIVE_MS = 3000;

/**
 * R24 at a portal whose cluster store is silent: reads of groups whose primary cannot be reached go to a copy on this server. Only that
 * drive decides whether it may answer; the portal obeys what it says.
 */
export class Alone {
  #local: ReadonlySet<DriveId> | null = null;
  #readOnlyUntilMs = 0;

  /** Drives of this server while the store is silent; null when it answers. */
  set(local: ReadonlySet<DriveId> | null): void {
    this.#local = local;
    if (local === null) this.#readOnlyUntilMs = 0;
  }
  get active(): boolean {
    return this.#local !== null;
  }
  /** A drive has refused a write as read-only. */
  toldReadOnly(nowMs: number): void {
    if (this.active) this.#readOnlyUntilMs = nowMs + READ_ONLY_MS;
  }
  readOnly(nowMs: number): boolean {
    return this.active && nowMs < this.#readOnlyUntilMs;
  }

  /** Whom to ask instead of a primary that cannot be reached: a drive, an answer for the host, or null to go on trying. */
  instead(config: GroupConfig, kind: CommandKind, nowMs: number): { readonly drive: DriveId } | { readonly error: VolumeError } | null {
    const drive = config.members.find((member) => member !== config.primary && this.#local?.has(member));
    if (drive !== undefined) return { drive };
    if (!this.readOnly(nowMs)) return null;
    return { error: kind === "read" ? "not-ready" : "read-only" };
  }
}

/** What a piece is answered at once while the cluster is read-only; null: it goes its way. */
export function refusalOf(map: ClusterMap, { command, group }: Piece): VolumeError | null {
  if (!map.mode) return null;
  if (command.kind !== "read") return "read-only";
  return map.unservedGroups.has(group) ? "not-ready" : null;
}
