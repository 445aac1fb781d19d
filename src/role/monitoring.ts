import { join } from "node:path";
import { History } from "../management/database/history.ts";
import { Keeper } from "../management/keeper.ts";
import type { Monitoring } from "../management/monitoring.ts";
import type { ClusterView } from "../management/view.ts";
import type { Platform } from "../platform/platform.ts";
import type { Sealer } from "../platform/seal.ts";
import { realSenders, TEST_MS_MAX } from "./notifications.ts";

/** What a server's API needs for alerts, statistics and notifications: its history in `directory`, copied from the store. */
export function openMonitoring(platform: Platform, view: ClusterView, directory: string, sealer: Sealer): Monitoring & { close(): void } {
  const history = new History(join(directory, "history.sqlite"), platform.log, () => platform.clock.nowMs());
  const keeper = new Keeper(platform, view, history);
  return {
    history,
    keeper,
    senders: realSenders(platform, sealer, TEST_MS_MAX),
    close() {
      keeper.close();
      history.close();
    },
  };
}
