import { mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { assert } from "./base/assert.ts";
import { clusterRecord, DRIVE_FAILED, keys, parseValue } from "./cluster/schema.ts";
import { mountDrive } from "./formation/devices.ts";
import { writeServerConfig } from "./formation/identity.ts";
import { FATAL_EXIT_CODES, type Platform } from "./platform/platform.ts";
import type { Processes } from "./platform/process.ts";
import { StoreUnavailable, type ClusterStore } from "./platform/store.ts";
import { failedDrives, forgetAnnounced, startableDrives, takeLastWords, type LastWords } from "./role/announce.ts";
import type { ServerConfig } from "./role/config.ts";
import { withdrawWordAtStart } from "./role/lone.ts";
import { Adding } from "./server/adding.ts";
import { SupervisedChild } from "./server/child.ts";
import { DeathPublisher } from "./server/deaths.ts";
import { FailedDriveList } from "./server/failed-drives.ts";
import { etcdCommand } from "./server/etcd-member.ts";
import { Leaving } from "./server/leaving.ts";
import { boundLogs } from "./server/logs.ts";
import { writePids } from "./server/pids.ts";
import { StoreKeeper } from "./server/store-keeper.ts";
import { followMembers } from "./server/store-members.ts";
import { formPlace, nextDrivePort } from "./server/place.ts";
import { Registration } from "./server/registration.ts";

/** Every process of a server has this in its environment, so that none escapes those who look for it. */
export const SERVER_VARIABLE = "VIRTUSTOR_SERVER";

/**
 * A server whose store gives no answer for this long starts its roles all the same: with all members of a group in touch they
 * need no quorum (R13), and the administrator must be able to ask it what is wrong.
 */
const STORE_PATIENCE_MS = 20_000;
/** At a stop the other servers need not wait for leases, if the store is there to tell them. */
const LAST_DEATHS_WITHIN_MS = 2_000;
const STORE_RETRY_MS = 200;
/** A drive may be plugged in later. */
const MOUNT_AGAIN_MS = 10_000;
const STORE_COMPLAINT_EVERY_MS = 5_000;

export interface ServerWorld {
  readonly platform: Platform;
  readonly processes: Processes;
  readonly store: ClusterStore;
  readonly config: ServerConfig;
  /** Absolute path of the file that `config` was read from: children read it again. */
  readonly configFile: string;
  /** This server was removed from the cluster: it has stopped, and its configuration lies aside. */
  readonly removed?: () => void;
}
export type NewDrive = ServerConfig["drives"][number];
export interface RunningServer {
  /** Orderly stop: management and monitor, iscsi, storage, etcd. Resolves when no child is left. Idempotent. */
  stop(): Promise<void>;
  /**
   * Takes a formatted drive in, for good: writes it into the configuration's file, then starts its storage process. `port` is free and no
   * other drive's. With a directory that is a drive of this server already, nothing happens. Throws when the file cannot be written.
   */
  addDrive(drive: NewDrive): void;
}

/**
 * One server: starts and supervises the roles that run here, each a child process of the same executable.
 * Phases of the start: directories, store member, store, registration, roles. Resolves when the roles are started, or
 * when it was stopped before.
 */
export function startServer(world: ServerWorld): { started: Promise<void>; server: RunningServer } {
  const server = new Server(world);
  return { started: server.start(), server };
}

class Server implements RunningServer {
  readonly #world: ServerWorld;
  readonly #deaths: DeathPublisher;
  readonly #registration: Registration;
  readonly #failed: FailedDriveList;
  readonly #leaving: Leaving;
  readonly #adding: Adding;
  readonly #children: SupervisedChild[] = [];
  #members: { close(): void } | null = null;
  #storeKeeper: StoreKeeper | null = null;
  #rolesStarted = false;
  #logs: { stop(): void } | null = null;
  #stopping: Promise<void> | null = null;

  constructor(world: ServerWorld) {
    this.#world = world;
    this.#deaths = new DeathPublisher(world.store, world.platform.clock, world.platform.log);
    this.#registration = new Registration(world.platform, world.store, world.config);
    const { store, config, platform: { clock, log } } = world;
    this.#failed = new FailedDriveList({ store, config, clock, log }, (index) => this.#driveReleased(index));
    this.#leaving = new Leaving({ store, config, clock, log }, { driveRemoved: (port) => this.#removeDrive(port), serverRemoved: () => this.#removeServer() });
    this.#adding = new Adding({ store, config, clock, log }, async (id, wish, incarnation) => {
      const formed = await formPlace(world.platform, config, id, wish, incarnation);
      if (formed !== null) this.addDrive({ ...formed, port: nextDrivePort(config) });
    });
  }

  async start(): Promise<void> {
    const { config, platform } = this.#world;
    platform.log.info("phase: directories", { directory: config.directory });
    mkdirSync(join(config.directory, "log"), { recursive: true, mode: 0o700 });
    forgetAnnounced(config.directory);
    // R24: an administrator's word was about the time before this start.
    withdrawWordAtStart(config.directory);
    this.#logs = boundLogs(join(config.directory, "log"), platform.clock, platform.log);
    this.#writePids();

    platform.log.info("phase: store member");
    this.#startMember();
    platform.log.info("phase: store");
    await this.#waitForStore();
    if (this.#stopping !== null) return;

    await this.#leaving.start();
    if (this.#stopping !== null) return;

    platform.log.info("phase: registration");
    this.#registration.start();
    this.#failed.start();
    this.#members = followMembers(this.#world);
    if (config.store.kind === "etcd") this.#storeKeeper = new StoreKeeper(this.#world, config.store, () => this.#startMember());

    platform.log.info("phase: roles", { processes: config.processes });
    this.#rolesStarted = true;
    for (const failed of failedDrives(config.directory)) {
      platform.log.error(`The drive ${failed.directory} has failed and is not started until an administrator releases it`, { drive: failed.id });
    }
    if (config.processes === "shared") {
      this.#superviseRole("shared");
    } else {
      for (const index of startableDrives(config)) this.#startDrive(index);
      this.#superviseRole("iscsi");
    }
    this.#superviseRole("monitor");
    this.#superviseRole("management");
    this.#adding.start();
  }

  #startMember(): void {
    const { store, tlsDirectory } = this.#world.config;
    if (this.#stopping !== null || store.kind !== "etcd" || store.member === null) return;
    this.#supervise("etcd", etcdCommand(store.member, tlsDirectory));
    void this.#registration.changed();
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  addDrive(drive: NewDrive): void {
    const { directory, port } = drive;
    const { config, configFile } = this.#world;
    if (config.drives.some((known) => known.removed !== true && known.directory === directory)) return;
    assert(config.drives.every((known) => known.port !== port), "no two drives of a server have the same port");
    // The file first: the child reads it, and so does the next start.
    writeServerConfig(configFile, { ...config, drives: [...config.drives, drive] });
    config.drives.push(drive);
    if (!this.#rolesStarted || this.#stopping !== null) return;
    if (config.processes === "separate") return this.#startDrive(config.drives.length - 1);
    // A shared process opens its drives when it starts.
    const shared = this.#children.find(({ role }) => role === "shared");
    void shared?.stop().then(() => this.#stopping === null && shared.state === "down" && shared.start());
  }

  /** Out of the configuration for good, then its process ends. */
  async #removeDrive(port: number): Promise<void> {
    const { config, configFile, platform } = this.#world;
    const index = config.drives.findIndex((drive) => drive.port === port);
    const drive = config.drives[index];
    if (drive === undefined) return;
    if (drive.removed !== true) {
      platform.log.warn("A drive of this server was removed from the cluster by an administrator", { directory: drive.directory });
      drive.removed = true;
      writeServerConfig(configFile, config);
      this.#failed.forget(drive.directory);
    }
    if (config.processes === "separate") return await this.#children.find(({ role }) => role === `storage-${index}`)?.stop();
    const shared = this.#children.find(({ role }) => role === "shared");
    await shared?.stop();
    if (this.#stopping === null && shared?.state === "down") shared.start();
  }

  /** Its configuration is put aside first: whoever starts it anew finds a server without a cluster. */
  #removeServer(): void {
    const { configFile, platform } = this.#world;
    try {
      renameSync(configFile, `${configFile}.removed`);
    } catch (error) {
      platform.log.error("The configuration of this server cannot be put aside", { configFile, error: (error as Error).message });
    }
    void this.stop().then(() => this.#world.removed?.());
  }

  async #stop(): Promise<void> {
    this.#world.platform.log.info("This server stops");
    this.#adding.close();
    this.#leaving.close();
    this.#storeKeeper?.close();
    for (const stage of [["management", "monitor"], ["iscsi"], ["storage", "shared"]]) {
      await this.#stopChildren((role) => stage.some((name) => role === name || role.startsWith(`${name}-`)));
    }
    this.#failed.close();
    this.#members?.close();
    await this.#registration.close();
    await this.#deaths.drain(LAST_DEATHS_WITHIN_MS);
    this.#deaths.close();
    await this.#world.store.close().catch(() => undefined);
    await this.#stopChildren(() => true);
    this.#logs?.stop();
  }

  async #stopChildren(chosen: (role: string) => boolean): Promise<void> {
    await Promise.all(this.#children.filter(({ role }) => chosen(role)).map((child) => child.stop()));
  }

  /** Returns when the store holds this cluster, was silent for too long, or the server is to stop. */
  async #waitForStore(): Promise<void> {
    const { store, platform, config } = this.#world;
    const { clock, log } = platform;
    const beganMs = clock.nowMs();
    let complainedMs = beganMs;
    while (this.#stopping === null) {
      let silent = false;
      try {
        const { found } = await store.get(keys.cluster);
        if (found !== null) {
          const { id } = parseValue(clusterRecord, keys.cluster, found.value);
          if (id !== config.clusterId) platform.fatal("store-mismatch", `the cluster store belongs to cluster ${id}, this server to ${config.clusterId}`);
          return;
        }
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
        silent = true;
      }
      const nowMs = clock.nowMs();
      if (silent && nowMs - beganMs >= STORE_PATIENCE_MS) {
        log.error("The cluster store does not answer: the roles start without it and what needs it waits");
        return;
      }
      if (nowMs - complainedMs >= STORE_COMPLAINT_EVERY_MS) {
        complainedMs = nowMs;
        log.warn(silent ? "The cluster store does not answer yet" : "The cluster store is empty: it waits for the cluster to be formed");
      }
      await new Promise<void>((resolve) => void clock.timer(STORE_RETRY_MS, resolve));
    }
  }

  /** A drive with a filesystem of its own is mounted first: its process must never take the bare folder for a drive. */
  #startDrive(index: number): void {
    const { config, platform: { clock, log } } = this.#world;
    const { directory, filesystem } = config.drives[index]!;
    if (filesystem === undefined) return this.#superviseRole("storage", index);
    mountDrive({ directory, filesystem }).then(
      () => this.#stopping ?? this.#superviseRole("storage", index),
      (error: Error) => {
        log.error(`The drive ${directory} cannot be mounted and is not started; it is tried again: ${error.message}`, { filesystem });
        clock.timer(MOUNT_AGAIN_MS, () => this.#stopping ?? this.#startDrive(index));
      },
    );
  }

  #superviseRole(name: "storage" | "iscsi" | "shared" | "monitor" | "management", drive?: number): void {
    const argv = [...this.#world.processes.selfExecutable(), "role", name, "--config", this.#world.configFile];
    if (drive === undefined) return this.#supervise(name, argv);
    this.#supervise(`${name}-${drive}`, [...argv, "--drive", String(drive)], drive);
  }

  #supervise(role: string, argv: readonly string[], drive?: number): void {
    const { config, configFile, platform, processes } = this.#world;
    const child = new SupervisedChild(
      {
        role,
        argv,
        env: { [SERVER_VARIABLE]: configFile },
        logPath: join(config.directory, "log", `${role}.log`),
        ended: (pid, exitCode, signal) => this.#ended({ role, drive }, { pid, exitCode, signal }),
        changed: () => this.#writePids(),
      },
      { processes, clock: platform.clock, log: platform.log },
    );
    this.#children.push(child);
    child.start();
  }

  /** wait() has returned for this very process, which was our child: what it was is dead (R18). */
  #ended(
    who: { role: string; drive: number | undefined },
    end: { pid: number; exitCode: number | null; signal: string | null },
  ): "restart" | "stay-down" {
    const words = this.#lastWords(end.pid);
    const reason = `${who.role} ended with ${end.signal ?? `exit code ${end.exitCode}`}`;
    // A drive that failed does not come back by itself, so nobody need wait for it. Which drive of a shared process it was, its instances do not say.
    const failed = end.exitCode === FATAL_EXIT_CODES["drive-failed"] && who.drive !== undefined;
    for (const instance of words.instances) this.#deaths.publish(instance, failed ? `${DRIVE_FAILED}: ${reason}` : reason);
    if (end.exitCode === FATAL_EXIT_CODES["drive-refused"] && who.role !== "shared") {
      this.#world.platform.log.error(`${who.role} must not run beside the drive that has its identity; its log has the reason`);
      return "stay-down";
    }
    if (end.exitCode === FATAL_EXIT_CODES.configuration) {
      this.#world.platform.log.error(`${who.role} says that the configuration is wrong; its log has the reason`, { configFile: this.#world.configFile });
      return "stay-down";
    }
    if (end.exitCode === FATAL_EXIT_CODES["drive-failed"] && who.role !== "etcd") return this.#driveFailed(who.drive, words);
    return "restart";
  }

  #driveFailed(drive: number | undefined, words: LastWords): "restart" | "stay-down" {
    const { config, platform } = this.#world;
    const directory = drive === undefined ? words.failedDirectory : (config.drives[drive]?.directory ?? null);
    // A process with several drives that did not say which failed: starting it again will tell.
    if (directory === null) return "restart";
    const announced = drive === undefined ? undefined : words.instances[0];
    try {
      this.#failed.record({
        directory,
        id: announced?.id ?? "",
        instance: announced?.instance ?? 0,
        atMs: platform.clock.wallMs(),
        why: words.failedWhy,
      });
    } catch (error) {
      platform.log.error((error as Error).message, { drive: directory });
    }
    platform.log.error(`The drive ${directory} has failed; it is not started again until an administrator releases it (virtustor drive release)`);
    // A shared process goes on with its other drives, and its portal.
    return drive === undefined ? "restart" : "stay-down";
  }

  /** A shared process opens its drives when it starts, so that one has to start again. */
  #driveReleased(index: number): void {
    if (this.#stopping !== null) return;
    const role = this.#world.config.processes === "shared" ? "shared" : `storage-${index}`;
    const child = this.#children.find((known) => known.role === role);
    if (child === undefined) return this.#superviseRole("storage", index);
    void child.stop().then(() => this.#stopping === null && child.state === "down" && child.start());
  }

  #lastWords(pid: number): LastWords {
    try {
      return takeLastWords(this.#world.config.directory, pid);
    } catch (error) {
      this.#world.platform.log.error("What a child had announced cannot be read; its death is not published", { pid, error: (error as Error).message });
      return { instances: [], failedDirectory: null, failedWhy: "" };
    }
  }

  #writePids(): void {
    const children = this.#children.flatMap(({ role, pid }) => (pid === null ? [] : [{ role, pid }]));
    try {
      writePids(this.#world.config.directory, [{ role: "server", pid: process.pid }, ...children]);
    } catch (error) {
      this.#world.platform.log.warn("The list of processes cannot be written", { error: (error as Error).message });
    }
  }
}
