import * as v from "valibot";
import type { CheckedNic } from "../../cluster/alerting.ts";

const side = v.object({ packets: v.number(), errors: v.number() });
const port = v.object({
  ifname: v.string(),
  flags: v.optional(v.array(v.string()), []),
  /** A VLAN's parent. */
  link: v.optional(v.string()),
  /** The bond that it is part of. */
  master: v.optional(v.string()),
  link_type: v.optional(v.string()),
  addr_info: v.optional(v.array(v.object({ local: v.optional(v.string()) })), []),
  stats64: v.optional(v.object({ rx: side, tx: side })),
});
type Port = v.InferOutput<typeof port>;

export interface NicCount {
  readonly packets: number;
  readonly errors: number;
}

/**
 * What `ip -j -s address` says of the ports, with errors counted since `before`; both are kept by the caller. The ports that carry
 * `address`, themselves, as the parent of its VLAN or as parts of its bond, count as used. Pure; null when it is not what `ip` says.
 */
export function parseNics(text: string, address: string, before: ReadonlyMap<string, NicCount>): { nics: CheckedNic[]; counts: Map<string, NicCount> } | null {
  const parsed = v.safeParse(v.array(port), json(text));
  if (!parsed.success) return null;
  const ports = parsed.output.filter(({ ifname, link_type }) => ifname !== "lo" && link_type !== "loopback");
  const used = usedPorts(ports, address);
  const counts = new Map<string, NicCount>();
  const nics = ports.map(({ ifname, flags, stats64 }): CheckedNic => {
    const now = { packets: (stats64?.rx.packets ?? 0) + (stats64?.tx.packets ?? 0), errors: (stats64?.rx.errors ?? 0) + (stats64?.tx.errors ?? 0) };
    counts.set(ifname, now);
    const last = before.get(ifname) ?? now;
    return { name: ifname, used: used.has(ifname), link: flags.includes("LOWER_UP"), speed: null, errors: Math.max(0, now.errors - last.errors), packets: Math.max(0, now.packets - last.packets) };
  });
  return { nics, counts };
}

function usedPorts(ports: readonly Port[], address: string): Set<string> {
  const used = new Set<string>();
  const add = (name: string): void => {
    const found = ports.find(({ ifname }) => ifname === name);
    if (found === undefined || used.has(name)) return;
    used.add(name);
    if (found.link !== undefined) add(found.link);
    for (const { ifname, master } of ports) if (master === name) add(ifname);
  };
  for (const { ifname, addr_info } of ports) if (addr_info.some(({ local }) => local === address)) add(ifname);
  return used;
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
