import * as v from "valibot";
import type { DriveId } from "../base/ids.ts";
import { port, serverName } from "./schema.ts";

/**
 * How drives and servers leave. Nothing here takes a copy away: primaries enact the monitor's wishes (R11, R12), and only what no
 * group names any more is removed.
 *
 * key                              | writer                                   | value
 * drain/drive/<drive>              | management                               | DrainRecord: its copies are made elsewhere, none is placed there
 * drain/server/<name>              | management                               | DrainRecord: likewise for all drives of the server, now and later
 * removed/drive/<drive>            | management; its server says `stopped`    | RemovedDrive: no longer of the cluster
 * removed/server/<name>            | management; a join under that name removes it | RemovedServer: its supervisor ends for good
 *
 *     management: drain -> monitor: wishes without it -> primaries: copies elsewhere -> management: removed, the registration gone
 *     -> its supervisor: stops it for good
 */
export const drainRecord = v.object({ atMs: v.number() });
export type DrainRecord = v.InferOutput<typeof drainRecord>;

export const removedDrive = v.object({
  server: serverName,
  /** Of its storage process: by it its server knows which of its drives is meant. */
  port,
  atMs: v.number(),
  /** Its server does not start it any more. */
  stopped: v.boolean(),
});
export type RemovedDrive = v.InferOutput<typeof removedDrive>;

export const removedServer = v.object({ atMs: v.number() });
export type RemovedServer = v.InferOutput<typeof removedServer>;

export const leavingKeys = {
  drainDrive: (id: DriveId) => `drain/drive/${id}`,
  drainServer: (name: string) => `drain/server/${name}`,
  removedDrive: (id: DriveId) => `removed/drive/${id}`,
  removedServer: (name: string) => `removed/server/${name}`,
} as const;
