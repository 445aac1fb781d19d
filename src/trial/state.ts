import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import * as v from "valibot";
import type { DriveId } from "../base/ids.ts";
import { formDrive, unfitForDrive } from "../formation/drive.ts";
import { writeDurably } from "../formation/durable.ts";
import {
  ensureAuthority, ensureClusterKey, ensureServerCertificate, ensureToken, newClusterId, newDriveId, saveAuthority, targetNameOf, writeServerConfig,
} from "../formation/identity.ts";
import type { Platform } from "../platform/platform.ts";
import { serverConfig, type ServerConfig } from "../role/config.ts";
import { tlsFiles } from "../role/tls.ts";
import { portsOf, type TrialOptions } from "./options.ts";
import type { ApiAccess } from "./probe.ts";

/** A small journal, so that a trial needs little space: 4 segments of 16 MiB for each drive. */
const JOURNAL_SEGMENTS = 4;
const JOURNAL_SEGMENT_BYTES = 16 * 2 ** 20;
/**
 * Placement groups of a trial. The appliance's 512 spread load evenly over dozens of drives; over the handful of a trial 64 do
 * the same, and three servers on one machine start faster with them.
 */
export const TRIAL_GROUP_COUNT = 64;
/** A Unix socket's path has at most 107 bytes (unix(7)); some are left for safety. */
const SOCKET_PATH_BYTES_MAX = 100;

const savedTrial = v.object({
  version: v.literal(1),
  options: v.object({
    servers: v.number(),
    drives: v.number(),
    driveSizeBytes: v.number(),
    addresses: v.array(v.string()),
    netns: v.array(v.string()),
    store: v.picklist(["sqlite", "etcd"]),
    processes: v.picklist(["separate", "shared"]),
    portBase: v.number(),
    evaluation: v.optional(v.boolean(), false),
  }),
  clusterId: v.string(),
  formedAtMs: v.number(),
  /** In the order of the servers and their drives. `formatted` is set when the format has ended. */
  drives: v.array(v.object({ directory: v.string(), id: v.string(), formatted: v.boolean() })),
  /** Directories of drives that were added to servers later, for whoever wipes the trial. */
  added: v.optional(v.array(v.string()), []),
  /** What lay in the trial's directory before the trial did, relative to it: stays when the trial is wiped. */
  keep: v.array(v.string()),
});
export type SavedTrial = v.InferOutput<typeof savedTrial>;

export interface TrialServer {
  readonly name: string;
  readonly index: number;
  readonly address: string;
  readonly netns: string | null;
  readonly directory: string;
  readonly configFile: string;
}

/** A trial's files and names. */
export class Trial {
  readonly directory: string;
  readonly saved: SavedTrial;

  private constructor(directory: string, saved: SavedTrial) {
    this.directory = directory;
    this.saved = saved;
  }

  /** Null when there is no trial in the directory. Throws an Error when what is there cannot be read. */
  static open(directory: string): Trial | null {
    const file = join(directory, SAVED_FILE);
    if (!existsSync(file)) return null;
    try {
      return new Trial(directory, v.parse(savedTrial, JSON.parse(readFileSync(file, "utf8"))));
    } catch (error) {
      throw new Error(`the trial's record ${file} cannot be read: ${(error as Error).message}`, { cause: error });
    }
  }

  /** Decides what the trial will be and writes it down, before anything else is made. */
  static begin(directory: string, options: TrialOptions, platform: Platform): Trial {
    const drives = Array.from({ length: options.servers * options.drives }, (_, index) => ({
      directory: join(directory, serverName(Math.floor(index / options.drives)), `drive-${index % options.drives}`),
      id: newDriveId(platform.random),
      formatted: false,
    }));
    for (const drive of drives) {
      const why = unfitForDrive(drive.directory);
      if (why !== null) throw new Error(`${why} and cannot become a drive of a trial`);
    }
    const saved: SavedTrial = {
      version: 1,
      options: { ...options, addresses: [...options.addresses], netns: [...options.netns] },
      clusterId: newClusterId(platform.random),
      formedAtMs: platform.clock.wallMs(),
      drives,
      added: [],
      keep: existing(directory, options.servers),
    };
    const trial = new Trial(directory, saved);
    trial.#save();
    return trial;
  }

  get options(): TrialOptions {
    return this.saved.options;
  }
  get targetName(): string {
    return targetNameOf(this.saved.clusterId);
  }
  get tokenFile(): string {
    return join(this.directory, "token");
  }
  /** Of the user admin, as it was at first. */
  get passwordFile(): string {
    return join(this.directory, "password");
  }
  get keyFile(): string {
    return join(this.directory, "cluster.key");
  }
  get token(): string {
    return readFileSync(this.tokenFile, "utf8").trim();
  }
  /** The cluster's authority; each server has a copy in a folder of its own. */
  get tlsDirectory(): string {
    return join(this.directory, "tls");
  }
  get authorityFile(): string {
    return tlsFiles(this.tlsDirectory).authority;
  }
  get reportFile(): string {
    return join(this.directory, "trial.json");
  }
  get storeDirectory(): string {
    return join(this.directory, "store");
  }
  /** Beside the trial when a Unix socket's name may be that long, else in a directory of this user's in /tmp. */
  get storeSocket(): string {
    const beside = join(this.directory, "store.sock");
    if (Buffer.byteLength(beside) <= SOCKET_PATH_BYTES_MAX) return beside;
    const hash = createHash("sha256").update(this.directory).digest("hex").slice(0, 12);
    return `/tmp/virtustor-${process.getuid?.() ?? 0}-${hash}/store.sock`;
  }
  /** With those that were removed from the cluster. */
  get everyServer(): TrialServer[] {
    return this.options.addresses.map((address, index) => {
      const directory = join(this.directory, serverName(index));
      return { name: serverName(index), index, address, netns: this.options.netns[index] ?? null, directory, configFile: join(directory, "config.json") };
    });
  }
  get servers(): TrialServer[] {
    return this.everyServer.filter(({ configFile }) => !existsSync(`${configFile}${REMOVED}`));
  }
  server(name: string): TrialServer {
    const found = this.servers.find((server) => server.name === name);
    if (found === undefined) throw new Error(`this trial has no server ${name}; it has ${this.servers.map((server) => server.name).join(", ")}`);
    return found;
  }
  apiOf(server: TrialServer): string {
    return `https://${server.address}:${portsOf(this.options.portBase).api}`;
  }
  accessTo(server: TrialServer): ApiAccess {
    return { api: this.apiOf(server), token: this.token, authority: readFileSync(this.authorityFile, "utf8") };
  }
  tlsOf(server: TrialServer): string {
    return join(server.directory, "tls");
  }
  get storeConfig(): ServerConfig["store"] {
    if (this.options.store === "sqlite") return { kind: "embedded", socket: this.storeSocket };
    const { etcdClient } = portsOf(this.options.portBase);
    return { kind: "etcd", endpoints: this.options.addresses.slice(0, STORE_MEMBERS).map((address) => `https://${address}:${etcdClient}`), member: null };
  }

  /** Everything that must be on disk before a server starts. Steps already taken are left alone. */
  async form(platform: Platform, progress: (line: string) => void): Promise<void> {
    ensureClusterKey(this.keyFile, platform.random);
    ensureToken(this.tokenFile, platform.random);
    const authority = await ensureAuthority(this.tlsDirectory, "trial", platform.clock);
    for (const server of this.servers) {
      saveAuthority(this.tlsOf(server), authority);
      await ensureServerCertificate(this.tlsOf(server), authority, { name: server.name, addresses: [server.address] });
    }
    if (this.options.store === "sqlite") this.#makeSocketDirectory();
    for (const drive of this.saved.drives) {
      if (drive.formatted) continue;
      progress(`formatting ${drive.directory}`);
      await formDrive(platform, {
        directory: drive.directory,
        driveId: drive.id as DriveId,
        clusterId: this.saved.clusterId,
        incarnation: 1,
        capacityBytes: this.options.driveSizeBytes,
        journalSegments: JOURNAL_SEGMENTS,
        journalSegmentBytes: JOURNAL_SEGMENT_BYTES,
      });
      drive.formatted = true;
      this.#save();
    }
    // A server that was there before knows best what it has: drives come and go while it runs.
    for (const server of this.servers) if (!existsSync(server.configFile)) writeServerConfig(server.configFile, this.#firstConfigOf(server));
  }

  /** One server more, at an address that no other has; `form` makes the rest. Returns its name. */
  addServer(platform: Platform, address: string): string {
    const { options, drives } = this.saved;
    const index = options.addresses.length;
    const directories = Array.from({ length: options.drives }, (_, drive) => join(this.directory, serverName(index), `drive-${drive}`));
    for (const directory of directories) {
      const why = unfitForDrive(directory);
      if (why !== null) throw new Error(`${why} and cannot become a drive of a trial`);
    }
    options.addresses.push(address);
    options.servers = options.addresses.length;
    drives.push(...directories.map((directory) => ({ directory, id: newDriveId(platform.random), formatted: false })));
    this.#save();
    return serverName(index);
  }

  /** Where a drive more of a server goes. Remembered before anything is made there. */
  addDrive(server: TrialServer): string {
    const present = this.configOf(server).drives.length;
    const directory = join(server.directory, `drive-${present}`);
    if (!this.saved.added.includes(directory)) this.saved.added.push(directory);
    this.#save();
    return directory;
  }

  /** As it is now, when the server has one. */
  configOf(server: TrialServer): ServerConfig {
    if (!existsSync(server.configFile)) return this.#firstConfigOf(server);
    return v.parse(serverConfig, JSON.parse(readFileSync(server.configFile, "utf8")));
  }

  #firstConfigOf(server: TrialServer): ServerConfig {
    const ports = portsOf(this.options.portBase);
    const { drives, processes } = this.options;
    return {
      clusterId: this.saved.clusterId,
      name: server.name,
      directory: server.directory,
      address: server.address,
      portalPort: ports.portal,
      apiPort: ports.api,
      portalGroupTag: server.index + 1,
      clusterKeyFile: this.keyFile,
      tokenFile: this.tokenFile,
      tlsDirectory: this.tlsOf(server),
      drives: this.saved.drives.slice(server.index * drives, (server.index + 1) * drives).map(({ directory }, index) => ({ directory, port: ports.drive(index) })),
      drivePortBase: ports.drive(0),
      store: this.#storeOf(server),
      processes,
      logLevel: "info",
    };
  }

  /** The server asks its own member first: nobody is nearer. */
  #storeOf(server: TrialServer): ServerConfig["store"] {
    const shared = this.storeConfig;
    if (shared.kind === "embedded") return shared;
    // A later one takes a member over when one of the first leaves.
    if (server.index >= STORE_MEMBERS) return shared;
    const ports = portsOf(this.options.portBase);
    const clientUrl = `https://${server.address}:${ports.etcdClient}`;
    const peerUrl = (address: string): string => `https://${address}:${ports.etcdPeer}`;
    return {
      ...shared,
      endpoints: [clientUrl, ...shared.endpoints.filter((endpoint) => endpoint !== clientUrl)],
      member: {
        name: server.name,
        directory: join(server.directory, "etcd"),
        clientUrl,
        peerUrl: peerUrl(server.address),
        initialCluster: this.everyServer.slice(0, STORE_MEMBERS).map(({ name, address }) => `${name}=${peerUrl(address)}`).join(","),
        initialClusterToken: this.saved.clusterId,
        initialClusterState: "new",
      },
    };
  }

  #makeSocketDirectory(): void {
    const directory = dirname(this.storeSocket);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    // In /tmp somebody else may have made it before us.
    if (statSync(directory).uid !== process.getuid?.()) throw new Error(`${directory} belongs to another user; use another --dir with a shorter path`);
  }

  #save(): void {
    writeDurably(join(this.directory, SAVED_FILE), `${JSON.stringify(this.saved, null, 1)}\n`);
  }
}

/** Three bear the loss of one; more would only make each write slower. */
const STORE_MEMBERS = 3;
/** Ending of a configuration that a removed server has put aside (server.ts). */
const REMOVED = ".removed";
export const SAVED_FILE = "options.json";

function serverName(index: number): string {
  return `server${index + 1}`;
}

function existing(directory: string, servers: number): string[] {
  const list = (path: string): string[] => (existsSync(path) ? readdirSync(path) : []);
  const inServers = Array.from({ length: servers }, (_, index) => serverName(index)).flatMap((name) => list(join(directory, name)).map((entry) => join(name, entry)));
  return [...list(directory).filter((name) => name !== "lock"), ...inServers];
}
