import { assert } from "../base/assert.ts";
import { LABELS, SYSTEM_DRIVE_BYTES_MIN, type DriveChoice } from "./drives.ts";
import { bytesText } from "./words.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** GRUB's own image for BIOS. */
const BIOS_BYTES = MIB;
/** Both boot loaders, their configuration and the choice of the slot. */
const ESP_BYTES = 256 * MIB;
/** A slot takes some 180 MiB today. */
export const SLOT_BYTES = GIB;
/** The store, a year's logs and history; more would only be worn for nothing. */
export const STATE_BYTES_MAX = 32 * GIB;
/** Before the first partition, and behind the last (the table's second copy, rounded up). */
const EDGE_BYTES = MIB;

const TYPE_BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649";
const TYPE_ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
const TYPE_LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";

export type PartitionRole = "bios" | "esp" | "slotA" | "slotB" | "state";
export interface PlannedPartition {
  readonly role: PartitionRole;
  /** Such as /dev/sda3 or /dev/nvme0n1p3. */
  readonly path: string;
  /** Name in the partition table. */
  readonly name: string;
  readonly type: string;
  readonly sizeBytes: number;
  /** False for a state partition that is kept. */
  readonly format: boolean;
  /** Of the filesystem; a FAT's has the form 12AB-34CD. null where there is no filesystem. */
  readonly uuid: string | null;
}

/** Everything that an installation will do to a drive, before anything is done. */
export interface Plan {
  readonly device: string;
  /** "keep-state": the partition table and the state partition stay. */
  readonly mode: "erase" | "keep-state";
  /** In the order of the table: the index is the partition's number less one. */
  readonly partitions: readonly PlannedPartition[];
  /** For sfdisk; null when the table stays. */
  readonly table: string | null;
  /** Left without a partition: see `planInstallation`. */
  readonly unusedBytes: number;
}

/** Fresh identities, made outside so that planning stays a pure function. */
export interface NewIds {
  /** UUIDs with dashes, in lower case. */
  readonly slotA: string;
  readonly slotB: string;
  readonly state: string;
  /** Eight hexadecimal digits. */
  readonly esp: string;
}

/**
 * Partitions of a system drive:
 *
 *     vs-boot     1 MiB   GRUB for BIOS (no filesystem)
 *     vs-esp    256 MiB   FAT: both boot loaders, grub.cfg, which slot is active
 *     vs-slot-a   1 GiB   ext4: one version of the system, four files
 *     vs-slot-b   1 GiB   ext4: the other
 *     vs-state    rest    ext4, at most 32 GiB: all that this server keeps
 *
 * What is left of a larger drive stays without a partition. Data goes to whole drives of its own: on the system drive its
 * syncs would hold up those of the cluster store, and one failure would take both. Flash wears less with the room.
 */
export function planInstallation(drive: DriveChoice, mode: Plan["mode"], ids: NewIds): Plan {
  assert(drive.refusal === null, "only a drive that may be chosen is planned for");
  assert(drive.sizeBytes >= SYSTEM_DRIVE_BYTES_MIN, "a system drive has room for the plan");
  return mode === "keep-state" ? keepState(drive, ids) : erase(drive, ids);
}

function erase(drive: DriveChoice, ids: NewIds): Plan {
  const fixed = 2 * EDGE_BYTES + BIOS_BYTES + ESP_BYTES + 2 * SLOT_BYTES;
  const room = Math.floor((drive.sizeBytes - fixed) / MIB) * MIB;
  const stateBytes = Math.min(room, STATE_BYTES_MAX);
  const partition = (index: number, role: PartitionRole, type: string, sizeBytes: number, uuid: string | null): PlannedPartition => ({
    role, path: partitionPath(drive.device, index + 1), name: LABELS[role], type, sizeBytes, format: uuid !== null, uuid,
  });
  const partitions = [
    partition(0, "bios", TYPE_BIOS_BOOT, BIOS_BYTES, null),
    partition(1, "esp", TYPE_ESP, ESP_BYTES, fatUuid(ids.esp)),
    partition(2, "slotA", TYPE_LINUX, SLOT_BYTES, ids.slotA),
    partition(3, "slotB", TYPE_LINUX, SLOT_BYTES, ids.slotB),
    partition(4, "state", TYPE_LINUX, stateBytes, ids.state),
  ];
  return { device: drive.device, mode: "erase", partitions, table: tableOf(partitions), unusedBytes: room - stateBytes };
}

function keepState(drive: DriveChoice, ids: NewIds): Plan {
  const refusal = keepStateRefusal(drive);
  const { existing } = drive;
  assert(refusal === null && existing !== null, "a state partition is kept only where one can be");
  const found = (role: PartitionRole, type: string, uuid: string | null, format: boolean): PlannedPartition => ({
    role, path: existing[role].path, name: LABELS[role], type, sizeBytes: existing[role].sizeBytes, format, uuid,
  });
  const partitions = [
    found("bios", TYPE_BIOS_BOOT, null, false),
    found("esp", TYPE_ESP, fatUuid(ids.esp), true),
    found("slotA", TYPE_LINUX, ids.slotA, true),
    found("slotB", TYPE_LINUX, ids.slotB, true),
    found("state", TYPE_LINUX, existing.state.uuid, false),
  ];
  return { device: drive.device, mode: "keep-state", partitions, table: null, unusedBytes: 0 };
}

/** Why the state of an earlier installation on this drive cannot be kept; null when it can. */
export function keepStateRefusal(drive: DriveChoice): string | null {
  const { existing, device } = drive;
  if (existing === null) return `${device} has no complete VirtuStor system on it whose state could be kept.`;
  if (existing.state.filesystem !== "ext4" || existing.state.uuid === null) {
    return `${existing.state.path} should hold the state of this server and has no readable ext4 filesystem. It cannot be kept.`;
  }
  for (const [part, needed] of [[existing.bios, BIOS_BYTES], [existing.esp, ESP_BYTES], [existing.slotA, SLOT_BYTES], [existing.slotB, SLOT_BYTES]] as const) {
    if (part.sizeBytes < needed) return `${part.path} has ${bytesText(part.sizeBytes)}, this version needs ${bytesText(needed)} there. The state on ${device} cannot be kept.`;
  }
  return null;
}

export function partitionOf(plan: Plan, role: PartitionRole): PlannedPartition {
  const found = plan.partitions.find((partition) => partition.role === role);
  assert(found !== undefined, "every plan has every partition");
  return found;
}

/** sfdisk's script. Sizes in MiB, so that drives with sectors of 4096 bytes get the same. */
function tableOf(partitions: readonly PlannedPartition[]): string {
  const lines = partitions.map(({ sizeBytes, type, name }) => `size=${sizeBytes / MIB}MiB, type=${type}, name="${name}"`);
  return ["label: gpt", ...lines, ""].join("\n");
}

/** A device whose name ends in a digit has its partitions behind a p. */
function partitionPath(device: string, index: number): string {
  return /\d$/.test(device) ? `${device}p${index}` : `${device}${index}`;
}

function fatUuid(id: string): string {
  assert(/^[0-9a-f]{8}$/i.test(id), "a FAT's serial number has eight hexadecimal digits");
  return `${id.slice(0, 4)}-${id.slice(4)}`.toUpperCase();
}
