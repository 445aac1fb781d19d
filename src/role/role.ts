import type { Platform } from "../platform/platform.ts";
import type { ClusterStore } from "../platform/store.ts";
import type { ServerConfig } from "./config.ts";

/** What every role process gets. A role's `run` resolves when it serves and returns how to stop it. */
export interface RoleContext {
  readonly platform: Platform;
  readonly store: ClusterStore;
  readonly config: ServerConfig;
  /** Where that was read from: the supervisor writes it anew when a drive is added or the store's members change. */
  readonly configFile?: string;
}
export interface RunningRole {
  stop(): Promise<void>;
}
/** storage: `drive` is the index in `config.drives`; the others take the context alone. */
export type RunRole = (context: RoleContext) => Promise<RunningRole>;
