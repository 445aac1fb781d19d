import { mkdir, open, readFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { grubEnvironment, machineIdIn, UNFINISHED_GRUB_CFG } from "./boot-config.ts";
import { command } from "./command.ts";
import type { Medium } from "./medium.ts";
import { withMount } from "./mounts.ts";
import { partitionOf, type Plan, type PlannedPartition } from "./plan.ts";
import { copySlot, verifySlot, writeDurably, type Advance } from "./slot-files.ts";

/** What every step knows. */
export interface Work {
  readonly plan: Plan;
  readonly medium: Medium;
  readonly boot: BootSupport;
  /** The grub.cfg that the drive gets when everything else is done. */
  readonly grubCfg: string;
  /** 32 hexadecimal digits; an earlier installation's one takes its place where the state is kept. */
  machineId: string;
}

/** How a drive is made to start. Tests on a kernel without FAT leave UEFI out and use another filesystem. */
export interface BootSupport {
  readonly espFilesystem: "vfat" | "ext4";
  /** In the order in which GRUB is installed. */
  readonly targets: readonly ("i386-pc" | "x86_64-efi")[];
}
export const BOTH_FIRMWARES: BootSupport = { espFilesystem: "vfat", targets: ["i386-pc", "x86_64-efi"] };

/** One step of an installation. All may be done again from the first one, on whatever an earlier attempt left behind. */
export interface Step {
  readonly name: string;
  /** For people, while it runs. */
  readonly title: string;
  /** True for what needs the partitions' nodes, which udev may be making anew just then. */
  readonly needsPartitions: boolean;
  run(work: Work, advance: Advance): Promise<void>;
}

/**
 * The order makes a half-installed drive harmless: until `activate`, which is last, GRUB on it finds nothing, or a
 * configuration that says so. The medium is checked before anything on the drive is touched.
 */
export const STEPS: readonly Step[] = [
  { name: "check-medium", title: "Checking the installation medium", needsPartitions: false, run: checkMedium },
  { name: "erase", title: "Erasing the drive", needsPartitions: false, run: erase },
  { name: "partition", title: "Writing the partition table", needsPartitions: false, run: partition },
  { name: "format-boot", title: "Making the boot partition", needsPartitions: true, run: formatBoot },
  { name: "boot-loader", title: "Installing the boot loader", needsPartitions: true, run: bootLoader },
  { name: "format", title: "Making the filesystems", needsPartitions: true, run: format },
  { name: "copy", title: "Copying the system", needsPartitions: true, run: copy },
  { name: "verify", title: "Reading the system back from the drive", needsPartitions: true, run: verify },
  { name: "activate", title: "Making the drive bootable", needsPartitions: true, run: activate },
];

/** At both ends of a drive lie its partition table and what firmware, RAID and ZFS leave there. */
const ERASED_BYTES = 4 * 2 ** 20;
/** How long the nodes of new partitions may take to appear. */
const NODES_WAIT_MS = 15_000;

async function checkMedium({ medium }: Work, advance: Advance): Promise<void> {
  await verifySlot(medium.directory, medium.manifest, "the installation medium", advance).catch((error: unknown) => {
    throw new Error(`${error instanceof Error ? error.message : String(error)} Write the ISO to the medium again; nothing was changed.`, { cause: error });
  });
}

async function erase({ plan }: Work): Promise<void> {
  // An older system's configuration must not start what is about to be replaced: formatting the ESP is then the first act.
  if (plan.mode === "keep-state") return;
  const { device } = plan;
  const children = await command(["lsblk", "-nrpo", "NAME", device]);
  for (const path of children.stdout.split("\n").filter((name) => name !== "" && name !== device)) await command(["wipefs", "-a", "-f", path]);
  await command(["wipefs", "-a", "-f", device]);
  await zeroEnds(device);
  // Nodes of partitions that are no longer in a table; there may be none.
  await command(["partx", "--delete", device], { accept: [0, 1] });
}

async function zeroEnds(device: string): Promise<void> {
  const size = Number((await command(["blockdev", "--getsize64", device])).stdout.trim());
  const zeros = Buffer.alloc(ERASED_BYTES);
  const drive = await open(device, "r+");
  try {
    // The end first: without it the table's second copy would bring the first one back.
    await drive.write(zeros, 0, ERASED_BYTES, size - ERASED_BYTES);
    await drive.write(zeros, 0, ERASED_BYTES, 0);
    await drive.sync();
  } finally {
    await drive.close();
  }
}

async function partition({ plan }: Work): Promise<void> {
  if (plan.table === null) return;
  await command(["sfdisk", "--wipe", "always", "--wipe-partitions", "always", "--no-tell-kernel", plan.device], { input: plan.table });
  // One way that also works on a kernel that does not read tables by itself, such as on loop devices.
  await command(["partx", "--update", plan.device], { accept: [0, 1] });
  await partitionsReady(plan);
  // What lay at these places before may look like a filesystem.
  for (const { path } of plan.partitions) await command(["wipefs", "-a", "-f", path]);
}

/** Whenever a whole drive was open for writing, udev reads its table again, and the nodes vanish for a moment. */
export async function partitionsReady(plan: Plan): Promise<void> {
  // Not for long: udev may hang on another device. Whether the nodes are there is looked at below.
  await command(["udevadm", "settle", "--timeout=30"], { accept: [0, 1] });
  const end = Date.now() + NODES_WAIT_MS;
  for (const { path } of plan.partitions) {
    while (!existsSync(path)) {
      if (Date.now() > end) throw new Error(`${path} did not appear after the partition table of ${plan.device} was written. Restart the server and install again.`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function formatBoot(work: Work): Promise<void> {
  const { plan, boot } = work;
  const { path } = partitionOf(plan, "esp");
  if (plan.mode === "keep-state") work.machineId = (await oldMachineId(work)) ?? work.machineId;
  if (boot.espFilesystem === "vfat") await command(["mkfs.vfat", "-F", "32", "-n", "VS-ESP", path]);
  else await command(["mkfs.ext4", "-q", "-F", "-L", "vs-esp", path]);
}

async function oldMachineId(work: Work): Promise<string | null> {
  try {
    return machineIdIn(await withEsp(work, (esp) => readFile(join(esp, "grub/grubenv"), "utf8")));
  } catch {
    // A drive whose boot partition cannot be read gets a new one; only the old journal is under another name then.
    return null;
  }
}

async function bootLoader(work: Work): Promise<void> {
  await withEsp(work, async (esp) => {
    await mkdir(join(esp, "grub"), { recursive: true });
    await writeDurably(join(esp, "grub"), "grub.cfg", UNFINISHED_GRUB_CFG);
    for (const target of work.boot.targets) {
      const forTarget = target === "i386-pc" ? [work.plan.device] : ["--efi-directory", esp, "--removable", "--no-nvram"];
      await command(["grub-install", `--target=${target}`, `--boot-directory=${esp}`, "--locales=", "--themes=", "--fonts=", ...forTarget]);
    }
    // Already here, so that a cut from now on does not lose an earlier installation's machine id.
    await writeDurably(join(esp, "grub"), "grubenv", grubEnvironment("a", work.machineId));
  });
}

async function format({ plan }: Work): Promise<void> {
  for (const made of plan.partitions) if (made.format && made.role !== "esp") await makeExt4(made);
  if (plan.mode === "keep-state") await checkState(partitionOf(plan, "state"));
}

async function makeExt4({ path, name }: PlannedPartition): Promise<void> {
  await command(["mkfs.ext4", "-q", "-F", "-L", name, path]);
}

/** fsck: 0 nothing to do, 1 corrected, 2 corrected and wants a restart, which an unmounted filesystem does not need. */
async function checkState({ path }: PlannedPartition): Promise<void> {
  await command(["e2fsck", "-f", "-p", path], { accept: [0, 1, 2] }).catch((error: unknown) => {
    throw new Error(`The state on ${path} cannot be kept: its filesystem is damaged. Install again without keeping it. ${error instanceof Error ? error.message : ""}`, { cause: error });
  });
  // The name by which the system finds it, should an older version have used another.
  await command(["e2label", path, "vs-state"]);
}

async function copy({ plan, medium }: Work, advance: Advance): Promise<void> {
  await withMount({ device: partitionOf(plan, "slotA").path, type: "ext4", options: "rw" }, async (at) => {
    await copySlot(medium, at, advance);
    await command(["sync", "-f", at]);
  });
}

/** Mounted anew, so that it comes from the drive and not from memory. */
async function verify({ plan, medium }: Work, advance: Advance): Promise<void> {
  const { path } = partitionOf(plan, "slotA");
  await command(["blockdev", "--flushbufs", path]);
  await withMount({ device: path, type: "ext4", options: "ro" }, async (at) => {
    await verifySlot(at, medium.manifest, path, advance).catch((error: unknown) => {
      throw new Error(`${error instanceof Error ? error.message : String(error)} The drive does not keep what is written to it: choose another one.`, { cause: error });
    });
  });
}

async function activate(work: Work): Promise<void> {
  await withEsp(work, async (esp) => {
    const folder = join(esp, "grub");
    await writeDurably(folder, "grub.cfg", work.grubCfg);
    await command(["sync", "-f", folder]);
  });
  await command(["blockdev", "--flushbufs", work.plan.device]);
}

function withEsp<T>({ plan, boot }: Work, use: (at: string) => Promise<T>): Promise<T> {
  return withMount({ device: partitionOf(plan, "esp").path, type: boot.espFilesystem, options: "rw" }, use);
}
