import type { DriveId } from "../base/ids.ts";
import type { Clock } from "../platform/platform.ts";
import type { ClusterStore, Transaction } from "../platform/store.ts";
import { bannable, ban, mayStillServe } from "./ban.ts";
import { death, fenceRecord, gatewayRecord, keys, parseValue, type FenceRecord, type GatewayRecord } from "./schema.ts";

/** R26: between two looks at who has obeyed. */
const LOOK_EVERY_MS = 50;
/** R15, R26: so old, by any server's clock, is every command that a portal may have left behind: primaries refuse it as late. */
export const LEFT_BEHIND_MS = 4000 * 1.01;
/** A portal without a lease for so long is banned: longer than it takes to register again after an election of the store. */
export const BAN_AFTER_MS = 3000;
/** The whole store is read to see whether a ban is obeyed, at most this often. */
const BAN_LOOK_EVERY_MS = 500;
/** Portals answer in one round trip and what their hosts have running; past this one of them is cut off. */
export const FENCE_WITHIN_MS = 15_000;

/**
 * R26, one mechanism for everything that is over only when every portal knows: the change and the fence are one transaction
 * of the store, so that a portal that sees the fence obeys the change; it then lets end what came before and says so.
 *
 *     management: change + fence/<id> -> each portal: obeyed/<id>/<instance> -> management: all accounted for, fence removed
 */
export function fencePut(id: number, fence: FenceRecord): { readonly key: string; readonly value: string } {
  return { key: keys.fence(id), value: JSON.stringify(fence) };
}

/** A portal that is not accounted for. */
export interface SilentPortal extends GatewayRecord {
  /** R26: it is banned, and these drives may still take something of it: they are primaries that have not confirmed. Empty: it has a lease. */
  readonly heldUpBy: readonly DriveId[];
}

/**
 * Resolves with the portals that are not accounted for: none, or those that are left after `withinMs`; then the fence stays and may
 * be waited for again. Accounted for is who has said that it obeys; whose process is proved dead, by its supervisor or by
 * a successor that holds its port, for so long that nothing it left behind is taken any more; and who is banned, when no primary
 * takes anything of it. Rejects with `StoreUnavailable`.
 */
export async function awaitFence({ store, clock }: { store: ClusterStore; clock: Clock }, id: number, withinMs = FENCE_WITHIN_MS): Promise<readonly SilentPortal[]> {
  const beganMs = clock.nowMs();
  const deadSeenMs = new Map<number, number>();
  const silentSinceMs = new Map<number, number>();
  let bansSeenMs = -Infinity;
  let heldUpBy = new Map<number, readonly DriveId[]>();
  for (;;) {
    // The portals first: one that registers later has read the store with the fence in it.
    const gateways = (await store.range("gateway/")).entries.map(({ key, value }) => parseValue(gatewayRecord, key, value));
    const obeyed = new Set((await store.range(`obeyed/${id}/`)).entries.map(({ key }) => Number(key.split("/")[2])));
    const deaths = new Set<number>();
    for (const { instance } of gateways) {
      const { found } = obeyed.has(instance) ? { found: null } : await store.get(keys.death(String(instance)));
      // Never by the server alone: a predecessor's record may still be there, and says nothing of who came after it.
      const replaced = gateways.some((other) => other.replaces?.includes(instance));
      if (!replaced && !(found && parseValue(death, found.key, found.value).instance >= instance)) continue;
      const sinceMs = deadSeenMs.get(instance) ?? clock.nowMs();
      deadSeenMs.set(instance, sinceMs);
      if (clock.nowMs() - sinceMs >= LEFT_BEHIND_MS) deaths.add(instance);
    }
    const silent = gateways.filter(({ instance }) => !obeyed.has(instance) && !deaths.has(instance));
    for (const gateway of silent) await banWhenSilent(store, clock, gateway, silentSinceMs);
    if (silent.length > 0 && clock.nowMs() - bansSeenMs >= BAN_LOOK_EVERY_MS) {
      bansSeenMs = clock.nowMs();
      heldUpBy = await mayStillServe(store, silent);
    }
    const shutOut = silent.filter(({ instance }) => heldUpBy.get(instance)?.length === 0);
    const left = silent.filter((gateway) => !shutOut.includes(gateway));
    if (left.length === 0) {
      await store.transact(endOf(id, [...obeyed], [...deaths, ...shutOut.map(({ instance }) => instance)]));
      return [];
    }
    if (clock.nowMs() - beganMs >= withinMs) return left.map((gateway) => ({ ...gateway, heldUpBy: heldUpBy.get(gateway.instance) ?? [] }));
    await new Promise<void>((resolve) => void clock.timer(LOOK_EVERY_MS, resolve));
  }
}

/** R26: bans a portal that has had no lease for long. One that has one answers, or its lease ends. */
async function banWhenSilent(store: ClusterStore, clock: Clock, gateway: GatewayRecord, silentSinceMs: Map<number, number>): Promise<void> {
  const nowMs = clock.nowMs();
  if (!(await bannable(store, gateway.instance))) return void silentSinceMs.delete(gateway.instance);
  const sinceMs = silentSinceMs.get(gateway.instance) ?? nowMs;
  silentSinceMs.set(gateway.instance, sinceMs);
  if (nowMs - sinceMs >= BAN_AFTER_MS) await ban(store, gateway, clock.wallMs());
}

/** Fences that were not waited for to the end. */
export async function openFences(store: ClusterStore): Promise<{ readonly id: number; readonly fence: FenceRecord }[]> {
  const { entries } = await store.range("fence/");
  return entries.map(({ key, value }) => ({ id: Number(key.split("/")[1]), fence: parseValue(fenceRecord, key, value) }));
}

/** At most as many portals as there are servers, and some that have died: within one transaction. */
const ENDED_MAX = 60;
function endOf(id: number, obeyed: readonly number[], dead: readonly number[]): Transaction {
  const deletes = [keys.fence(id), ...obeyed.slice(0, ENDED_MAX).map((instance) => keys.obeyed(id, instance)), ...dead.slice(0, ENDED_MAX).map((instance) => keys.gateway(instance))];
  return { compares: [], deletes };
}
