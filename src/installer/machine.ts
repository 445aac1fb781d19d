import { open, readdir, readFile, readlink } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { command } from "./command.ts";
import { choicesOf, devicesOf, isMedium, LABELS, type BlockDevice, type DriveChoice, type Probe } from "./drives.ts";
import type { MachineFacts, NetworkAdapter } from "./preflight.ts";
import { withMount } from "./mounts.ts";

/** Programs looking at drives at a time: a server has up to some hundred of them, and each may wait for a slow one. */
const PROBES_AT_A_TIME = 8;
/** A drive that does not answer must not hold up the list of the others. */
const PROBE_TIMEOUT_MS = 20_000;
/** blkid: nothing found, or more than one thing that contradict each other. */
const BLKID_NOTHING = 2;
const BLKID_AMBIVALENT = 8;

/** `kinds` as in `choicesOf`. */
export async function readMachine(kinds?: readonly string[]): Promise<MachineFacts> {
  const [cpu, memory, adapters, drives] = await Promise.all([readFile("/proc/cpuinfo", "utf8"), readFile("/proc/meminfo", "utf8"), readAdapters(), readDrives(kinds)]);
  const said = (key: string): string => new RegExp(`^${key}\\s*:\\s*(.*)$`, "m").exec(cpu)?.[1]?.trim() ?? "";
  return {
    cpuModel: said("model name") || "unknown processor",
    cpuFlags: said("flags").split(/\s+/),
    cpuCount: cpu.match(/^processor\s*:/gm)?.length ?? 1,
    memoryBytes: Number(/^MemTotal:\s*(\d+) kB$/m.exec(memory)?.[1] ?? 0) * 1024,
    uefi: existsSync("/sys/firmware/efi"),
    adapters,
    drives,
  };
}

export async function readDrives(kinds?: readonly string[]): Promise<DriveChoice[]> {
  return choicesOf(await readDevices(), kinds);
}

/** Devices that carry the installation medium; a USB stick answers twice, as a whole and with its first partition. */
export async function mediumDevices(): Promise<string[]> {
  return withAll(await readDevices()).filter(isMedium).map(({ path }) => path);
}

async function readDevices(): Promise<BlockDevice[]> {
  const lsblk: unknown = JSON.parse((await command(["lsblk", "--json", "-b", "-O"])).stdout);
  const paths = withAll(devicesOf(lsblk, new Map())).filter(({ mountpoints, sizeBytes }) => mountpoints.length === 0 && sizeBytes > 0).map(({ path }) => path);
  const probes = new Map<string, Probe>();
  const left = [...new Set(paths)];
  const worker = async (): Promise<void> => {
    for (let path = left.pop(); path !== undefined; path = left.pop()) probes.set(path, await probe(path));
  };
  await Promise.all(Array.from({ length: PROBES_AT_A_TIME }, worker));
  return devicesOf(lsblk, probes);
}

function withAll(devices: readonly BlockDevice[]): BlockDevice[] {
  return devices.flatMap((device) => [device, ...withAll(device.children)]);
}

async function probe(path: string): Promise<Probe> {
  const found = await command(["blkid", "-p", "-o", "export", path], { accept: [0, BLKID_NOTHING, BLKID_AMBIVALENT], timeoutMs: PROBE_TIMEOUT_MS }).catch(() => null);
  // What cannot be read is not empty.
  if (found === null) return { ...NOTHING, filesystem: "unreadable content" };
  if (found.exitCode === BLKID_AMBIVALENT) return { ...NOTHING, filesystem: "contradicting signatures" };
  const said = (key: string): string | null => new RegExp(`^${key}=(.*)$`, "m").exec(found.stdout)?.[1]?.replaceAll("\\ ", " ") ?? null;
  const filesystem = said("TYPE");
  return {
    filesystem,
    label: said("LABEL"),
    uuid: said("UUID"),
    partitionTable: said("PTTYPE"),
    partitionName: said("PART_ENTRY_NAME"),
    virtustorData: filesystem === "xfs" && (await holdsData(path)),
    serverName: filesystem === "ext4" && said("PART_ENTRY_NAME") === LABELS.state ? await serverNameOn(path) : null,
  };
}
const NOTHING: Probe = { filesystem: null, label: null, uuid: null, partitionTable: null, partitionName: null, virtustorData: false, serverName: null };

/** First bytes of the file that says what a drive is; see the drive's superblock. */
const SUPERBLOCK_MAGIC = "VSDRIVE\0";

/** Looks for a VirtuStor drive's superblock on an XFS, whatever its label; changes nothing on it, not even its log. */
async function holdsData(path: string): Promise<boolean> {
  try {
    return await withMount({ device: path, type: "xfs", options: "ro,norecovery,nouuid" }, async (at) => {
      const folders = (await readdir(at, { withFileTypes: true })).filter((entry) => entry.isDirectory()).map(({ name }) => join(at, name));
      for (const folder of [at, ...folders]) if (await beginsWith(join(folder, "superblock"), SUPERBLOCK_MAGIC)) return true;
      return false;
    });
  } catch {
    // Not a filesystem that this kernel reads: its label says what there is to say.
    return false;
  }
}

const SERVER_JSON = v.object({ name: v.string() });

/** Reads who this was without replaying the filesystem's journal. */
async function serverNameOn(path: string): Promise<string | null> {
  try {
    const text = await withMount({ device: path, type: "ext4", options: "ro,noload" }, (at) => readFile(join(at, "virtustor/server.json"), "utf8"));
    return v.parse(SERVER_JSON, JSON.parse(text)).name;
  } catch {
    // A server that was never set up, or whose state cannot be read.
    return null;
  }
}

async function beginsWith(path: string, magic: string): Promise<boolean> {
  const file = await open(path).catch(() => null);
  if (file === null) return false;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(magic.length), 0, magic.length, 0);
    return buffer.subarray(0, bytesRead).toString("latin1") === magic;
  } finally {
    await file.close();
  }
}

const NETWORK = "/sys/class/net";

async function readAdapters(): Promise<NetworkAdapter[]> {
  const names = (await readdir(NETWORK).catch(() => [])).sort();
  return (await Promise.all(names.map(readAdapter))).filter((adapter) => adapter !== null);
}

/** null for what is no hardware: loopback, bridges, bonds. */
async function readAdapter(name: string): Promise<NetworkAdapter | null> {
  const driver = await readlink(join(NETWORK, name, "device/driver")).catch(() => null);
  if (driver === null) return null;
  const fact = (file: string): Promise<string | null> => readFile(join(NETWORK, name, file), "utf8").then((text) => text.trim(), () => null);
  const [mac, carrier, speed] = await Promise.all([fact("address"), fact("carrier"), fact("speed")]);
  return {
    name,
    mac: mac ?? "unknown",
    driver: driver.split("/").at(-1) ?? "unknown",
    // The kernel refuses to tell for an adapter that is down.
    link: carrier === null ? null : carrier === "1",
    speedMbit: speed !== null && Number(speed) > 0 ? Number(speed) : null,
  };
}
