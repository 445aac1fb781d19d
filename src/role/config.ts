import * as v from "valibot";

const text = v.pipe(v.string(), v.minLength(1));
const port = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65535));

/** One server's configuration, a JSON file that formation writes and `virtustor server --config FILE` reads. Paths are absolute. */
export const serverConfig = v.object({
  clusterId: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)),
  name: text,
  /** State of this server: logs, pid files, instance counters. */
  directory: text,
  /** Data and API address of this server. */
  address: text,
  portalPort: port,
  apiPort: port,
  portalGroupTag: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65535)),
  /** File with 32 random bytes shared by all servers (hello of the storage protocol). */
  clusterKeyFile: text,
  /** File with the API's bearer token. */
  tokenFile: text,
  /** Folder with the cluster's authority and this server's certificate (`tlsFiles`): its API and its etcd prove themselves by them. */
  tlsDirectory: text,
  /** One storage process for each; `directory` is an already formatted drive. */
  drives: v.array(
    v.object({
      directory: text,
      port,
      /** UUID of the filesystem that is mounted there before the process starts; absent for a plain directory. */
      filesystem: v.optional(text),
      /** No longer of the cluster: never started again. Its line stays, since others are known by their places. */
      removed: v.optional(v.boolean()),
    }),
  ),
  /** Drives that are added get ports from here on; default DRIVE_PORT_BASE. */
  drivePortBase: v.optional(port),
  store: v.variant("kind", [
    v.object({ kind: v.literal("embedded"), socket: text }),
    v.object({
      kind: v.literal("etcd"),
      endpoints: v.pipe(v.array(text), v.minLength(1)),
      /** This server's own member, run as a child; null when it has none. */
      member: v.nullable(
        v.object({
          name: text,
          directory: text,
          clientUrl: text,
          peerUrl: text,
          initialCluster: text,
          initialClusterToken: text,
          /** new: the members of `initialCluster` make the store; existing: it is there, and this member was added to it. */
          initialClusterState: v.picklist(["new", "existing"]),
        }),
      ),
    }),
  ]),
  /** separate: one process for the iSCSI role and one for each drive; shared: they are one process, faster and less isolated. */
  processes: v.picklist(["separate", "shared"]),
  logLevel: v.picklist(["debug", "info", "warn", "error"]),
});
export type ServerConfig = v.InferOutput<typeof serverConfig>;
