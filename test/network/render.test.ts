import { describe, expect, test } from "bun:test";
import type { NetworkConfig } from "../../src/network/model.ts";
import { renderNetwork } from "../../src/network/render.ts";

const text = (config: NetworkConfig | null, withAddress?: boolean): string =>
  [...renderNetwork(config, withAddress)].sort(([a], [b]) => a.localeCompare(b)).map(([name, content]) => `# ${name}\n${content}`).join("\n");

const base: NetworkConfig = {
  version: 1,
  uplink: { kind: "port", mac: "52:54:00:00:00:01" },
  vlan: null,
  mtu: null,
  ipv4: { kind: "static", address: "192.168.10.21", prefix: 24, gateway: "192.168.10.1", dns: ["192.168.10.1", "192.168.10.2"] },
  otherPorts: "off",
};

describe("files for systemd-networkd", () => {
  test("before the set-up: DHCP on each port", () =>
    expect(text(null)).toBe(`# 80-virtustor-other.network
[Match]
Type=ether
Kind=!bond vlan

[Network]
DHCP=ipv4
LinkLocalAddressing=no
IPv6AcceptRA=no

[DHCPv4]
ClientIdentifier=mac
UseHostname=no
UseDomains=no
UseDNS=yes
RouteMetric=1024
`));
  test("a static address on one port, the others without one", () =>
    expect(text(base)).toBe(`# 20-virtustor-port.network
[Match]
MACAddress=52:54:00:00:00:01
Type=ether
Kind=!bond vlan

[Network]
DHCP=no
Address=192.168.10.21/24
Gateway=192.168.10.1
DNS=192.168.10.1
DNS=192.168.10.2
ConfigureWithoutCarrier=yes
IgnoreCarrierLoss=yes
LinkLocalAddressing=no
IPv6AcceptRA=no

# 80-virtustor-other.network
[Match]
Type=ether
Kind=!bond vlan

[Link]
ActivationPolicy=up
RequiredForOnline=no

[Network]
DHCP=no
LinkLocalAddressing=no
IPv6AcceptRA=no
`));
  test("LACP over two ports, tagged, with jumbo frames on every layer, DHCP on top and beside", () =>
    expect(text({ ...base, uplink: { kind: "bond", mode: "lacp", macs: ["52:54:00:00:00:01", "52:54:00:00:00:02"] }, vlan: 30, mtu: 9000, ipv4: { kind: "dhcp" }, otherPorts: "dhcp" })).toBe(`# 10-virtustor-bond0.netdev
[NetDev]
Name=bond0
Kind=bond
MACAddress=52:54:00:00:00:01

[Bond]
Mode=802.3ad
MIIMonitorSec=100ms
TransmitHashPolicy=layer3+4
LACPTransmitRate=fast

# 10-virtustor-vlan30.netdev
[NetDev]
Name=vlan30
Kind=vlan

[VLAN]
Id=30

# 20-virtustor-bond-ports.network
[Match]
MACAddress=52:54:00:00:00:01 52:54:00:00:00:02
Type=ether
Kind=!bond vlan

[Link]
MTUBytes=9000

[Network]
Bond=bond0

# 30-virtustor-bond0.network
[Match]
Name=bond0

[Link]
MTUBytes=9000

[Network]
VLAN=vlan30
DHCP=no
LinkLocalAddressing=no
IPv6AcceptRA=no

# 40-virtustor-vlan30.network
[Match]
Name=vlan30

[Link]
MTUBytes=9000

[Network]
DHCP=ipv4
LinkLocalAddressing=no
IPv6AcceptRA=no

[DHCPv4]
ClientIdentifier=mac
UseHostname=no
UseDomains=no
UseDNS=yes
RouteMetric=1024

# 80-virtustor-other.network
[Match]
Type=ether
Kind=!bond vlan

[Network]
DHCP=ipv4
LinkLocalAddressing=no
IPv6AcceptRA=no

[DHCPv4]
ClientIdentifier=mac
UseHostname=no
UseDomains=no
UseDNS=yes
RouteMetric=2048
`));
  test("an active-backup bond notices a lost link", () => {
    const files = renderNetwork({ ...base, uplink: { kind: "bond", mode: "active-backup", macs: ["52:54:00:00:00:01", "52:54:00:00:00:02"] } });
    expect(files.get("10-virtustor-bond0.netdev")).toContain("Mode=active-backup\nMIIMonitorSec=100ms\n");
  });
  test("without the address, to ask first whether it is free", () => {
    const files = text(base, false);
    expect(files).not.toContain("192.168.10.21");
    expect(files).toContain("MACAddress=52:54:00:00:00:01");
  });
});
