import { groupConfig, keys, parseValue, type GroupConfig } from "../cluster/schema.ts";
import type { GroupId } from "../base/ids.ts";
import type { Clock, Log } from "../platform/platform.ts";
import { StoreUnavailable, type ClusterStore } from "../platform/store.ts";
import type { StoredConfig } from "./group/host.ts";

/** Pause before an unsettled change is tried again. */
const SETTLE_AGAIN_MS = 200;

/** Linearizable; null when the store does not answer or has no such group. */
export async function readConfig(store: ClusterStore, group: GroupId): Promise<StoredConfig | null> {
  const key = keys.group(group);
  try {
    const { found } = await store.get(key);
    return found && { config: parseValue(groupConfig, key, found.value), revision: found.revision };
  } catch (error) {
    if (error instanceof StoreUnavailable) return null;
    throw error;
  }
}

export interface ConfigWorld {
  readonly store: ClusterStore;
  readonly clock: Clock;
  readonly log: Log;
  /** Revision of the record `cluster`, as the caller knows it. */
  clusterRevision(): number;
  /** R14: whether the store may be written; "wait" is as if it gave no answer, "ended": the caller's term is over. */
  standing(): "good" | "wait" | "ended";
}

/**
 * R8. Resolves only when settled. Refused is not proof of loss: an earlier try of ours may have taken effect, which the nonce
 * shows. Unknown is settled by a definite answer to another try on the same expected revision, with the same nonce.
 */
export async function writeConfig(
  { store, clock, log, clusterRevision, standing }: ConfigWorld,
  group: GroupId,
  expectedRevision: number,
  config: GroupConfig,
): Promise<{ won: boolean; current: StoredConfig | null }> {
  const key = keys.group(group);
  for (;;) {
    const may = standing();
    if (may === "ended") return { won: false, current: null };
    if (may === "wait") {
      await new Promise<void>((resolve) => void clock.timer(SETTLE_AGAIN_MS, resolve));
      continue;
    }
    // R14: what was decided by the store before a restore has no effect after it.
    const compares = [{ key, revision: expectedRevision }, { key: keys.cluster, revision: clusterRevision() }];
    const outcome = await store.transact({ compares, puts: [{ key, value: JSON.stringify(config) }] });
    switch (outcome.outcome) {
      case "success":
        return { won: true, current: { config, revision: outcome.revision } };
      case "refused": {
        const current = await readConfig(store, group);
        if (current) return { won: current.config.nonce === config.nonce, current };
        break;
      }
      case "unknown":
        log.warn("a change of a group's configuration is not settled: trying again", { group: key, reason: outcome.reason });
    }
    await new Promise<void>((resolve) => void clock.timer(SETTLE_AGAIN_MS, resolve));
  }
}
