import { readlinkSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import * as v from "valibot";
import type { Runner } from "./command-runner.ts";

/** A network port of this machine as an administrator tells it from others. */
export interface Port {
  readonly name: string;
  /** Its own, also while a bond gave it another. */
  readonly mac: string;
  readonly driver: string;
  /** "up" has a cable and a partner; "down" has none; "off": switched off, so nobody knows. */
  readonly link: "up" | "down" | "off";
  /** Megabits per second; null when the driver does not say. */
  readonly speed: number | null;
  readonly mtu: number;
}
export interface DeviceAddress {
  readonly device: string;
  readonly address: string;
  readonly prefix: number;
  readonly dynamic: boolean;
}

const linkLine = v.object({
  ifname: v.string(),
  flags: v.array(v.string()),
  mtu: v.number(),
  link_type: v.string(),
  address: v.optional(v.string()),
  permaddr: v.optional(v.string()),
  linkinfo: v.optional(v.object({ info_kind: v.optional(v.string()), info_slave_data: v.optional(v.object({ perm_hwaddr: v.optional(v.string()) })) })),
});
const addressLine = v.object({
  ifname: v.string(),
  addr_info: v.array(v.object({ family: v.string(), local: v.optional(v.string()), prefixlen: v.number(), dynamic: v.optional(v.boolean()) })),
});
/** Devices that are no port. A virtual pair is one: a container's or a test's. */
const PORT_KINDS = [undefined, "veth"];

/** All Ethernet ports, by name. */
export async function listPorts(run: Runner): Promise<Port[]> {
  const { stdout } = await run(["ip", "-j", "-d", "link", "show"]);
  return parseLines(linkLine, stdout)
    .filter(({ link_type, linkinfo }) => link_type === "ether" && PORT_KINDS.includes(linkinfo?.info_kind))
    .map((line) => ({
      name: line.ifname,
      mac: (line.linkinfo?.info_slave_data?.perm_hwaddr ?? line.permaddr ?? line.address ?? "").toLowerCase(),
      driver: driverOf(line.ifname) ?? line.linkinfo?.info_kind ?? "unknown",
      link: !line.flags.includes("UP") ? ("off" as const) : line.flags.includes("LOWER_UP") ? ("up" as const) : ("down" as const),
      speed: speedOf(line.ifname),
      mtu: line.mtu,
    }))
    .sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
}

/** All IPv4 addresses but the machine's own loop. */
export async function listAddresses(run: Runner): Promise<DeviceAddress[]> {
  const { stdout } = await run(["ip", "-j", "-4", "address", "show"]);
  return parseLines(addressLine, stdout).flatMap(({ ifname, addr_info }) =>
    ifname === "lo"
      ? []
      : addr_info.flatMap(({ family, local, prefixlen, dynamic }) => (family === "inet" && local !== undefined ? [{ device: ifname, address: local, prefix: prefixlen, dynamic: dynamic === true }] : [])),
  );
}

const routeLine = v.object({ dst: v.string(), gateway: v.optional(v.string()), dev: v.optional(v.string()) });

/** The router of a device, if it has one. */
export async function gatewayOf(run: Runner, device: string): Promise<string | null> {
  const { stdout } = await run(["ip", "-j", "-4", "route", "show", "default", "dev", device]);
  return parseLines(routeLine, stdout)[0]?.gateway ?? null;
}

function parseLines<T>(schema: v.GenericSchema<unknown, T>, text: string): T[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  // `ip -j` writes an empty object for what a filter left out.
  return Array.isArray(value) ? value.flatMap((line) => { const parsed = v.safeParse(schema, line); return parsed.success ? [parsed.output] : []; }) : [];
}

function driverOf(name: string): string | null {
  try {
    return basename(readlinkSync(`/sys/class/net/${name}/device/driver`));
  } catch {
    return null;
  }
}

function speedOf(name: string): number | null {
  try {
    const speed = Number(readFileSync(`/sys/class/net/${name}/speed`, "utf8"));
    return Number.isInteger(speed) && speed > 0 ? speed : null;
  } catch {
    return null; // EINVAL without a link
  }
}
