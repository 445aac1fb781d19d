import * as v from "valibot";
import { MOUNTS } from "./mounts.ts";
import { bytesText } from "./words.ts";

/** Labels by which a drive of VirtuStor is known. The names of the partitions are the same, except for the ESP's filesystem. */
export const LABELS = {
  bios: "vs-boot",
  esp: "vs-esp",
  slotA: "vs-slot-a",
  slotB: "vs-slot-b",
  state: "vs-state",
} as const;
/** Data drives: the filesystem's label begins so. */
export const DATA_LABEL_PREFIX = "vs-data";
/** The ISO's volume id. */
export const MEDIUM_LABEL = "VIRTUSTOR";

/** A smaller system drive has no room for two slots and the logs of a year. */
export const SYSTEM_DRIVE_BYTES_MIN = 16 * 2 ** 30;
/** A smaller one would be full of its own journal. */
export const DATA_DRIVE_BYTES_MIN = 2 ** 30;

/** A block device as `lsblk` and `blkid` see it: a drive, or a partition of one. */
export interface BlockDevice {
  /** Such as /dev/sda. */
  readonly path: string;
  /** lsblk's word: disk, part, loop, rom, raid1, lvm, crypt, mpath ... */
  readonly type: string;
  readonly sizeBytes: number;
  readonly sectorBytes: number;
  readonly model: string | null;
  readonly serial: string | null;
  /** sata, sas, nvme, usb, virtio ...; null when the system does not say. */
  readonly bus: string | null;
  readonly rotational: boolean;
  readonly removable: boolean;
  readonly readOnly: boolean;
  readonly mountpoints: readonly string[];
  readonly filesystem: string | null;
  readonly label: string | null;
  readonly uuid: string | null;
  readonly partitionTable: string | null;
  readonly partitionName: string | null;
  /** As in `Probe`. */
  readonly serverName: string | null;
  readonly children: readonly BlockDevice[];
}

/** What `blkid -p` finds on a device itself, whatever udev knows. */
export interface Probe {
  readonly filesystem: string | null;
  readonly label: string | null;
  readonly uuid: string | null;
  readonly partitionTable: string | null;
  readonly partitionName: string | null;
  /** The superblock of a VirtuStor drive was found on it. */
  readonly virtustorData: boolean;
  /** The name of the server whose state lies on it. */
  readonly serverName: string | null;
}

/** A system that was installed before, and where its parts lie. */
export interface ExistingSystem {
  readonly bios: BlockDevice;
  readonly esp: BlockDevice;
  readonly slotA: BlockDevice;
  readonly slotB: BlockDevice;
  readonly state: BlockDevice;
}

/** What is on a drive, from harmless to lose to hard to bring back. */
export type Holds = "nothing" | "foreign" | "system" | "data" | "medium";

/** A drive of this server, judged as a system drive. */
export interface DriveChoice {
  readonly device: string;
  readonly model: string;
  /** Empty when the drive does not state one. */
  readonly serial: string;
  readonly sizeBytes: number;
  readonly sectorBytes: number;
  readonly bus: string;
  readonly rotational: boolean;
  readonly removable: boolean;
  readonly holds: Holds;
  /** One line for each thing found; never empty. */
  readonly content: readonly string[];
  /** Not null when all partitions of an earlier installation are there. */
  readonly existing: ExistingSystem | null;
  /** Why it cannot be chosen, as a sentence; null when it can. */
  readonly refusal: string | null;
  /** Likewise, as a data drive. */
  readonly dataRefusal: string | null;
}

const text = v.nullish(v.string());
const number = v.nullish(v.union([v.number(), v.pipe(v.string(), v.transform(Number), v.number())]));
const flag = v.nullish(v.union([v.boolean(), v.pipe(v.string(), v.transform((said) => said === "1"))]));
interface LsblkDevice {
  readonly [key: string]: unknown;
  readonly children?: readonly unknown[] | undefined;
}
const LSBLK_DEVICE = v.looseObject({
  path: v.string(),
  type: v.string(),
  size: number,
  "log-sec": number,
  model: text,
  serial: text,
  tran: text,
  vendor: text,
  subsystems: text,
  rota: flag,
  rm: flag,
  ro: flag,
  mountpoints: v.nullish(v.array(v.nullable(v.string()))),
  fstype: text,
  label: text,
  uuid: text,
  pttype: text,
  partlabel: text,
  children: v.optional(v.array(v.unknown())),
});
const LSBLK = v.looseObject({ blockdevices: v.array(v.unknown()) });

/**
 * The devices in the answer of `lsblk --json -b -O`, completed by what was found on each: without udev, lsblk knows no
 * filesystems, and a full drive would look empty. Throws when the answer is none of lsblk's.
 */
export function devicesOf(lsblk: unknown, probes: ReadonlyMap<string, Probe>): BlockDevice[] {
  return v.parse(LSBLK, lsblk).blockdevices.map((raw) => deviceOf(raw, probes));
}

function deviceOf(raw: unknown, probes: ReadonlyMap<string, Probe>): BlockDevice {
  const said: LsblkDevice & v.InferOutput<typeof LSBLK_DEVICE> = v.parse(LSBLK_DEVICE, raw);
  const probe = probes.get(said.path);
  const word = (value: string | null | undefined): string | null => (value ?? "").trim() || null;
  return {
    path: said.path,
    type: said.type,
    sizeBytes: said.size ?? 0,
    sectorBytes: said["log-sec"] ?? 512,
    model: word(said.model),
    serial: word(said.serial),
    bus: word(said.tran) ?? (said.subsystems?.includes("virtio") === true ? "virtio" : null),
    rotational: said.rota === true,
    removable: said.rm === true,
    readOnly: said.ro === true,
    // An installer that was killed left its own; the next one clears them away.
    mountpoints: (said.mountpoints ?? []).filter((at): at is string => at !== null && !at.startsWith(`${MOUNTS}/`)),
    filesystem: probe?.filesystem ?? word(said.fstype),
    label: probe?.virtustorData === true ? DATA_LABEL_PREFIX : (probe?.label ?? word(said.label)),
    uuid: probe?.uuid ?? word(said.uuid),
    partitionTable: probe?.partitionTable ?? word(said.pttype),
    partitionName: probe?.partitionName ?? word(said.partlabel),
    serverName: probe?.serverName ?? null,
    children: (said.children ?? []).map((child) => deviceOf(child, probes)),
  };
}

/** `kinds` are lsblk's words for what may become a system drive; tests add "loop". */
export function choicesOf(devices: readonly BlockDevice[], kinds: readonly string[] = ["disk"]): DriveChoice[] {
  return devices.filter((device) => kinds.includes(device.type) && device.sizeBytes > 0 && !isMemory(device)).map(choiceOf);
}

/** RAM disks and compressed memory call themselves disks. */
function isMemory({ path }: BlockDevice): boolean {
  return /^\/dev\/(zram|ram)\d+$/.test(path);
}

function choiceOf(drive: BlockDevice): DriveChoice {
  const existing = existingSystem(drive);
  const holds = heldBy(drive);
  return {
    device: drive.path,
    model: drive.model ?? "unknown model",
    serial: drive.serial ?? "",
    sizeBytes: drive.sizeBytes,
    sectorBytes: drive.sectorBytes,
    bus: drive.bus ?? "unknown bus",
    rotational: drive.rotational,
    removable: drive.removable,
    holds,
    content: contentOf(drive, holds),
    existing,
    refusal: refusalOf(drive, holds, SYSTEM_DRIVE_BYTES_MIN),
    dataRefusal: refusalOf(drive, holds, DATA_DRIVE_BYTES_MIN),
  };
}

function withChildren(device: BlockDevice): BlockDevice[] {
  return [device, ...device.children.flatMap(withChildren)];
}

function heldBy(drive: BlockDevice): Holds {
  const all = withChildren(drive);
  if (all.some(isMedium)) return "medium";
  if (all.some(({ label, partitionName }) => label?.startsWith(DATA_LABEL_PREFIX) === true || partitionName?.startsWith(DATA_LABEL_PREFIX) === true)) return "data";
  if (all.some(({ label, partitionName }) => label === LABELS.state || partitionName === LABELS.state)) return "system";
  if (drive.children.length > 0 || drive.filesystem !== null || drive.partitionTable !== null) return "foreign";
  return "nothing";
}

export function isMedium({ filesystem, label }: BlockDevice): boolean {
  return filesystem === "iso9660" && label === MEDIUM_LABEL;
}

function existingSystem(drive: BlockDevice): ExistingSystem | null {
  const named = (name: string): BlockDevice | undefined => drive.children.find(({ partitionName }) => partitionName === name);
  const [bios, esp, slotA, slotB, state] = [named(LABELS.bios), named(LABELS.esp), named(LABELS.slotA), named(LABELS.slotB), named(LABELS.state)];
  if (!bios || !esp || !slotA || !slotB || !state) return null;
  return { bios, esp, slotA, slotB, state };
}

function contentOf(drive: BlockDevice, holds: Holds): string[] {
  const lines: string[] = [];
  if (holds === "medium") lines.push("the VirtuStor installation medium");
  if (holds === "data") lines.push("a VirtuStor data drive: copies of volumes lie on it");
  if (holds === "system") {
    const name = drive.children.find(({ serverName }) => serverName !== null)?.serverName;
    lines.push(name == null ? "a VirtuStor system" : `the VirtuStor system of ${name}`);
  }
  if (drive.children.length > 0) {
    lines.push(`${drive.children.length} partition${drive.children.length === 1 ? "" : "s"}${drive.partitionTable === null ? "" : ` (${drive.partitionTable})`}`);
    for (const part of drive.children) lines.push(`${part.path}  ${bytesText(part.sizeBytes)}  ${partText(part)}`);
  } else if (drive.filesystem !== null) {
    lines.push(partText(drive));
  } else if (drive.partitionTable !== null) {
    lines.push(`an empty partition table (${drive.partitionTable})`);
  }
  return lines.length === 0 ? ["empty"] : lines;
}

function partText({ filesystem, label, partitionName, mountpoints }: BlockDevice): string {
  const name = label ?? partitionName;
  const what = filesystem === null ? "no filesystem" : filesystem;
  return `${what}${name === null ? "" : ` "${name}"`}${mountpoints.length === 0 ? "" : `, mounted on ${mountpoints.join(", ")}`}`;
}

function refusalOf(drive: BlockDevice, holds: Holds, bytesMin: number): string | null {
  const { path, sizeBytes } = drive;
  if (holds === "medium") return `${path} is the installation medium. Choose another drive.`;
  if (drive.readOnly) return `${path} is read-only: it, or its controller, refuses writes. Remove the write protection or choose another drive.`;
  if (sizeBytes < bytesMin) {
    return `${path} has ${bytesText(sizeBytes)}; a ${bytesMin === SYSTEM_DRIVE_BYTES_MIN ? "system" : "data"} drive needs at least ${bytesText(bytesMin)}. Choose a larger drive.`;
  }
  const below = withChildren(drive);
  const mounted = below.find(({ mountpoints }) => mountpoints.length > 0);
  if (mounted !== undefined) return `${mounted.path} is in use: mounted on ${mounted.mountpoints.join(", ")}. Unmount it, or choose another drive.`;
  const holder = below.find(({ type }) => type !== drive.type && type !== "part");
  if (holder !== undefined) return `${path} is part of ${holder.path} (${holder.type}), which is in use. Take that apart first, or choose another drive.`;
  return null;
}
