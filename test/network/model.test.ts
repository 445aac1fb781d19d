import { describe, expect, test } from "bun:test";
import { describeNetwork, networkProblem, parseNetworkConfig, type NetworkConfig } from "../../src/network/model.ts";

const MAC = "52:54:00:00:00:01";
const OTHER = "52:54:00:00:00:02";
const base: NetworkConfig = {
  version: 1,
  uplink: { kind: "port", mac: MAC },
  vlan: null,
  mtu: null,
  ipv4: { kind: "static", address: "192.168.10.21", prefix: 24, gateway: "192.168.10.1", dns: ["192.168.10.1"] },
  otherPorts: "off",
};
const withIpv4 = (change: object): NetworkConfig => ({ ...base, ipv4: { ...base.ipv4, ...change } as NetworkConfig["ipv4"] });

describe("a network configuration", () => {
  test("that can work has no problem", () => {
    expect(networkProblem(base)).toBeNull();
    expect(networkProblem({ ...base, ipv4: { kind: "dhcp" } })).toBeNull();
    expect(networkProblem(withIpv4({ gateway: null, dns: [] }))).toBeNull();
  });
  test.each([
    [withIpv4({ address: "192.168.10" }), "address", "no IPv4 address"],
    [withIpv4({ address: "192.168.10.021" }), "address", "no IPv4 address"],
    [withIpv4({ address: "192.168.10.256" }), "address", "no IPv4 address"],
    [withIpv4({ address: "192.168.10.0" }), "address", "number of its own network (192.168.10.0/24): use one from 192.168.10.1 to 192.168.10.254"],
    [withIpv4({ address: "192.168.10.255" }), "address", "broadcast address"],
    [withIpv4({ address: "127.0.0.1" }), "address", "reserved"],
    [withIpv4({ address: "224.0.0.1" }), "address", "reserved"],
    [withIpv4({ gateway: "192.168.11.1" }), "gateway", "outside 192.168.10.0/24"],
    [withIpv4({ gateway: "192.168.10.21" }), "gateway", "this server's own address"],
    [withIpv4({ dns: ["dns.example"] }), "dns", "no IPv4 address"],
    [{ ...base, uplink: { kind: "bond", mode: "lacp", macs: [MAC] } }, "uplink", "two ports or more"],
    [{ ...base, uplink: { kind: "bond", mode: "lacp", macs: [MAC, MAC] } }, "uplink", "twice"],
  ] as const)("that cannot work says why and what to do: %#", (config, field, sentence) => {
    const problem = networkProblem(config as NetworkConfig);
    expect(problem?.field).toBe(field);
    expect(problem?.sentence).toContain(sentence);
  });
  test("is refused with the field's name when a file holds something else", () => {
    expect(() => parseNetworkConfig({ ...base, vlan: 4095 })).toThrow("vlan");
    expect(() => parseNetworkConfig({ ...base, mtu: 100 })).toThrow("mtu");
    expect(() => parseNetworkConfig({ ...base, version: 2 })).toThrow("version");
    expect(() => parseNetworkConfig(withIpv4({ address: "10.0.0.0" , prefix: 8 }))).toThrow("use one from");
    expect(parseNetworkConfig({ ...base, uplink: { kind: "port", mac: MAC.toUpperCase() } }).uplink).toEqual({ kind: "port", mac: MAC });
  });
  test("is told in one line", () => {
    const names = (mac: string): string | null => (mac === MAC ? "eno1" : null);
    expect(describeNetwork(base, names)).toBe("192.168.10.21/24, gateway 192.168.10.1 on eno1");
    expect(describeNetwork({ ...base, uplink: { kind: "bond", mode: "lacp", macs: [MAC, OTHER] }, vlan: 30, mtu: 9000, ipv4: { kind: "dhcp" } }, names)).toBe(`DHCP on eno1 + ${OTHER} as LACP bond, VLAN 30, MTU 9000`);
  });
});
