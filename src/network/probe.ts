import type { Runner } from "./command-runner.ts";
import { gatewayOf, listAddresses, listPorts, type DeviceAddress, type Port } from "./ports.ts";
import { BOND_NAME, uplinkMacs, type NetworkConfig } from "./model.ts";

/** Switches hold a port back for a while after its link came (spanning tree), and LACP takes its time. */
const LINK_TRIES = 20;
const LEASE_TRIES = 35;
const STATIC_TRIES = 10;
const ANSWER_TRIES = 10;
const TRY_MS = 1_000;
/** IP and ICMP headers of an echo. */
const ECHO_HEADER_BYTES = 28;

export interface ProbeWorld {
  readonly run: Runner;
  sleep(ms: number): Promise<void>;
  /** How often is looked before it counts as failed, as a part of the usual; 1 on a real network. */
  readonly patience: number;
}
/** `warning`: it is kept, and the administrator should know. */
export type Probed<T = undefined> = { readonly ok: true; readonly value: T; readonly warning?: string } | { readonly ok: false; readonly sentence: string };

/** Each port of the uplink has a cable, or at least one in a bond; the device on top is there. */
export async function probeLink(world: ProbeWorld, config: NetworkConfig, device: string): Promise<Probed> {
  let dark: string[] = [];
  const triesMax = Math.ceil(LINK_TRIES * world.patience);
  for (let tries = 0; tries < triesMax; tries++) {
    const ports = await listPorts(world.run);
    const missing = uplinkMacs(config).find((mac) => !ports.some((port) => port.mac === mac));
    if (missing !== undefined) return { ok: false, sentence: `This server has no network port ${missing} any more: choose one that it has.` };
    const chosen = uplinkMacs(config).map((mac) => ports.find((port) => port.mac === mac) as Port);
    dark = chosen.filter((port) => port.link !== "up").map(({ name }) => name);
    const enough = config.uplink.kind === "bond" ? dark.length < chosen.length : dark.length === 0;
    // A bond may need some seconds longer for its slower ports; the last tries take what there is.
    if (enough && (dark.length === 0 || tries > triesMax / 2) && (await hasCarrier(world.run, device))) {
      const lacp = await lacpProblem(world.run, config);
      if (lacp === null) return { ok: true, value: undefined, ...(dark.length > 0 && { warning: `${dark.join(" and ")} ${dark.length > 1 ? "have" : "has"} no link; the bond works without ${dark.length > 1 ? "them" : "it"} for now.` }) };
      if (tries === triesMax - 1) return { ok: false, sentence: lacp };
    }
    await world.sleep(TRY_MS);
  }
  if (dark.length === 0) return { ok: false, sentence: `The device ${device} was not made on top of the port: choose another VLAN or kind of bond, or none.` };
  return { ok: false, sentence: `There is no link on ${dark.join(" and ")}: plug in the cable or switch on the partner's port, or choose another port.` };
}

async function hasCarrier(run: Runner, device: string): Promise<boolean> {
  return (await run(["ip", "-o", "link", "show", "dev", device])).stdout.includes("LOWER_UP");
}

/** /proc/net/bonding names a partner of zeros while the switch does not speak LACP. */
async function lacpProblem(run: Runner, config: NetworkConfig): Promise<string | null> {
  if (config.uplink.kind !== "bond" || config.uplink.mode !== "lacp") return null;
  const { code, stdout } = await run(["cat", `/proc/net/bonding/${BOND_NAME}`]);
  if (code !== 0 || !/^\s*Partner Mac Address: 00:00:00:00:00:00$/m.test(stdout)) return null;
  return "The switch does not speak LACP on these ports: configure a link aggregation group (LACP) for them on the switch, or choose an active-backup bond.";
}

/** Asks the network who has `address` before this server takes it (RFC 5227's probe). */
export async function probeDuplicate(world: ProbeWorld, device: string, address: string): Promise<Probed> {
  const { code, stdout, stderr } = await world.run(["arping", "-D", "-c", "2", "-w", "3", "-I", device, address]);
  const other = /reply from \S+\s+\[([0-9A-Fa-f:]+)\]/.exec(stdout)?.[1]?.toLowerCase();
  if (other !== undefined) return { ok: false, sentence: `The address ${address} is in use by another machine (${other}): choose a free address, or take it away from that machine first.` };
  if (code === 0) return { ok: true, value: undefined };
  return { ok: false, sentence: `Whether ${address} is free could not be found out (arping: ${stderr.trim() || `exit code ${String(code)}`}): try again, or choose another port.` };
}

/** Waits until the device has its address: the static one, or whatever DHCP gives. */
export async function probeAddress(world: ProbeWorld, config: NetworkConfig, device: string): Promise<Probed<DeviceAddress>> {
  const { ipv4 } = config;
  const triesMax = Math.ceil((ipv4.kind === "dhcp" ? LEASE_TRIES : STATIC_TRIES) * world.patience);
  for (let tries = 0; tries < triesMax; tries++) {
    const found = (await listAddresses(world.run)).find((one) => one.device === device && (ipv4.kind === "dhcp" || one.address === ipv4.address));
    if (found !== undefined) return { ok: true, value: found };
    await world.sleep(TRY_MS);
  }
  return {
    ok: false,
    sentence: ipv4.kind === "dhcp"
      ? `No DHCP server gave ${device} an address within ${LEASE_TRIES} s: check that there is one in this network${config.vlan === null ? "" : ` (VLAN ${config.vlan})`}, or give a static address.`
      : `The address ${ipv4.address} did not appear on ${device}: try again, and restart this server when that does not help.`,
  };
}

/** The gateway or one of the other servers answers: cable, VLAN and prefix are right. */
export async function probeAnswer(world: ProbeWorld, config: NetworkConfig, device: string, peers: readonly string[]): Promise<Probed<string>> {
  const gateway = config.ipv4.kind === "static" ? config.ipv4.gateway : await gatewayOf(world.run, device);
  if (gateway === null && peers.length === 0) return { ok: true, value: "nobody to ask", warning: "Without a gateway nobody could be asked whether this network is the right one." };
  for (let tries = 0; tries < Math.ceil(ANSWER_TRIES * world.patience); tries++) {
    for (const peer of peers) if ((await world.run(["ping", "-n", "-c", "1", "-W", "1", peer])).code === 0) return probeSize(world, config, peer);
    // A router need not answer an echo; ARP it must.
    if (gateway !== null && (await world.run(["arping", "-f", "-c", "2", "-w", "2", "-I", device, gateway])).code === 0) return { ok: true, value: `the gateway ${gateway} answers` };
    await world.sleep(TRY_MS);
  }
  const asked = [...peers, ...(gateway === null ? [] : [`the gateway ${gateway}`])].join(", ");
  const tag = config.vlan === null ? "the VLAN of the switch's port" : `that the switch's port carries VLAN ${config.vlan} tagged`;
  return { ok: false, sentence: `Nobody answers on ${device} (asked: ${asked}): check the cable's other end, ${tag}, the prefix and the gateway.` };
}

/** Whether packets as large as the MTU arrive: a switch that drops them would let small ones pass and stop all data. */
async function probeSize(world: ProbeWorld, config: NetworkConfig, peer: string): Promise<Probed<string>> {
  if (config.mtu === null) return { ok: true, value: `${peer} answers` };
  const { code } = await world.run(["ping", "-n", "-c", "2", "-W", "2", "-M", "do", "-s", String(config.mtu - ECHO_HEADER_BYTES), peer]);
  if (code === 0) return { ok: true, value: `${peer} answers with packets of ${config.mtu} bytes` };
  return { ok: false, sentence: `${peer} answers, but packets of ${config.mtu} bytes do not reach it: set the MTU of all switch ports and servers in between to ${config.mtu} or more first, or use 1500.` };
}
