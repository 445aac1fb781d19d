import { BOND_NAME, uplinkMacs, type NetworkConfig } from "./model.ts";

/** Name of a file below /run/systemd/network -> its text. */
export type NetworkFiles = ReadonlyMap<string, string>;

/** So that stale files are found. The number comes first: networkd takes the first file that matches, by name. */
export const OUR_FILES = /^\d\d-virtustor-/;
/** A static route beats what other ports learn by DHCP. */
const OTHER_METRIC = 2048;
const DHCP_METRIC = 1024;
/** A port is matched by its address and by not being a device on top of it: bonds and VLANs inherit the address of their port. */
const PHYSICAL = ["Type=ether", "Kind=!bond vlan"];
/** IPv4 alone, and no address that this configuration does not name. */
const NO_AUTOMATIC = ["LinkLocalAddressing=no", "IPv6AcceptRA=no"];

/**
 * The configuration as files of systemd-networkd (systemd.network(5), systemd.netdev(5)); null is a server before its set-up:
 * DHCP on each port. `withAddress` false gives all but the address: to look first whether somebody else has it.
 */
export function renderNetwork(config: NetworkConfig | null, withAddress = true): NetworkFiles {
  const files = new Map<string, string>();
  const put = (name: string, ...sections: string[][]): void => void files.set(name.replace("-", "-virtustor-"), `${sections.map((lines) => lines.join("\n")).join("\n\n")}\n`);
  if (config === null) {
    put("80-other.network", ["[Match]", ...PHYSICAL], ["[Network]", "DHCP=ipv4", ...NO_AUTOMATIC], ...dhcpSections(DHCP_METRIC, true));
    return files;
  }
  const { uplink, vlan } = config;
  const macs = uplinkMacs(config).join(" ");
  const link = config.mtu === null ? [] : [["[Link]", `MTUBytes=${config.mtu}`]];
  const address = addressSections(config, withAddress);
  const vlanSections = vlan === null ? address : [["[Network]", `VLAN=vlan${vlan}`, "DHCP=no", ...NO_AUTOMATIC]];

  if (uplink.kind === "bond") {
    const netdev = ["[NetDev]", `Name=${BOND_NAME}`, "Kind=bond", `MACAddress=${uplink.macs[0] ?? ""}`];
    // Without these the kernel would not notice a port that loses its link.
    const bond = ["[Bond]", `Mode=${uplink.mode === "lacp" ? "802.3ad" : "active-backup"}`, "MIIMonitorSec=100ms"];
    const lacp = uplink.mode === "lacp" ? ["TransmitHashPolicy=layer3+4", "LACPTransmitRate=fast"] : [];
    put(`10-${BOND_NAME}.netdev`, netdev, [...bond, ...lacp]);
    put("20-bond-ports.network", ["[Match]", `MACAddress=${macs}`, ...PHYSICAL], ...link, ["[Network]", `Bond=${BOND_NAME}`]);
    put(`30-${BOND_NAME}.network`, ["[Match]", `Name=${BOND_NAME}`], ...link, ...vlanSections);
  } else {
    put("20-port.network", ["[Match]", `MACAddress=${macs}`, ...PHYSICAL], ...link, ...vlanSections);
  }
  if (vlan !== null) {
    put(`10-vlan${vlan}.netdev`, ["[NetDev]", `Name=vlan${vlan}`, "Kind=vlan"], ["[VLAN]", `Id=${vlan}`]);
    put(`40-vlan${vlan}.network`, ["[Match]", `Name=vlan${vlan}`], ...link, ...address);
  }
  const other = config.otherPorts === "dhcp"
    ? [["[Network]", "DHCP=ipv4", ...NO_AUTOMATIC], ...dhcpSections(OTHER_METRIC, config.ipv4.kind === "dhcp")]
    // Up without an address, so that the console can show which ports have a link.
    : [["[Link]", "ActivationPolicy=up", "RequiredForOnline=no"], ["[Network]", "DHCP=no", ...NO_AUTOMATIC]];
  put("80-other.network", ["[Match]", ...PHYSICAL], ...other);
  return files;
}

function addressSections(config: NetworkConfig, withAddress: boolean): string[][] {
  const { ipv4 } = config;
  if (!withAddress) return [["[Network]", "DHCP=no", ...NO_AUTOMATIC]];
  if (ipv4.kind === "dhcp") return [["[Network]", "DHCP=ipv4", ...NO_AUTOMATIC], ...dhcpSections(DHCP_METRIC, true)];
  return [[
    "[Network]",
    "DHCP=no",
    `Address=${ipv4.address}/${ipv4.prefix}`,
    ...(ipv4.gateway === null ? [] : [`Gateway=${ipv4.gateway}`]),
    ...ipv4.dns.map((server) => `DNS=${server}`),
    // The address stays while the link is away: portals are bound to it.
    "ConfigureWithoutCarrier=yes",
    "IgnoreCarrierLoss=yes",
    ...NO_AUTOMATIC,
  ]];
}

function dhcpSections(metric: number, useDns: boolean): string[][] {
  // The address of the port names the server to DHCP, so that a reservation can be made by it.
  return [["[DHCPv4]", "ClientIdentifier=mac", "UseHostname=no", "UseDomains=no", `UseDNS=${useDns ? "yes" : "no"}`, `RouteMetric=${metric}`]];
}
