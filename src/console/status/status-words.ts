import type { LocalState } from "../../management/api/local.ts";
import type { StatusAnswer } from "../../management/api.ts";
import { driveSize } from "../drive-words.ts";

/** A cluster serves volumes from so many servers on. */
export const SERVERS_MIN = 3;

export type Colour = "green" | "yellow" | "red";
export const HEALTH_COLOURS: Readonly<Record<StatusAnswer["health"]["state"], Colour>> = { healthy: "green", degraded: "yellow", "read-only": "red", unavailable: "red" };

/** How the servers that are missing come in, beside the health that says how many; null: none is. */
export function missingServers({ cluster, status, address }: LocalState): string | null {
  if (cluster === undefined || cluster.evaluation || status === undefined || status.cluster === null || status.servers.length >= SERVERS_MIN) return null;
  return `To add one: on its console choose "Join a cluster", and give ${address ?? "this server's address"} and a join code.`;
}

/** "server-1  up    10.0.0.1   2 drives, 1 of them down". */
export function serverLines({ servers, drives }: StatusAnswer, own: string | undefined): string[] {
  const names = Math.max(...servers.map(({ name }) => name.length), 0);
  return servers.map(({ name, up, address }) => {
    const its = drives.filter(({ server }) => server === name);
    const down = its.filter((drive) => !drive.up).length;
    const stores = its.length === 0 ? "no drive" : `${its.length} drive${its.length === 1 ? "" : "s"}${down === 0 ? "" : `, ${down} DOWN`}`;
    return `${name.padEnd(names)}  ${up ? "up  " : "DOWN"}  ${address.padEnd(15)}  ${stores}${name === own ? "  (this server)" : ""}`;
  });
}

/** This server's drives. */
export function driveLines({ drives }: StatusAnswer, own: string | undefined): string[] {
  return drives
    .filter(({ server }) => server === own)
    .map(({ id, up, capacityBytes, usedBytes }) => `${id}  ${up ? "up  " : "DOWN"}  ${usedBytes === null ? "size not known yet" : `${driveSize(usedBytes)} of ${driveSize(capacityBytes)} used`}`);
}

/** The first `max` lines; the last of them counts what is left out. */
export function atMost(lines: readonly string[], max: number): string[] {
  return lines.length <= max ? [...lines] : [...lines.slice(0, max - 1), `and ${lines.length - max + 1} more`];
}

/** What runs on this server, as far as the cluster hears of it. */
export function roleText({ status, name }: LocalState): string {
  const own = status?.servers.find((one) => one.name === name);
  if (status === undefined || own === undefined) return "starting";
  const its = status.drives.filter(({ server }) => server === name);
  const up = its.filter((drive) => drive.up).length;
  const portal = own.up ? `iSCSI portal ${own.portal}` : "iSCSI portal starting";
  return `${portal}, storage ${up} of ${its.length} up, store ${status.store.answering ? "answers" : `silent for ${Math.round(status.store.silentMs / 1000)} s`}`;
}

export function webAddress({ status, name, address }: LocalState): string {
  const api = status?.servers.find((one) => one.name === name)?.api;
  return (api ?? `https://${address ?? "?"}`).replace(/:443$/, "").replace(/\/?$/, "/");
}

/** "14:02 UTC". */
export function clockText(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(11, 16)} UTC`;
}
