import type { DriveId, Instance } from "../base/ids.ts";
import type { ClusterStore } from "../platform/store.ts";
import { ClusterMap } from "./map.ts";
import { keys, type BanRecord, type GatewayRecord } from "./schema.ts";

/*
 * R26 for a portal that is silent and not proved dead, as after its server lost power: primaries shut it out.
 *
 *     management: banned/<gateway> -> each drive: closes its channels, refuses its hellos and what it had waiting, says so in
 *     `observed` -> management: no primary is left that has not said so
 *
 * A ban stays until a successor of the portal holds its port (role/bans.ts); a banned portal that lives ends and begins anew as
 * another instance.
 */

/** Whether it has neither a lease nor a ban. */
export async function bannable(store: ClusterStore, gateway: number): Promise<boolean> {
  const [up, banned] = await Promise.all([store.get(keys.upGateway(gateway)), store.get(keys.banned(gateway))]);
  return up.found === null && banned.found === null;
}

/** Refused when it has a lease again; whatever comes of it is seen by the next look. */
export async function ban(store: ClusterStore, { instance, server }: GatewayRecord, atMs: number): Promise<void> {
  const record: BanRecord = { instance, server, atMs };
  const compares = [
    { key: keys.upGateway(instance), revision: 0 },
    { key: keys.banned(instance), revision: 0 },
  ];
  await store.transact({ compares, puts: [{ key: keys.banned(instance), value: JSON.stringify(record) }] });
}

/** For each of these gateways that is banned: the drives that may still take something of it. One read of the store, that all belongs to one revision. */
export async function mayStillServe(store: ClusterStore, gateways: readonly GatewayRecord[]): Promise<Map<number, readonly DriveId[]>> {
  const { entries, revision } = await store.range("");
  const map = new ClusterMap();
  map.snapshot(entries, revision);
  return new Map(gateways.filter(({ instance }) => map.bans.has(instance)).map(({ instance }) => [instance, primariesNotObeying(map, instance)]));
}

/**
 * R26: who may still complete something of a banned gateway. `map`: the store as it was at one moment after the ban. Pure.
 *
 * Every group counts by its primary's instance in the configuration. One that is cut off from the store serves on (R13) and has not
 * heard of the ban, so it is waited for until it confirms or another has taken its place. One that is no group's primary any more
 * completes nothing once its successor serves: every member has been fenced by then, and what it had sent them before is settled;
 * hence *serving at this epoch*, not only confirmed. Whoever becomes primary later does so by a compare-and-set after this
 * moment, and takes nothing before it has seen the store up to there, ban included (storage/group/commands.ts).
 */
export function primariesNotObeying(map: ClusterMap, gateway: Instance): DriveId[] {
  const found = new Set<DriveId>();
  for (const [group, { config }] of map.groups) {
    const { primary, primaryInstance, epoch, members } = config;
    // Its only member is proved dead: there is nobody else whom anything could have reached.
    if (members.length === 1 && primaryInstance !== 0 && (map.deaths.get(primary)?.instance ?? 0) >= primaryInstance) continue;
    const told = map.observed.get(primary);
    const obeys = told?.instance === primaryInstance && told.bans?.includes(gateway) === true;
    const serves = told?.groups.some((one) => one.group === group && one.epoch === epoch && one.state === "serving") === true;
    if (!obeys || !serves) found.add(primary);
  }
  return [...found].sort();
}
