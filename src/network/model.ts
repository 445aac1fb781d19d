import * as v from "valibot";
import { formatIpv4, hostAddressProblem, networkOf, parseIpv4 } from "./ipv4.ts";

/** Lower case, as the kernel writes it. It names a port for good: names like eno1 may change with the kernel. */
const mac = v.pipe(v.string(), v.toLowerCase(), v.regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/));

/** More ports than any server has; the list comes from a file. */
const BOND_PORTS_MAX = 16;
const DNS_SERVERS_MAX = 3;
/** Below it IPv4 itself is at risk (RFC 791); above it no Ethernet goes. */
export const MTU_MIN = 1280;
export const MTU_MAX = 9216;

export const networkConfig = v.object({
  version: v.literal(1),
  /** What carries the server: one port, or several as a bond. */
  uplink: v.variant("kind", [
    v.object({ kind: v.literal("port"), mac }),
    v.object({ kind: v.literal("bond"), mode: v.picklist(["active-backup", "lacp"]), macs: v.pipe(v.array(mac), v.minLength(1), v.maxLength(BOND_PORTS_MAX)) }),
  ]),
  /** 802.1Q tag; null: untagged. */
  vlan: v.nullable(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(4094))),
  /** Bytes; null: as the port has it, normally 1500. */
  mtu: v.nullable(v.pipe(v.number(), v.integer(), v.minValue(MTU_MIN), v.maxValue(MTU_MAX))),
  ipv4: v.variant("kind", [
    v.object({ kind: v.literal("dhcp") }),
    v.object({
      kind: v.literal("static"),
      address: v.string(),
      prefix: v.pipe(v.number(), v.integer(), v.minValue(8), v.maxValue(30)),
      gateway: v.nullable(v.string()),
      dns: v.pipe(v.array(v.string()), v.maxLength(DNS_SERVERS_MAX)),
    }),
  ]),
  /** The other ports: off, or each asks for an address by DHCP beside the one above. */
  otherPorts: v.picklist(["off", "dhcp"]),
});
export type NetworkConfig = v.InferOutput<typeof networkConfig>;

export interface NetworkProblem {
  readonly field: "uplink" | "vlan" | "mtu" | "address" | "gateway" | "dns";
  readonly sentence: string;
}

/** Parses what a file or a program gave; throws an Error that names the field. */
export function parseNetworkConfig(value: unknown): NetworkConfig {
  const parsed = v.safeParse(networkConfig, value);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    throw new Error(`the network configuration is not understood: ${v.getDotPath(issue) ?? "it"}: ${issue.message}`);
  }
  const problem = networkProblem(parsed.output);
  if (problem !== null) throw new Error(problem.sentence);
  return parsed.output;
}

/** What is wrong with a configuration whose fields are each well formed, as a sentence that says what to do; null: nothing. */
export function networkProblem(config: NetworkConfig): NetworkProblem | null {
  const { uplink, ipv4 } = config;
  if (uplink.kind === "bond" && new Set(uplink.macs).size !== uplink.macs.length) return { field: "uplink", sentence: "A network port is in the bond twice: choose each once." };
  if (uplink.kind === "bond" && uplink.macs.length < 2) return { field: "uplink", sentence: "A bond needs two ports or more: choose another one, or use a single port." };
  if (ipv4.kind === "dhcp") return null;
  const wrong = hostAddressProblem(ipv4.address, ipv4.prefix);
  if (wrong !== null) return { field: "address", sentence: wrong };
  if (ipv4.gateway !== null) {
    const gateway = parseIpv4(ipv4.gateway);
    const { first, last } = networkOf(parseIpv4(ipv4.address) ?? 0, ipv4.prefix);
    const wrongGateway = hostAddressProblem(ipv4.gateway, ipv4.prefix);
    if (wrongGateway !== null) return { field: "gateway", sentence: wrongGateway };
    if (ipv4.gateway === ipv4.address) return { field: "gateway", sentence: `${ipv4.gateway} is this server's own address: give the router's, or leave the gateway empty when there is none.` };
    if (gateway === null || gateway < first || gateway > last) {
      return { field: "gateway", sentence: `The gateway ${ipv4.gateway} is outside ${formatIpv4(first)}/${ipv4.prefix}, so this server cannot reach it: correct it or the prefix.` };
    }
  }
  for (const server of ipv4.dns) {
    if (parseIpv4(server) === null) return { field: "dns", sentence: `The DNS server ${server} is no IPv4 address: give its address, as in 192.168.10.1, or nothing.` };
  }
  return null;
}

/** The interface that carries the server's address; `portName` is the kernel's name of the port. */
export function deviceName(config: NetworkConfig, portName: (mac: string) => string | null): string | null {
  if (config.vlan !== null) return `vlan${config.vlan}`;
  return config.uplink.kind === "bond" ? BOND_NAME : portName(config.uplink.mac);
}
export const BOND_NAME = "bond0";

export function uplinkMacs({ uplink }: NetworkConfig): readonly string[] {
  return uplink.kind === "port" ? [uplink.mac] : uplink.macs;
}

/** "static 10.0.0.5/24 on bond0 of 2 ports (LACP), VLAN 30, MTU 9000". */
export function describeNetwork(config: NetworkConfig, portName: (mac: string) => string | null): string {
  const { uplink, ipv4, vlan, mtu } = config;
  const names = uplinkMacs(config).map((one) => portName(one) ?? one).join(" + ");
  const how = uplink.kind === "port" ? names : `${names} as ${uplink.mode === "lacp" ? "LACP" : "active-backup"} bond`;
  const address = ipv4.kind === "dhcp" ? "DHCP" : `${ipv4.address}/${ipv4.prefix}${ipv4.gateway === null ? ", no gateway" : `, gateway ${ipv4.gateway}`}`;
  return `${address} on ${how}${vlan === null ? "" : `, VLAN ${vlan}`}${mtu === null ? "" : `, MTU ${mtu}`}`;
}
