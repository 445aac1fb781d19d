import type { DriveChoice } from "./drives.ts";
import { bytesText } from "./words.ts";

/** A network adapter as /sys/class/net shows it. */
export interface NetworkAdapter {
  readonly name: string;
  readonly mac: string;
  /** The kernel's driver, such as ixgbe. */
  readonly driver: string;
  /** null when the adapter is down, so that nobody knows. */
  readonly link: boolean | null;
  /** null without a link, or where the driver does not say. */
  readonly speedMbit: number | null;
}

/** What the preflight looks at. */
export interface MachineFacts {
  readonly cpuModel: string;
  /** Of /proc/cpuinfo, of the first processor. */
  readonly cpuFlags: readonly string[];
  readonly cpuCount: number;
  /** MemTotal: what the kernel left of the memory that is installed. */
  readonly memoryBytes: number;
  readonly uefi: boolean;
  readonly adapters: readonly NetworkAdapter[];
  readonly drives: readonly DriveChoice[];
}

/** "refused" stops the installation; "warning" is said and the installation may go on. */
export type Verdict = "good" | "warning" | "refused";
export interface Check {
  readonly name: "Processor" | "Memory" | "Network" | "Drives" | "Firmware";
  readonly verdict: Verdict;
  readonly sentence: string;
}

/** What x86-64-v2 adds to the first processors with 64 bits, in the words of /proc/cpuinfo. */
const CPU_FLAGS_NEEDED = ["cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"] as const;
export const MEMORY_BYTES_MIN = 2 * 2 ** 30;
/** Firmware, the kernel and its crash area keep part of the installed memory; a machine with 2 GiB shows some 1.9 GiB. */
const MEMORY_KEPT_BYTES = 256 * 2 ** 20;

/** Judges a machine. Pure: everything that it needs to know is in `facts`. */
export function preflight(facts: MachineFacts): Check[] {
  return [processor(facts), memory(facts), { name: "Firmware", verdict: "good", sentence: facts.uefi ? "UEFI; the drive will start under UEFI and BIOS." : "BIOS; the drive will start under UEFI and BIOS." }, network(facts), drives(facts)];
}

/** True when nothing stands against an installation. */
export function isFit(checks: readonly Check[]): boolean {
  return checks.every(({ verdict }) => verdict !== "refused");
}

function processor({ cpuModel, cpuFlags, cpuCount }: MachineFacts): Check {
  const missing = CPU_FLAGS_NEEDED.filter((flag) => !cpuFlags.includes(flag));
  const what = `${cpuModel}, ${cpuCount} thread${cpuCount === 1 ? "" : "s"}`;
  if (missing.length === 0) return { name: "Processor", verdict: "good", sentence: `${what}.` };
  return {
    name: "Processor",
    verdict: "refused",
    sentence: `${what}, lacks ${missing.join(", ")}: VirtuStor needs x86-64-v2 (Intel from 2009, AMD from 2011). In a virtual machine choose the CPU type "host".`,
  };
}

function memory({ memoryBytes }: MachineFacts): Check {
  if (memoryBytes >= MEMORY_BYTES_MIN - MEMORY_KEPT_BYTES) return { name: "Memory", verdict: "good", sentence: `${bytesText(memoryBytes)}.` };
  return {
    name: "Memory",
    verdict: "refused",
    sentence: `${bytesText(memoryBytes)} are too few: VirtuStor needs at least ${bytesText(MEMORY_BYTES_MIN)}. Add memory and start again.`,
  };
}

function network({ adapters }: MachineFacts): Check {
  if (adapters.length === 0) {
    return { name: "Network", verdict: "warning", sentence: "No network adapter with a driver was found. Without one this server can neither form nor join a cluster." };
  }
  const linked = adapters.filter(({ link }) => link === true);
  const names = adapters.map(adapterText).join("; ");
  // An adapter that is down cannot tell; only one that was asked and has no link is worth a warning.
  if (linked.length === 0 && adapters.every(({ link }) => link === false)) {
    return { name: "Network", verdict: "warning", sentence: `${names}. No cable has a link yet; one is needed to form or join a cluster.` };
  }
  return { name: "Network", verdict: "good", sentence: `${names}.` };
}

export function adapterText({ name, driver, mac, link, speedMbit }: NetworkAdapter): string {
  const speed = speedMbit === null ? "" : speedMbit >= 1000 ? `, ${speedMbit / 1000} Gbit/s` : `, ${speedMbit} Mbit/s`;
  return `${name} (${driver}, ${mac}, ${link === null ? "down" : link ? `link${speed}` : "no link"})`;
}

function drives({ drives: all }: MachineFacts): Check {
  const usable = all.filter(({ refusal }) => refusal === null);
  if (usable.length > 0) {
    return { name: "Drives", verdict: "good", sentence: `${all.length} found, ${usable.length} of them fit for the system.` };
  }
  if (all.length === 0) {
    return { name: "Drives", verdict: "refused", sentence: "No drive was found. Check cables and power, and that the controller is not in a RAID mode without a driver." };
  }
  return { name: "Drives", verdict: "refused", sentence: `No drive is fit for the system. ${all.map(({ refusal }) => refusal).join(" ")}` };
}
