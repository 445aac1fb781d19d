/** Types of the API: servers and drives as they are added, drained and removed. */

/** A drain that is under way. */
export interface DrainAnswer {
  readonly groupsLeft: number;
  readonly bytesLeft: number;
  /** null: not known yet. */
  readonly secondsLeft: number | null;
}
/** GET /servers. */
export interface ServersAnswer {
  readonly servers: readonly ServerDetailAnswer[];
}
export interface ServerDetailAnswer {
  readonly name: string;
  readonly up: boolean;
  readonly address: string;
  /** "ADDRESS:PORT" of its iSCSI portal. */
  readonly portal: string;
  /** Base URL of its API. */
  readonly api: string;
  /** Ids, as in GET /drives. */
  readonly drives: readonly string[];
  readonly capacityBytes: number;
  readonly usedBytes: number;
  /** Whether it holds a member of the cluster store. */
  readonly storeMember: boolean;
  /** null: not being drained. All zero: drained, it can be removed. */
  readonly drain: DrainAnswer | null;
}
/** POST and DELETE /servers/:name/drain answer ServerDetailAnswer. POST /servers/:name/remove and POST /drives/:id/remove: */
export interface RemoveBody {
  /** The server's name or the drive's id, typed again. */
  readonly confirm: string;
  /** It does not come back: not waited for. Refused while it answers, and while the last copy of anything is on it. */
  readonly lost?: boolean;
}
export interface RemoveAnswer {
  readonly removed: string;
}
/** GET /servers/:name/free-drives. */
export interface FreeDrivesAnswer {
  readonly drives: readonly FreeDriveAnswer[];
}
export interface FreeDriveAnswer {
  /** "/dev/sdb", or a directory of a trial. */
  readonly device: string;
  readonly model: string;
  readonly serial: string;
  readonly sizeBytes: number;
  readonly rotational: boolean;
  /** "empty", or what is on it: "xfs filesystem 'label'". */
  readonly content: string;
}
/** POST /servers/:name/drives: a device, or in a trial a directory. */
export interface DriveAddBody {
  readonly device?: string;
  readonly directory?: string;
  /** Needed when something is on the device: the device's name, typed again. */
  readonly wipe?: string;
  /** Of a directory: how much of its filesystem the drive offers; without it all that is free. */
  readonly capacityBytes?: number;
}
export interface DriveAddAnswer {
  /** null: accepted, its id comes when it is formatted. */
  readonly id: string | null;
  readonly server: string;
  readonly device: string;
}
/** GET /recovery: copies that are being made, for whatever reason. */
export interface RecoveryAnswer {
  readonly groups: number;
  readonly copiedBytes: number;
  readonly remainingBytes: number;
  readonly secondsLeft: number | null;
}
