import type { ServerName } from "../../base/ids.ts";
import { capacity, usableBytes } from "../../cluster/capacity.ts";
import { ClusterMap } from "../../cluster/map.ts";
import { bytesText, type Finding, type Sight } from "./finding.ts";

const SOFT_SHARE = 0.8;
const HARD_SHARE = 0.95;
const STEADY_CAPACITY_MS = 60_000;

/** How full the cluster is, and whether it could make all copies again after the loss of a server. Single drives have their own alerts. */
export function capacityFindings({ map }: Sight): Finding[] {
  if (map.cluster === null || map.drives.size === 0) return [];
  const factor = Math.min(...[...map.pools.values()].map((pool) => pool.factor));
  if (!Number.isFinite(factor)) return [];
  const { usedBytes, usableBytes: whole } = capacity(map);
  const all = factor === 1 ? whole : usableBytes(map, factor);
  const need = usedBytes / (factor + 1);
  const about = { subject: "cluster", source: null, afterMs: STEADY_CAPACITY_MS } as const;
  const free = bytesText(Math.max(0, all - need));
  if (all > 0 && need >= all * HARD_SHARE) {
    return [{ ...about, kind: "capacity-hard", severity: "critical", sentence: `The cluster is full: ${percent(need, all)} of its space for data is used, ${free} is left.`, step: "Add drives or a server, or delete volumes; overwriting what is there goes on, new space is refused drive by drive." }];
  }
  const soft: Finding[] = all > 0 && need >= all * SOFT_SHARE ? [{ ...about, kind: "capacity-soft", severity: "warning", sentence: `The cluster fills up: ${percent(need, all)} of its space for data is used, ${free} is left.`, step: "Plan to add drives or a server." }] : [];
  const lost = cannotHeal(map, factor, need);
  if (lost === null) return soft;
  return [...soft, { ...about, kind: "capacity-heal", severity: "warning", sentence: `If ${lost.server} were lost, its copies could not all be made again: the other servers have room for ${bytesText(lost.room)} and ${bytesText(need)} is used.`, step: "Add drives or a server, so that the cluster can heal by itself." }];
}

/** The worst server to lose, when the others have servers enough but not room; null when it can heal, or never could. */
function cannotHeal(map: ClusterMap, factor: number, need: number): { server: ServerName; room: number } | null {
  const servers = new Set([...map.drives.values()].map(({ server }) => server));
  // With as many servers as copies there is nowhere to heal to, and with one copy nothing to heal from: that is how it was built.
  if (servers.size <= factor + 1 || factor < 1) return null;
  let worst: { server: ServerName; room: number } | null = null;
  for (const server of servers) {
    const room = usableBytes(without(map, server), factor);
    if (room < need && (worst === null || room < worst.room)) worst = { server, room };
  }
  return worst;
}

function without(map: ClusterMap, server: ServerName): ClusterMap {
  const rest = new ClusterMap();
  for (const drive of map.drives.values()) if (drive.server !== server) rest.drives.set(drive.id, drive);
  return rest;
}

function percent(part: number, whole: number): string {
  return `${Math.floor((part / whole) * 100)} %`;
}
