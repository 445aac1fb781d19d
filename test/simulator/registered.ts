import type { Clock } from "../../src/platform/platform.ts";
import type { ClusterStore, StoreLease } from "../../src/platform/store.ts";

const LEASE_MS = 5000;
const AGAIN_MS = 300;

/** Keeps keys in the store under a lease, as the roles do; `ready` once they are there for the first time. */
export function keepRegistered(store: ClusterStore, clock: Clock, entries: readonly { readonly key: string; readonly value: string }[], ready: () => void): void {
  const again = (): void => void clock.timer(AGAIN_MS, () => void register());
  const register = async (): Promise<void> => {
    let lease: StoreLease;
    try {
      lease = await store.lease(LEASE_MS);
    } catch {
      return again();
    }
    const { outcome } = await store.transact({ compares: [], puts: entries.map((entry) => ({ ...entry, lease })) });
    if (outcome !== "success") {
      void lease.revoke().catch(() => undefined);
      return again();
    }
    lease.onLost(() => void register());
    ready();
  };
  void register();
}
