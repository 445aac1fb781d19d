import { FIRST_USER, unfitPassword } from "../../cluster/users.ts";
import { MTU_MAX, MTU_MIN, networkProblem, type NetworkConfig } from "../../network/model.ts";

/** Everything that was typed or chosen so far, as it was typed: going back loses nothing. */
export interface Draft {
  readonly goal: "create" | "join";
  readonly clusterName: string;
  readonly serverName: string;
  /** One copy of everything, on this server alone, because somebody insisted. */
  readonly evaluation: boolean;
  readonly network: NetworkDraft;
  /** This server's, once its network is settled. */
  readonly address: string;
  readonly password: string;
  readonly passwordAgain: string;
  /** Devices. */
  readonly drives: readonly string[];
  /** Devices whose content somebody has given up by typing the device's name. */
  readonly wiped: readonly string[];
  readonly join: {
    readonly address: string;
    readonly code: string;
    readonly clusterName: string;
    /** null until the cluster told it and somebody compared it. */
    readonly fingerprint: string | null;
  };
}
export interface NetworkDraft {
  readonly macs: readonly string[];
  readonly bond: "active-backup" | "lacp";
  readonly kind: "dhcp" | "static";
  readonly address: string;
  readonly prefix: string;
  readonly gateway: string;
  readonly dns: string;
  readonly vlan: string;
  readonly mtu: string;
  readonly otherPorts: "off" | "dhcp";
}
export interface DraftProblem<Field extends string> {
  readonly field: Field;
  readonly sentence: string;
}

export const NAME_RULE = "Small letters, digits and dashes, at most 63; it begins and ends with a letter or digit.";
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const CLUSTER_NAME = /^[A-Za-z0-9]([A-Za-z0-9 ._-]{0,61}[A-Za-z0-9])?$/;
/** Crockford's base32 knows no I, L, O and U; whoever reads them meant 1, 1, 0 and V. */
const CODE = /^[0-9A-Za-z]{4}[- ]?[0-9A-Za-z]{4}$/;

export function emptyDraft(kept: NetworkConfig | null): Draft {
  return {
    goal: "create",
    clusterName: "cluster-1",
    serverName: "server-1",
    evaluation: false,
    network: networkDraft(kept),
    address: "",
    password: "",
    passwordAgain: "",
    drives: [],
    wiped: [],
    join: { address: "", code: "", clusterName: "", fingerprint: null },
  };
}

/** The texts of what is kept; where nothing is, a static address on no port yet. */
export function networkDraft(kept: NetworkConfig | null): NetworkDraft {
  const ipv4 = kept?.ipv4.kind === "static" ? kept.ipv4 : null;
  return {
    macs: kept === null ? [] : kept.uplink.kind === "port" ? [kept.uplink.mac] : kept.uplink.macs,
    bond: kept?.uplink.kind === "bond" ? kept.uplink.mode : "active-backup",
    kind: kept?.ipv4.kind ?? "static",
    address: ipv4?.address ?? "",
    prefix: String(ipv4?.prefix ?? 24),
    gateway: ipv4?.gateway ?? "",
    dns: ipv4?.dns.join(" ") ?? "",
    vlan: kept?.vlan == null ? "" : String(kept.vlan),
    mtu: kept?.mtu == null ? "" : String(kept.mtu),
    otherPorts: kept?.otherPorts ?? "off",
  };
}

export function nameProblem(draft: Draft): DraftProblem<"clusterName" | "serverName"> | null {
  if (draft.goal === "create" && !CLUSTER_NAME.test(draft.clusterName.trim())) {
    return { field: "clusterName", sentence: "The cluster's name has letters, digits, blanks, dots and dashes, at most 63, and begins and ends with a letter or digit." };
  }
  if (!NAME.test(draft.serverName)) return { field: "serverName", sentence: `The server's name is not possible. ${NAME_RULE}` };
  return null;
}

export function passwordProblem(draft: Draft): DraftProblem<"password" | "passwordAgain"> | null {
  const unfit = unfitPassword(draft.password, FIRST_USER);
  if (unfit !== null) return { field: "password", sentence: unfit };
  if (draft.password !== draft.passwordAgain) return { field: "passwordAgain", sentence: "The two passwords differ: type the second one again, or both." };
  return null;
}

export function joinProblem({ join }: Draft): DraftProblem<"address" | "code"> | null {
  if (join.address.trim() === "") return { field: "address", sentence: "Give the address of a server of the cluster; it stands on that server's console." };
  if (!CODE.test(join.code.trim())) return { field: "code", sentence: "A join code has eight letters and digits, as in K7QF-2M9X; a server of the cluster shows one on its console (action: show a join code)." };
  return null;
}

export type NetworkField = "bond" | "kind" | "address" | "prefix" | "gateway" | "dns" | "vlan" | "mtu" | "otherPorts";
export type NetworkMade = { readonly config: NetworkConfig } | { readonly problem: { readonly field?: NetworkField; readonly sentence: string } };

/** The configuration that was meant, or what is wrong with it. */
export function makeNetwork(draft: NetworkDraft): NetworkMade {
  const [first, ...others] = draft.macs;
  if (first === undefined) return { problem: { sentence: "Choose a network port with Space." } };
  const vlan = wholeNumber(draft.vlan);
  if (vlan !== null && !(vlan >= 1 && vlan <= 4094)) return { problem: { field: "vlan", sentence: "A VLAN is a number from 1 to 4094; leave it empty when the switch's port is untagged." } };
  const mtu = wholeNumber(draft.mtu);
  if (mtu !== null && !(mtu >= MTU_MIN && mtu <= MTU_MAX)) return { problem: { field: "mtu", sentence: `The MTU is a number from ${MTU_MIN} to ${MTU_MAX}; empty means 1500. 9000 needs switches and servers that all have it.` } };
  const prefix = prefixOf(draft.prefix);
  if (draft.kind === "static" && prefix === null) return { problem: { field: "prefix", sentence: "The prefix is a number from 8 to 30, as in 24, or a mask, as in 255.255.255.0." } };
  const config: NetworkConfig = {
    version: 1,
    uplink: others.length === 0 ? { kind: "port", mac: first } : { kind: "bond", mode: draft.bond, macs: [first, ...others] },
    vlan,
    mtu,
    ipv4: draft.kind === "dhcp"
      ? { kind: "dhcp" }
      : { kind: "static", address: draft.address.trim(), prefix: prefix ?? 24, gateway: draft.gateway.trim() || null, dns: draft.dns.split(/[\s,]+/).filter((one) => one !== "").slice(0, 3) },
    otherPorts: draft.otherPorts,
  };
  const problem = networkProblem(config);
  if (problem === null) return { config };
  return { problem: problem.field === "uplink" ? { sentence: problem.sentence } : { field: problem.field, sentence: problem.sentence } };
}

/** null for nothing, NaN for what is no whole number. */
function wholeNumber(text: string): number | null {
  const trimmed = text.trim();
  if (trimmed === "") return null;
  return /^\d{1,6}$/.test(trimmed) ? Number(trimmed) : NaN;
}

function prefixOf(text: string): number | null {
  const trimmed = text.trim().replace(/^\//, "");
  const mask = /^(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(trimmed);
  const bits = mask === null ? "" : mask.slice(1).map((part) => Number(part).toString(2).padStart(8, "0")).join("");
  const prefix = mask === null ? wholeNumber(trimmed) : /^1*0*$/.test(bits) && bits.length === 32 ? bits.indexOf("0") : NaN;
  return prefix !== null && prefix >= 8 && prefix <= 30 ? prefix : null;
}
