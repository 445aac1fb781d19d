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

export type PartitionRole = "bios" | "esp" | "slotA" | "slotB" | "state";
const ORDER: readonly PartitionRole[] = ["bios", "esp", "slotA", "slotB", "state"];
const LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
/** GPT's types: BIOS boot, EFI system, Linux filesystem. */
const TYPES: Record<PartitionRole, string> = {
  bios: "21686148-6449-6E6F-744E-656564454649", esp: "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", slotA: LINUX, slotB: LINUX, state: LINUX,
};

export interface PlannedPartition {
  readonly role: PartitionRole;
  /** Such as /dev/sda3 or /dev/nvme0n1p3. */
  readonly path: string;
  /** Name in the partition table. */
  readonly name: string;
  readonly type: string;
  readonly sizeBytes: number;
  /** True when it gets a new filesystem. */
  readonly format: boolean;
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

/**
 * Partitions of a system drive:
 *
 *     vs-boot     1 MiB   GRUB for BIOS (no filesystem)
 *     vs-esp    256 MiB   FAT: both boot loaders, grub.cfg, which slot is active
 *     vs-slot-a   1 GiB   ext4: one version of the system, four files
 *     vs-slot-b   1 GiB   ext4: the other
 *     vs-state    rest    ext4, at most 32 GiB: all that this server keeps
 *
 * The order is part of the format: grub.cfg counts the partitions of the drive that it lies on, so that a second system drive in
 * the same server, with the same labels, is never mixed up with it.
 *
 * What is left of a larger drive stays without a partition. Data goes to whole drives of its own: on the system drive its
 * syncs would hold up those of the cluster store, and one failure would take both. Flash wears less with the room.
 */
export function planInstallation(drive: DriveChoice, mode: Plan["mode"]): Plan {
  assert(drive.refusal === null, "only a drive that may be chosen is planned for");
  assert(drive.sizeBytes >= SYSTEM_DRIVE_BYTES_MIN, "a system drive has room for the plan");
  return mode === "keep-state" ? keepState(drive) : erase(drive);
}

function erase(drive: DriveChoice): Plan {
  const fixed = 2 * EDGE_BYTES + BIOS_BYTES + ESP_BYTES + 2 * SLOT_BYTES;
  const room = Math.floor((drive.sizeBytes - fixed) / MIB) * MIB;
  const stateBytes = Math.min(room, STATE_BYTES_MAX);
  const sizes: Record<PartitionRole, number> = { bios: BIOS_BYTES, esp: ESP_BYTES, slotA: SLOT_BYTES, slotB: SLOT_BYTES, state: stateBytes };
  const partitions = ORDER.map((role, index) => ({
    role, path: partitionPath(drive.device, index + 1), name: LABELS[role], type: TYPES[role], sizeBytes: sizes[role], format: role !== "bios",
  }));
  return { device: drive.device, mode: "erase", partitions, table: tableOf(partitions), unusedBytes: room - stateBytes };
}

function keepState(drive: DriveChoice): Plan {
  const refusal = keepStateRefusal(drive);
  const { existing } = drive;
  assert(refusal === null && existing !== null, "a state partition is kept only where one can be");
  const partitions = ORDER.map((role) => ({
    role, path: existing[role].path, name: LABELS[role], type: TYPES[role], sizeBytes: existing[role].sizeBytes, format: role !== "bios" && role !== "state",
  }));
  return { device: drive.device, mode: "keep-state", partitions, table: null, unusedBytes: 0 };
}

/** Why the state of an earlier installation on this drive cannot be kept; null when it can. */
export function keepStateRefusal(drive: DriveChoice): string | null {
  const { existing, device } = drive;
  if (existing === null) return `${device} has no complete VirtuStor system on it whose state could be kept.`;
  if (ORDER.some((role, index) => existing[role].path !== partitionPath(device, index + 1))) {
    return `The partitions on ${device} are not in the order that this version needs. The state on it cannot be kept.`;
  }
  if (existing.state.filesystem !== "ext4") {
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
