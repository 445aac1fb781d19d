import type { Volume } from "../volume/volume.ts";

/** A volume as a host sees it: the volume, and the identity that must be the same through every portal. */
export interface LogicalUnit {
  readonly volume: Volume;
  /** The administrator's name for it; hosts do not see it. */
  readonly name: string;
  /** NAA type 6 identifier: 32 hexadecimal digits, the first is 6. */
  readonly naa: string;
  /** Unit serial number, ASCII. */
  readonly serial: string;
  /** This mapping refuses writes (DATA PROTECT), whatever the volume allows. */
  readonly readOnly: boolean;
}

/** LUN number -> unit, as one host sees them. */
export type UnitMap = ReadonlyMap<number, LogicalUnit>;

/** A group of target ports with the same state. In iSCSI a SCSI target port is a target name and a portal group tag (RFC 7143 4.4.1). */
export interface TargetPort {
  /** Relative target port identifier and target port group, unique in the cluster: 1 to 65535. */
  readonly groupTag: number;
}

export const VENDOR = "VIRTUSTO";
/** The same on all units: VMware copies between two only if their products are equal. */
export const PRODUCT = "VIRTUAL-DISK";
export const REVISION = "0001";
